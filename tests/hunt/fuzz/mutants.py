"""One broken rule each: a line of ``mm/`` or ``policies/`` in which one condition is flipped, widened or
dropped.

``breaks`` says which rule is gone, in the words of the report.
"""

from __future__ import annotations

from mutant import Mutant
from mutants_outside import OUTSIDE

#: Mutants no program can tell from the model, with the reason; they do not count.
EQUIVALENT: tuple[tuple[Mutant, str], ...] = (
    (
        Mutant(
            "MADV_REMOVE refuses locked mappings",
            "mm/more/madvise.py",
            "if vma.flags & VM_LOCKED or vma.file is None or vma.i_mapping is None:",
            "if vma.file is None or vma.i_mapping is None:",
        ),
        "only special VMAs get there, and those are never locked",
    ),
    (
        Mutant(
            "no flush is forced while an address space dies",
            "policies/flushes/free_vmas.py",
            """        \"\"\"Flush everything cleared so far if it included a PFN VMA.\"\"\"
        if not tlb.fullmm and tlb.vma_pfn:""",
            """        \"\"\"Flush everything cleared so far if it included a PFN VMA.\"\"\"
        if tlb.vma_pfn:""",
        ),
        "with fullmm the flag is never set in the first place",
    ),
    (
        Mutant(
            "a handler may insert with a mode of its own",
            "mm/users/driver.py",
            'if self.how == "fault_prot" else vma.page_prot',
            'if self.how != "fault_prot" else vma.page_prot',
        ),
        "the mode asked for is ignored: an insert takes what the book says of the frame",
    ),
    (
        Mutant(
            "a child's reservation insists on its mode",
            "mm/memtype.py",
            "if strict or not is_new_memtype_allowed(phys, paddr, size, want_pcm, pcm):",
            "if not is_new_memtype_allowed(phys, paddr, size, want_pcm, pcm):",
            "6.1",
        ),
        "every page of a VMA with VM_PAT stays reserved, in its mode, until that VMA lets it go",
    ),
    (
        Mutant(
            "memory that was given up already is charged anew",
            "mm/more/mprotect.py",
            "if not vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED):",
            "if not vma.flags & (VM_WRITE | VM_SHARED):",
        ),
        "it only sets VM_ACCOUNT, which is set then",
    ),
)

_UNMAP = (
    Mutant(
        "MAP_FIXED and munmap do not split a sealed VMA",
        "mm/unmap.py",
        "if vmas and vmas[0].start < start and not vmas[0].flags & VM_SEALED:",
        "if vmas and vmas[0].start < start:",
    ),
    Mutant(
        "sealed VMAs are not unmapped",
        "mm/unmap.py",
        "if any(vma.flags & VM_SEALED for vma in vmas):",
        "if False:",
    ),
    Mutant(
        "the last VMA is split where the range ends",
        "mm/unmap.py",
        "if vmas and vmas[-1].end > end:",
        "if vmas and vmas[-1].end > end + 1:",
    ),
    Mutant(
        "an address space without mappings is flushed at its end",
        "mm/unmap.py",
        "if not vmas and whole:",
        "if not vmas and not whole:",
    ),
    Mutant(
        "pages copied on write stay where a driver says so",
        "mm/unmap.py",
        "            if keep(run):",
        "            if not keep(run):",
    ),
    Mutant(
        "zap_vma_ptes refuses a range past the VMA",
        "mm/zap.py",
        "if not vma.flags & flags or start < vma.start or end > vma.end:",
        "if not vma.flags & flags or start < vma.start:",
    ),
    Mutant(
        "zap_vma_ptes takes mixed mappings",
        "mm/zap.py",
        "if vma.mm.kernel.profile.zap_takes_mixed else VM_PFNMAP",
        "if not vma.mm.kernel.profile.zap_takes_mixed else VM_PFNMAP",
    ),
    Mutant(
        "a revocation leaves mappings of other pages alone",
        "mm/zap.py",
        "            if start < end:",
        "            if start <= end:",
    ),
    Mutant(
        "a revocation stays within one file's mappings",
        "mm/zap.py",
        "if vma.file is not None and vma.file.mapping == mapping]",
        "if vma.file is not None]",
    ),
)

_FORK = (
    Mutant("MADV_DONTFORK", "mm/fork.py", "if not src.flags & VM_DONTCOPY:", "if True:"),
    Mutant("MADV_WIPEONFORK", "mm/fork.py", "if src.flags & VM_WIPEONFORK:", "if False:"),
    Mutant(
        "a child gets anonymous pages",
        "mm/fork.py",
        "if _vma_needs_copy(src):",
        "if src.special:",
    ),
    Mutant("copied pages lose write permission", "mm/fork.py", "    if cow:", "    if not cow:"),
    Mutant(
        "shared entries start clean in a child",
        "mm/fork.py",
        "bits = pte_mkclean(run.bits) if src.flags & VM_SHARED and run.level == 1 else run.bits",
        "bits = run.bits",
    ),
    Mutant(
        "a fork that fails unmaps what it copied before the parent is flushed",
        "mm/fork.py",
        "unmaps = parent.kernel.profile.failed_fork_unmaps",
        "unmaps = not parent.kernel.profile.failed_fork_unmaps",
    ),
)

_MMAP = (
    Mutant(
        "MAP_FIXED_NOREPLACE",
        "mm/mmap.py",
        "if not fixed and mm.vmas_in(start, end):",
        "if not fixed and mm.vma_lookup(start):",
    ),
    Mutant("private memory is charged if writable", "mm/mmap.py", "elif access & VM_WRITE:", "else:"),
    Mutant(
        "resource files cannot be executed", "mm/mmap.py", "        if access & VM_EXEC:", "        if False:"
    ),
    Mutant(
        "locked memory is populated",
        "mm/mmap.py",
        "populated or fills",
        "populated",
    ),
    Mutant(
        "MAP_FIXED frees what it replaces after the new mmap",
        "mm/mmap.py",
        "    clear_vmas(mm, replaced)\n    if profile.fixed_frees_before_mmap:",
        "    clear_vmas(mm, replaced)\n    if not profile.fixed_frees_before_mmap:",
    ),
    Mutant(
        "only a mapping in two phases was linked before it fails",
        "mm/mmap.py",
        "two_phases = file is not None and file.mmap_prepare",
        "two_phases = file is not None and not file.mmap_prepare",
    ),
    Mutant(
        "a private mapping is remapped whole or not at all",
        "mm/remap.py",
        "partial_private = private and (start != vma.start or end != vma.end)",
        "partial_private = False",
    ),
    Mutant(
        "a private part is refused before anything is tracked",
        "mm/remap.py",
        "if partial_private and kernel.profile.remap_prepares_first:",
        "if partial_private and not kernel.profile.remap_prepares_first:",
    ),
)

_FAULT = (
    Mutant(
        "memory that may only be executed is not read",
        "hw/entry.py",
        "return bool(bits & PAGE_PKEY_BIT0)",
        "return False",
    ),
    Mutant(
        "copying a page of an entry not accessed yet faults twice",
        "mm/copy_on_write.py",
        "return copies and not entry.bits & PAGE_ACCESSED",
        "return copies",
    ),
    Mutant(
        "a page shared with a child is copied when written",
        "mm/copy_on_write.py",
        "reuse = page is not None and page.anonymous and (page.exclusive or _sole_user(page))",
        "reuse = page is not None and page.anonymous",
    ),
    Mutant(
        "a page that is nobody else's any more is used again",
        "mm/copy_on_write.py",
        "reuse = page is not None and page.anonymous and (page.exclusive or _sole_user(page))",
        "reuse = page is not None and page.anonymous and page.exclusive",
    ),
    Mutant(
        "only files with a handler fault twice",
        "mm/fault.py",
        "if user and file.has_fault and _has_own_lock(vma):",
        "if user and _has_own_lock(vma):",
    ),
)

_PROTECT = (
    Mutant(
        "mprotect stays within what the file allows",
        "mm/more/mprotect.py",
        "if access & ~(flags >> _MAY_SHIFT) & VM_ACCESS:",
        "if False:",
    ),
    Mutant(
        "mprotect refuses sealed VMAs",
        "mm/more/mprotect.py",
        "        if vma.flags & VM_SEALED:",
        "        if False:",
    ),
    Mutant(
        "mprotect leaves a VMA alone that has the protection",
        "mm/more/mprotect.py",
        "        if flags != vma.flags:",
        "        if True:",
    ),
    Mutant(
        "shared memory is not charged",
        "mm/more/mprotect.py",
        "if not vma.flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED):",
        "if not vma.flags & (VM_ACCOUNT | VM_WRITE):",
    ),
    Mutant(
        "only untouched memory gives its charge back",
        "mm/more/mprotect.py",
        "kernel.profile.unfaulted_unaccounted and vma.is_anonymous and vma.anon_vma is None:",
        "kernel.profile.unfaulted_unaccounted and vma.is_anonymous:",
    ),
    Mutant(
        "a clean entry is not made writable by mprotect",
        "mm/more/mprotect.py",
        "if upgrade and not pte_write(bits) and (pte_dirty(bits) or not needs_dirty):",
        "if upgrade and not pte_write(bits):",
    ),
    Mutant(
        "mprotect flushes only what a processor may have wrong",
        "mm/more/mprotect.py",
        "        if run.level == _GIGABYTE or pte_needs_flush(run.bits, bits):",
        "        if True:",
    ),
    Mutant(
        "first writes to resource files fault, those to other files do not",
        "mm/vma.py",
        "return self.file is not None and self.file.write_notify",
        "return self.file is not None",
    ),
    Mutant(
        "VMAs with different flags do not merge",
        "mm/vma.py",
        "and not (self.flags ^ below.flags) & ~ignored",
        "",
    ),
    Mutant(
        "a child's VMA that holds pages does not merge with one that holds none",
        "mm/vma.py",
        "return other is None or not other.inherited",
        "return True",
    ),
    Mutant(
        "two VMAs with anonymous pages of their own do not merge",
        "mm/vma.py",
        "            return anon_vma is other",
        "            return True",
    ),
    Mutant(
        "a first anonymous page uses the reverse map of a neighbour",
        "mm/copy_on_write.py",
        "        vma.anon_vma = below.reusable_anon_vma()",
        "        vma.anon_vma = None",
    ),
)

_ADVISE = (
    Mutant(
        "a hole makes madvise answer ENOMEM",
        "mm/more/madvise.py",
        "        if vma.start > at:",
        "        if False:",
    ),
    Mutant(
        "sealed memory nobody may write keeps what it has",
        "mm/more/madvise.py",
        "if vma.flags & VM_SEALED and advice in _DISCARDING and _guards_contents(vma):",
        "if False:",
    ),
    Mutant(
        "advice that clears entries has one gather",
        "mm/more/madvise.py",
        "once = advice in _ZAPPING and mm.kernel.profile.madvise_gathers_once",
        "once = advice in _ZAPPING and not mm.kernel.profile.madvise_gathers_once",
    ),
    Mutant(
        "MADV_DODUMP is refused on device mappings",
        "mm/more/madvise.py",
        "    if advice in _REFUSED_SPECIAL:",
        '    if advice in _REFUSED_SPECIAL and advice != "dodump":',
    ),
    Mutant(
        "advice that changes nothing splits nothing",
        "mm/more/madvise.py",
        "    if flags == vma.flags:",
        "    if False:",
    ),
    Mutant(
        "MADV_POPULATE asks for permission",
        "mm/more/madvise.py",
        'if not vma.flags & (VM_READ if advice == "populate_read" else VM_WRITE):',
        "if False:",
    ),
    Mutant(
        "device mappings are never locked",
        "mm/more/mlock.py",
        "if flags == vma.flags or vma.special:",
        "if flags == vma.flags:",
    ),
    Mutant(
        "a hole makes msync answer ENOMEM", "mm/more/mlock.py", "hole = hole or vma.start > at", "hole = hole"
    ),
    Mutant(
        "private mappings are not synced",
        "mm/more/mlock.py",
        "vma.file is not None and vma.flags & VM_SHARED and vma.file.fsync_errno",
        "vma.file is not None and vma.file.fsync_errno",
    ),
    Mutant(
        "memory without access cannot be locked in",
        "mm/populate.py",
        "if not vma.flags & VM_ACCESS or vma.execute_only:",
        "if False:",
    ),
)

_MREMAP = (
    Mutant(
        "mremap refuses a destination over its source",
        "mm/mremap.py",
        "if call.fixed and call.start + call.old > call.to and call.to + call.new > call.start:",
        "if False:",
    ),
    Mutant(
        "device mappings do not grow",
        "mm/mremap.py",
        "if call.new > call.old and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):",
        "if False:",
    ),
    Mutant(
        "device mappings take no MREMAP_DONTUNMAP",
        "mm/mremap.py",
        "if call.dontunmap and vma.flags & (VM_DONTEXPAND | VM_PFNMAP):",
        "if False:",
    ),
    Mutant(
        "files that place mappings themselves move whole",
        "mm/mremap.py",
        "if vma.file is not None and vma.file.own_placement and not whole:",
        "if vma.file is not None and vma.file.own_placement:",
    ),
    Mutant(
        "private mappings are not duplicated",
        "mm/mremap.py",
        "if call.old == 0 and not vma.flags & (VM_SHARED | VM_MAYSHARE):",
        "if False:",
    ),
    Mutant(
        "a move of nothing flushes nothing",
        "mm/move_tables.py",
        "            if runs:\n                mm.flush_tlb(first, last)",
        "            if True:\n                mm.flush_tlb(first, last)",
    ),
    Mutant(
        "a whole page table moves",
        "mm/move_tables.py",
        "level = {_PTE_TABLE: 1, _PMD_TABLE: 2}.get(last - first, 0)",
        "level = {_PMD_TABLE: 2}.get(last - first, 0)",
    ),
    Mutant(
        "MREMAP_FIXED unmaps its destination before the source is judged",
        "mm/mremap.py",
        "checks_first = mm.kernel.profile.mremap_checks_first",
        "checks_first = not mm.kernel.profile.mremap_checks_first",
        "6.12",
    ),
)

_BOOK = (
    Mutant(
        "a reservation takes the mode it finds",
        "mm/memtype.py",
        "if adopts or overlap.type == actual:",
        "if overlap.type == actual:",
    ),
    Mutant(
        "write-back on a device becomes what the MTRRs leave of it",
        "mm/memtype.py",
        "actual = req if req is not _WB else self._pat_x_mtrr_type(start, end)",
        "actual = req",
    ),
    Mutant(
        "RAM keeps its mode in silence",
        "mm/memtype.py",
        "            if want_pcm == pcm:",
        "            if False:",
    ),
    Mutant(
        "what nobody reserved looks up as UC-",
        "mm/memtype.py",
        "return overlap.type if overlap else _UC_MINUS",
        "return overlap.type if overlap else _WC",
    ),
    Mutant(
        "freeing the tail of an entry shrinks it",
        "mm/memtype.py",
        "if not self.end_match or start >= end:",
        "if self.end_match or start >= end:",
        "6.1",
    ),
    Mutant(
        "pages that look up different modes are not remapped together",
        "mm/pfnmap.py",
        "    if len(modes) > 1:",
        "    if False:",
    ),
    Mutant(
        "ioremap refuses a mode it cannot live with",
        "mm/more/memremap.py",
        "if granted != mode and not is_new_memtype_allowed(",
        "if granted == mode and not is_new_memtype_allowed(",
    ),
)

MUTANTS = (*_UNMAP, *_FORK, *_MMAP, *_FAULT, *_PROTECT, *_ADVISE, *_MREMAP, *_BOOK, *OUTSIDE)
