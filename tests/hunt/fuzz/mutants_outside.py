"""Broken rules of users, walkers and policies, as in ``mutants.py``."""

from __future__ import annotations

from mutant import Mutant

_USERS = (
    Mutant(
        "a mapping stays within the BAR", "mm/users/pci.py", "if not self.bar.contains(pfns):", "if False:"
    ),
    Mutant(
        "a claimed BAR is not mapped",
        "mm/users/pci.py",
        "if platform.iomem_is_exclusive(pfn_to_phys(self.bar.start)):",
        "if False:",
    ),
    Mutant(
        "/dev/mem refuses claimed pages",
        "mm/users/devmem.py",
        "if platform.strict_devmem and not platform.range_is_allowed(pfns.start, pfns.nr * PAGE_SIZE):",
        "if False:",
    ),
    Mutant(
        "O_SYNC asks for UC-",
        "mm/users/devmem.py",
        "mode = CacheMode.UC_MINUS if self.sync else CacheMode.WB",
        "mode = CacheMode.UC_MINUS if not self.sync else CacheMode.WB",
    ),
    Mutant(
        "a driver remaps within one VMA",
        "mm/users/driver.py",
        "if not isinstance(vma.file, DriverFile) or end > vma.end:",
        "if not isinstance(vma.file, DriverFile):",
    ),
    Mutant(
        "mincore looks at device mappings since 7.3 only",
        "mm/more/readers.py",
        "vma.file is None or mm.kernel.profile.mincore_walks or",
        "vma.file is None or not mm.kernel.profile.mincore_walks or",
    ),
    Mutant(
        "the kernel takes no hold of device pages",
        "mm/more/gup.py",
        "if vma is None or not walker.walk_page_test(vma) or not _permits(vma, write, force):",
        "if vma is None or not _permits(vma, write, force):",
    ),
)

_WALKERS = (
    Mutant(
        "a page is unshared before it is pinned",
        "mm/more/gup.py",
        "if pin and not write and shared:",
        "if False:",
    ),
    Mutant(
        "/proc/self/mem reaches device pages by way of the file",
        "mm/more/remote.py",
        "if vma is None or vma.file is None or not vma.file.has_access:",
        "if True:",
    ),
    Mutant(
        "/proc/self/mem does not store through a read-only entry",
        "mm/more/remote.py",
        "if entry is None or (writes and not pte_write(entry.bits)):",
        "if entry is None:",
    ),
    Mutant(
        "device pages are holes in pagemap",
        "mm/more/pagemap.py",
        "if not walker.walk_page_test(vma):\n        return Pagemap(softdirty=softdirty)",
        "if False:\n        return Pagemap(softdirty=softdirty)",
    ),
    Mutant(
        "move_pages asks for folios",
        "mm/more/readers.py",
        "if mm.kernel.profile.move_pages_walks_folios:",
        "if not mm.kernel.profile.move_pages_walks_folios:",
    ),
    Mutant(
        "a futex wants a page it may write to",
        "mm/more/readers.py",
        "get_user_page_fast(mm, vpn, write=True)",
        "get_user_page_fast(mm, vpn)",
    ),
    Mutant(
        "a fork that may commit no memory is refused at the first private VMA",
        "mm/fork.py",
        "if committed and not commits:",
        "if not commits:",
    ),
)

_VFIO = (
    Mutant(
        "an access to a device whose memory is off is SIGBUS",
        "mm/users/vfio.py",
        "        if self.kernel.profile.vfio_minds_memory and (not self.memory or self.asleep):",
        "        if False:",
    ),
    Mutant(
        "switching memory off takes entries away",
        "mm/users/vfio.py",
        "            if zapped and not self.kernel.profile.vfio_remaps:",
        "            if False:",
    ),
    Mutant(
        "vfio-pci maps shared only",
        "mm/users/vfio.py",
        "if not shared or first < 0 or first + vma.nr > self.pages.nr:",
        "if first < 0 or first + vma.nr > self.pages.nr:",
    ),
    Mutant(
        "a leaf lies within its VMA",
        "mm/users/vfio.py",
        "fits = vma.start <= start and start + pages <= vma.end",
        "fits = vma.start <= start",
    ),
    Mutant(
        "the last mapping closes the device",
        "mm/users/vfio.py",
        "if self.open or self.users:",
        "if self.open:",
    ),
    Mutant(
        "a copied mapping starts empty",
        "mm/users/vfio.py",
        "        zap_vma_ptes(new, new.start, new.end)",
        "        pass",
        "6.1",
    ),
    Mutant(
        "the first fault maps everything",
        "mm/users/vfio.py",
        "remap_pfn_range(vma, vma.start, PfnRange(pfn, pfn + vma.nr), vma.page_prot)",
        "remap_pfn_range(vma, vma.start, PfnRange(pfn, pfn + 1), vma.page_prot)",
        "6.1",
    ),
    Mutant(
        "a leaf is copied to a child as it is",
        "mm/fork.py",
        "if src.flags & VM_SHARED and run.level == 1 else run.bits",
        "if src.flags & VM_SHARED else run.bits",
    ),
)

_POLICIES = (
    Mutant(
        "a dying address space is flushed whole",
        "mm/gather.py",
        "if self.fullmm or self.mm.tlb_flush_pending > 1:",
        "if self.mm.tlb_flush_pending > 1:",
    ),
    Mutant(
        "page tables are freed in batches",
        "mm/gather.py",
        "if not kernel.profile.tables_in_batches:",
        "if kernel.profile.tables_in_batches:",
    ),
    Mutant(
        "only a whole VMA is reserved",
        "policies/trackers/track_ctx.py",
        "if start == vma.start and pfns.nr == vma.nr:",
        "if start == vma.start:",
    ),
    Mutant(
        "a remap that fails lets its reservation go",
        "policies/trackers/track_ctx.py",
        "if pfns.nr == vma.nr and vma.pfnmap is not None:",
        "if False:",
    ),
    Mutant(
        "a reservation lasts until its last VMA goes",
        "policies/trackers/track_ctx.py",
        "        if not ctx.refs:",
        "        if True:",
    ),
    Mutant(
        "a piece keeps VM_PAT, a child does not",
        "policies/trackers/vm_pat.py",
        "if (forked or not profile.only_fork_clears_vm_pat) and orig.flags & VM_PFNMAP:",
        "if orig.flags & VM_PFNMAP:",
        "6.1",
    ),
    Mutant(
        "what fork reserved for a child that failed goes again",
        "policies/trackers/vm_pat.py",
        "        elif dst.flags & VM_PFNMAP:",
        "        elif False:",
        "6.1",
    ),
    Mutant(
        "a private mapping's pfn is known from its offset",
        "policies/trackers/vm_pat.py",
        "if is_cow_mapping(vma.flags) and by_pgoff:",
        "if False:",
        "6.1",
    ),
    Mutant(
        "ordinary memory is moved without the tracker",
        "policies/trackers/vm_pat.py",
        "if self._kernel.profile.move_clears_vm_pat and old.flags & VM_PFNMAP:",
        "if self._kernel.profile.move_clears_vm_pat:",
        "6.1",
    ),
    Mutant(
        "only PFN VMAs force a flush at their end",
        "policies/flushes/end_vma.py",
        "if not tlb.fullmm and tlb.vma_pfn:",
        "if not tlb.fullmm:",
        "6.1",
    ),
    Mutant(
        "a PFN VMA forces a flush for all that follow it",
        "policies/flushes/free_vmas.py",
        "tlb.vma_pfn = tlb.vma_pfn or is_pfn_vma(vma)",
        "tlb.vma_pfn = is_pfn_vma(vma)",
    ),
)

#: Switches of profiles turned: a kernel's model that takes a change for absent, or present.
_SWITCHES = (
    Mutant(
        "7.2 books vfio-pci BARs when the device is opened",
        "policies/switches.toml",
        'since = "7.2"\nsource = "a BAR is claimed',
        'since = "7.3"\nsource = "a BAR is claimed',
    ),
    Mutant(
        "a repaired fork of 6.1 lets its reservation go",
        "policies/switches.toml",
        'points = ["6.14.2", "6.13.11", "6.12.23", "6.6.87", "6.1.160"]',
        'points = ["6.14.2", "6.13.11", "6.12.23", "6.6.87"]',
        "6.1",
    ),
    Mutant(
        "6.1 knows the pfn of a copied first page",
        "policies/switches.toml",
        'points = ["6.8.5", "6.6.26", "6.1.85", "5.15.155", "5.10.215"]',
        'points = ["6.8.5", "6.6.26", "5.15.155", "5.10.215"]',
        "6.1",
    ),
    Mutant(
        "6.1 counts no copied pages of device mappings",
        "policies/eras.toml",
        'name = "special_bits"\nsince = "6.2"',
        'name = "special_bits"\nsince = "6.1"',
        "6.1",
    ),
    Mutant(
        "6.12 frees the tail of a reservation",
        "policies/switches.toml",
        'until = "6.16"\nlast = "6.15"\nsource = "a free',
        'until = "6.12"\nlast = "6.11"\nsource = "a free',
        "6.12",
    ),
    Mutant(
        "6.12 flushes at the end of a VMA",
        "policies/eras.toml",
        'name = "free_vmas"\nsince = "6.16"',
        'name = "free_vmas"\nsince = "6.12"',
        "6.12",
    ),
    Mutant(
        "mremap of 6.16 unmaps its destination first",
        "policies/switches.toml",
        'since = "6.17"\nsource = "mremap rework',
        'since = "6.16"\nsource = "mremap rework',
        "6.16",
    ),
)

OUTSIDE = (*_USERS, *_WALKERS, *_VFIO, *_POLICIES, *_SWITCHES)
