"""The differences between kernels: switches named by their effect.

A profile is data (``policies/profiles.py``, ``policies/switches.toml``); the model asks its switches and
nothing else, never a version number.
"""

from __future__ import annotations

from dataclasses import dataclass

from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.walk_policy import Walkers


@dataclass(frozen=True)
class Profile:
    """The rules of one kernel; the switches are in the order of their table (``policies/switches.toml``).

    :ivar series: ``6.1``, ``7.2`` ...
    :ivar version: the exact kernel, ``6.1.176``; of a release that nobody ran, its series
    :ivar tracker: the policy that remembers which pfns a mapping reserved
    :ivar flushes: the policies that place forced flushes of PFN VMAs, by call
    :ivar walkers: the policies of walkers, by place
    :ivar freed_in_vain: how a free of what the book does not have is reported, the same in all kernels
    :ivar configuration: how the kernel was configured (S13)
    """

    series: str
    version: str
    tracker: str
    flushes: Flushes[str]
    walkers: Walkers[str]
    freed_in_vain: str
    configuration: Configuration

    # Mappings: how they come, go and merge.
    #: MAP_FIXED frees the VMAs it replaces before the new mmap, not after it.
    fixed_frees_before_mmap: bool
    #: mmap and mremap lock the file's reverse map before the new VMA enters the address space.
    mmap_locks_rmap_first: bool
    #: A new mapping merges with the VMA above it rather than with that below.
    mmap_tries_above_first: bool
    #: A VMA with anonymous pages merges into a neighbour without (S5.3.2).
    faulted_joins_unfaulted: bool
    #: But the copy that mremap makes of a VMA that came by fork does not (S5.3.2).
    copy_minds_fork: bool
    #: Of a VMA that munmap cuts at both ends, the old one goes.
    munmap_keeps_the_middle: bool
    #: exit frees VMAs by a function of its own, without waiting for readers.
    exit_frees_at_once: bool
    #: exec ends the old address space after setup_new_exec (order rule 6).
    exec_tears_down_late: bool
    #: mmap of a buffer of perf maps its pages as frames, else faults map them as pages (S9.10.2).
    perf_maps_ahead: bool
    #: A buffer of perf is never cut (S9.10.4).
    perf_stays_whole: bool
    #: The clocks of hypervisors are a mapping of their own beside vvar (S9.11.1).
    vvar_clocks_apart: bool
    #: The random numbers of the vDSO have a page of vvar (S9.11.3).
    vvar_rng_page: bool
    #: The pages of vvar are counted ones, else frames (S9.11.2).
    vvar_counted: bool
    #: vvar has all of its pages, and no VM_IO (S9.11.3, S9.11.4).
    vvar_whole: bool
    #: Memory that cannot be committed is logged with its size.
    overcommit_names_bytes: bool
    #: Files without a name are of a file system without execution.
    anon_inodes_noexec: bool

    # Fork.
    #: fork tells a file of the copied VMA before its entries are copied (S5.11).
    fork_opens_first: bool
    #: A fork that fails unmaps its copies itself, before the parent is flushed.
    failed_fork_unmaps: bool
    #: fork copies entries of vfio, which a fault in the child would bring back; off in no kernel that is
    #: known (S5.11.1a).
    fork_copies_vfio: bool
    # The end of a process.
    #: The memory of a dying process is reaped from its last VMA on, else from its first (S8.4).
    reaps_backwards: bool

    # mremap.
    #: mremap checks everything before it unmaps a fixed destination (S5.8).
    mremap_checks_first: bool
    #: A same-size mremap may move several VMAs (S5.8).
    mremap_many_vmas: bool
    #: mremap moves the first page table whole where nothing in it lies in front of the mapping (S5.8.12).
    mremap_aligns_down: bool
    #: mremap flushes the old place before others may look at the tables (S8.1.10).
    mremap_flushes_locked: bool
    #: MREMAP_DONTUNMAP takes VM_ACCOUNT from the whole source VMA.
    dontunmap_drops_account: bool
    #: The copy of MREMAP_DONTUNMAP may merge with its source.
    dontunmap_joins_source: bool
    #: Where it may not, it merges with nothing at all beside it.
    dontunmap_beside_source_alone: bool
    #: MREMAP_DONTUNMAP adds the moved pages to locked_vm (S5.8.9).
    dontunmap_counts_moved: bool
    #: MREMAP_DONTUNMAP of a part takes VM_LOCKED from the whole source VMA.
    dontunmap_unlocks_all: bool

    # mprotect, mseal and advice.
    #: mprotect makes private entries writable at once where they are dirty only.
    upgrades_dirty_only: bool
    #: Losing write permission gives back the charge of untouched anonymous memory.
    unfaulted_unaccounted: bool
    #: mseal(2) exists (S5.10.7).
    mseal: bool
    #: Behind a VMA that merged with a sealed one, mseal goes on from that VMA's old end (S5.10.7).
    mseal_keeps_old_end: bool
    #: A seal guards anonymous memory from advice, else all memory without a file (S5.10.7c).
    seal_guards_anonymous: bool
    #: MADV_GUARD_INSTALL and _REMOVE are known (S5.9).
    guard_regions: bool
    #: MADV_POPULATE_* ends at the first hole instead of going on behind it.
    populate_stops_at_hole: bool
    #: Advice that clears entries has one gather for the whole call.
    madvise_gathers_once: bool
    #: Advice that clears entries locks VMAs one by one instead of mmap_lock.
    zapping_advice_locks_vmas: bool
    #: Advice that sets guards, or takes them away, locks VMAs one by one too (S5.9.9).
    guarding_advice_locks_vmas: bool
    #: MADV_PAGEOUT leaves the accessed bit of pages that stay.
    pageout_keeps_young: bool
    #: MADV_COLD and MADV_PAGEOUT skip VMAs that the page walk skips (S5.9.7).
    aging_asks_page_test: bool
    #: The fast lookup leaves pages that are in no file to the slow one (S7.2.4).
    fast_lookup_wants_a_file: bool
    #: MADV_DOFORK refuses every special VMA, not those with VM_IO alone (S5.9.2).
    dofork_refuses_special: bool
    #: fallocate on a file that cannot says so before it judges the size (S5.9.6).
    fallocate_checks_op_first: bool
    #: process_madvise takes any advice about the caller's own memory (S5.15).
    own_memory_takes_any_advice: bool

    # Entries and faults.
    #: Write-protecting an entry hides its dirty bit (S1.3).
    saved_dirty: bool
    #: A driver's mapping without operations is not taken for anonymous memory (S6.2.5a).
    dummy_vm_ops: bool
    #: A writable entry of a file's dirty page is dirty from the start.
    dirty_file_pages_stay_so: bool
    #: A page copied on write has the cache mode of vm_page_prot, which a driver may have chosen for its
    #: device; off in no kernel that is known (S6.4.4).
    copied_keeps_mode: bool
    #: A file's fault handler is only called in a second attempt.
    faults_drop_the_vma_lock: bool
    #: Drivers can fill leaves of 2 MiB and 1 GiB (vmf_insert_pfn_pmd, S5.6).
    huge_pfnmap: bool
    #: PFN mappings get leaves with any setting of transparent_hugepage (S6.2.2).
    huge_faults_ignore_thp: bool
    #: A leaf of 1 GiB has the mode of vm_page_prot, whichever was looked up (S5.6.2).
    pud_forgets_mode: bool
    #: A border of a VMA inside a leaf of 1 GiB leaves it; off in no kernel that is known (S6.3.7).
    cut_keeps_gigabyte: bool
    #: mremap loses leaves of 1 GiB instead of moving them; off in no kernel that is known (S6.3.10).
    mremap_loses_gigabytes: bool

    # Zaps, and the end of page tables.
    #: A driver's zap works on VM_MIXEDMAP too (zap_special_vma_range, S6.7.4).
    zap_takes_mixed: bool
    #: A zap of a part of a leaf of 1 GiB warns where mmap_lock is not held (S6.3.8).
    zap_asserts_mmap_lock: bool
    #: remap_pfn_range warns where mmap_lock is not held for writing, as in a fault handler (S3.3.2c).
    flags_assert_mmap_lock: bool
    #: A tracker that asks the page tables warns where mmap_lock is not held, as under a revocation (S3.4.5).
    lookup_asserts_mmap_lock: bool
    #: Advice that zaps a page table as a whole frees it (S5.9.11).
    zap_frees_tables: bool
    #: The flush for it covers the page behind it instead (S5.9.11).
    zap_flushes_behind: bool
    #: Page tables are freed in batches of their own, each flushed when it is full.
    tables_in_batches: bool
    #: A page table for which no batch can be allocated is flushed before it is freed (S8.1.12).
    lone_table_flushes: bool
    #: free_pgtables takes VMAs of a file out of its reverse map together.
    unlinks_in_batches: bool
    #: Every unmapping of pages empties its processor's batches of pages (S5.10.1).
    unmap_drains_lru: bool

    # Other ways to a page.
    #: A VMA that is skipped is a hole to the walker, so pagemap and mincore report its pages (S7.5.4).
    skipped_are_holes: bool
    #: /proc/PID/pagemap knows the ioctl PAGEMAP_SCAN (S7.5.12).
    pagemap_scans: bool
    #: It calls every present page written, also where no userfaultfd protects pages (S7.5.13).
    scan_takes_present_for_written: bool
    #: It calls an empty entry of a page table written (S7.5.13).
    scan_takes_empty_for_written: bool
    #: mincore looks at the entries of PFN mappings (S7.5).
    mincore_walks: bool
    #: move_pages takes special entries for empty ones (S7.5).
    move_pages_walks_folios: bool
    #: Reading smaps locks VMAs one by one instead of mmap_lock (S7.5.9).
    smaps_locks_vmas: bool
    #: /proc/self/mem reads and writes ordinary memory of any protection.
    mem_forces: bool
    #: copy_from_user that faulted in vain tries once more, byte by byte (S7.6.4).
    copies_fault_twice: bool
    #: /proc/self/mem takes mmap_lock for writing where there is no VMA (S7.6.2).
    remote_access_expands: bool
    #: /proc/self/mem looks at a device's entry once more before it reads or writes the frame (S7.6.3).
    access_phys_asks_again: bool
    #: /proc/self/mem does not try to map ordinary memory for the kernel: a copied page, or RAM that a driver
    #: has mapped (S7.6.3).
    access_phys_spares_ram: bool
    #: /proc/self/mem reads and writes a device page by page, and nothing behind the page that is mapped
    #: (S7.6.5).
    access_phys_by_page: bool

    # Cache modes and the book.
    #: pgprot_writecombine replaces the cache bits instead of OR-ing (S1.5).
    pgprot_replaces: bool
    #: MTRR types come from one merged map (S1.7).
    mtrr_merged_map: bool
    #: Freeing a range may shrink an entry with the same end (S2.4).
    end_match: bool
    #: A reservation that begins where another ends does not overlap it.
    neighbours_apart: bool
    #: A range that ends with physical memory can be reserved (S2.2.1).
    reserve_keeps_top: bool
    #: /dev/mem asks for permission on the PAT side too (S1.14).
    devmem_guards_aliases: bool
    #: The log names the resource that a mapping of the kernel leaves (S9.6.5).
    spanning_told: bool

    # Tracking.
    #: remap_pfn_range refuses private parts and sets flags before it tracks (S4.6.1).
    remap_prepares_first: bool
    #: remap_pfn_range that fails clears the entries it filled (S3.3.3).
    failed_remap_zaps: bool
    #: A flag says whether a mapping is tracked, not its offset (S3.6.6).
    vm_pat_flag: bool
    #: mremap takes vm_pat's flag from the VMA it moved away from (S3.7).
    move_clears_vm_pat: bool
    #: A fork without room for page tables clears vm_pat's flag in the child.
    failed_copy_clears_vm_pat: bool
    #: vm_pat finds the first pfn although that page was copied on write (S3.4.3).
    cow_knows_its_pfn: bool
    #: A fork that fails undoes its own reservation, and no other (S3.5.3).
    failed_fork_untracks: bool
    #: Where failed_fork_untracks, a split or a move keeps vm_pat's flag.
    only_fork_clears_vm_pat: bool
    #: get_pat_info() is in each function that calls it, and warns once in each (S3.4.4).
    pat_info_inlined: bool

    # Files and devices.
    #: /dev/mem maps in two phases, the old mapping gone in between (S4.7).
    devmem_mmap_prepare: bool
    #: A claimed region is revoked from PCI files too, not only from /dev/mem (S9.1.5).
    pci_files_revoked: bool
    #: A fault in a vfio-pci mapping remaps and books all of it (S9.4).
    vfio_remaps: bool
    #: vfio-pci knows a region behind its last one for none (S9.4.1).
    vfio_checks_region: bool
    #: A fault that would remap a vfio-pci mapping again does nothing (S9.4.2).
    vfio_fills_once: bool
    #: vfio-pci takes mappings away before a device's memory is off, and fills none until it is on (S9.4.4a).
    vfio_minds_memory: bool
    #: vfio-pci fills a leaf only where its first frame is aligned as it is (S9.4.2a).
    vfio_checks_leaf_pfn: bool
    #: vfio-pci fills a leaf at a fault of any of its pages, not of the first alone (S9.4.2a).
    vfio_aligns_leaf: bool
    #: vfio-pci claims a BAR when the device is opened, not when the BAR is mapped.
    vfio_claims_when_opened: bool
    #: The log says how many struct pages were made for a device (S4.9).
    zone_device_announced: bool
