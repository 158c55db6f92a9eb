"""The differences between kernels: switches named by their effect.

A profile is data (``policies/profiles.py``, ``policies/switch_table.py``); the model asks its switches and
nothing else, never a version number.
"""

from __future__ import annotations

from dataclasses import dataclass

from pfnlab.mm.configuration import Configuration
from pfnlab.mm.walk_policy import Walkers


@dataclass(frozen=True)
class Profile:
    """The rules of one kernel series.

    :ivar series: ``6.1``, ``7.2`` ...
    :ivar version: the exact kernel, ``6.1.176``; of a release that nobody ran, its series
    :ivar tracker: the policy that remembers which pfns a mapping reserved
    :ivar end_match: freeing a range may shrink an entry with the same end (S2.4)
    :ivar dontunmap_drops_account: MREMAP_DONTUNMAP takes VM_ACCOUNT from the whole source VMA
    :ivar copies_fault_twice: copy_from_user that faulted in vain tries once more, byte by byte (S7.6.4)
    :ivar remote_access_expands: /proc/self/mem takes mmap_lock for writing where there is no VMA (S7.6.2)
    :ivar dontunmap_counts_moved: MREMAP_DONTUNMAP adds the moved pages to locked_vm (S5.8.9)
    :ivar dontunmap_unlocks_all: MREMAP_DONTUNMAP of a part takes VM_LOCKED from the whole source VMA
    :ivar dontunmap_joins_source: the copy of MREMAP_DONTUNMAP may merge with its source
    :ivar dontunmap_beside_source_alone: else it merges with nothing at all beside it
    :ivar upgrades_dirty_only: mprotect makes private entries writable at once where they are dirty only
    :ivar faulted_joins_unfaulted: a VMA with anonymous pages merges into a neighbour without (S5.3.2)
    :ivar copy_minds_fork: but not the copy that mremap makes of a VMA that came by fork (S5.3.2)
    :ivar mmap_tries_above_first: a new mapping merges with the VMA above it rather than with that below
    :ivar pgprot_replaces: pgprot_writecombine replaces the cache bits instead of OR-ing (S1.5)
    :ivar mtrr_merged_map: MTRR types come from one merged map (S1.7)
    :ivar saved_dirty: write-protecting an entry hides its dirty bit (S1.3)
    :ivar mseal: mseal(2) exists (S5.10.7)
    :ivar guard_regions: MADV_GUARD_INSTALL and _REMOVE are known (S5.9)
    :ivar mremap_checks_first: mremap checks everything before it unmaps a fixed destination (S5.8)
    :ivar mremap_many_vmas: a same-size mremap may move several VMAs (S5.8)
    :ivar devmem_mmap_prepare: /dev/mem maps in two phases, the old mapping gone in between (S4.7)
    :ivar fallocate_checks_op_first: fallocate on a file that cannot says so before it judges the size
        (S5.9.6)
    :ivar overcommit_names_bytes: memory that cannot be committed is logged with its size
    :ivar unfaulted_unaccounted: losing write permission gives back the charge of untouched anonymous memory
    :ivar populate_stops_at_hole: MADV_POPULATE_* ends at the first hole instead of going on behind it
    :ivar flushes: the policy that places forced flushes of PFN VMAs
    :ivar walkers: the policies of walkers, by place
    :ivar freed_in_vain: how a free of what the book does not have is reported, the same in all kernels
    :ivar exec_tears_down_late: exec ends the old address space after setup_new_exec (order rule 6)
    :ivar exit_frees_at_once: exit frees VMAs by a function of its own, without waiting for readers
    :ivar fixed_frees_before_mmap: MAP_FIXED frees the VMAs it replaces before the new mmap, not after it
    :ivar remap_prepares_first: remap_pfn_range refuses private parts and sets flags before it tracks (S4.6.1)
    :ivar failed_fork_unmaps: a fork that fails unmaps its copies itself, before the parent is flushed
    :ivar faults_drop_the_vma_lock: a file's fault handler is only called in a second attempt
    :ivar madvise_gathers_once: advice that clears entries has one gather for the whole call
    :ivar dirty_file_pages_stay_so: a writable entry of a file's dirty page is dirty from the start
    :ivar mem_forces: /proc/self/mem reads and writes ordinary memory of any protection
    :ivar mincore_walks: mincore looks at the entries of PFN mappings (S7.5)
    :ivar move_pages_walks_folios: move_pages takes special entries for empty ones (S7.5)
    :ivar munmap_keeps_the_middle: of a VMA that munmap cuts at both ends, the old one goes
    :ivar mmap_locks_rmap_first: mmap locks the file's reverse map before the VMA enters the address space
    :ivar tables_in_batches: page tables are freed in batches of their own, each flushed when it is full
    :ivar unlinks_in_batches: free_pgtables takes VMAs of a file out of its reverse map together
    :ivar zapping_advice_locks_vmas: advice that clears entries locks VMAs one by one instead of mmap_lock
    :ivar smaps_locks_vmas: reading smaps locks VMAs one by one instead of mmap_lock (S7.5.9)
    :ivar zap_takes_mixed: a driver's zap works on VM_MIXEDMAP too (zap_special_vma_range, S6.7.4)
    :ivar devmem_guards_aliases: /dev/mem asks for permission on the PAT side too (S1.14)
    :ivar zap_untracks: a zap of any size makes vm_pat forget the whole VMA (S3.6.1)
    :ivar move_clears_vm_pat: mremap takes vm_pat's flag from the VMA it moved away from (S3.7)
    :ivar mremap_aligns_down: mremap moves the first page table whole where nothing in it lies in front of the
        mapping (S5.8.12)
    :ivar mremap_flushes_locked: mremap flushes the old place before others may look at the tables (S8.1.10)
    :ivar neighbours_apart: a reservation that begins where another ends does not overlap it
    :ivar pud_forgets_mode: a leaf of 1 GiB has the mode of vm_page_prot, whichever was looked up (S5.6.2)
    :ivar pci_files_revoked: a claimed region is revoked from PCI files too, not only from /dev/mem (S9.1.5)
    :ivar reserve_keeps_top: a range that ends with physical memory can be reserved (S2.2.1)
    :ivar failed_copy_clears_vm_pat: a fork without room for page tables clears vm_pat's flag in the child
    :ivar cow_knows_its_pfn: vm_pat finds the first pfn although that page was copied on write (S3.4.3)
    :ivar failed_remap_zaps: remap_pfn_range that fails clears the entries it filled (S3.3.3)
    :ivar failed_fork_untracks: a fork that fails undoes its own reservation, and no other (S3.5.3)
    :ivar only_fork_clears_vm_pat: where failed_fork_untracks, a split or a move keeps vm_pat's flag
    :ivar vfio_remaps: a fault in a vfio-pci mapping remaps and books all of it (S9.4)
    :ivar vfio_claims_when_opened: vfio-pci claims a BAR when the device is opened, not when the BAR is mapped
    :ivar anon_inodes_noexec: files without a name are of a file system without execution
    :ivar pageout_keeps_young: MADV_PAGEOUT leaves the accessed bit of pages that stay
    :ivar aging_asks_page_test: MADV_COLD and MADV_PAGEOUT skip VMAs that the page walk skips (S5.9.7)
    :ivar pat_info_inlined: get_pat_info() is in each function that calls it, and warns once in each (S3.4.4)
    :ivar huge_pfnmap: drivers can fill leaves of 2 MiB and 1 GiB (vmf_insert_pfn_pmd, S5.6)
    :ivar fork_opens_first: fork tells a file of the copied VMA before its entries are copied (S5.11)
    :ivar unmap_drains_lru: every unmapping of pages empties its processor's batches of pages (S5.10.1)
    :ivar spanning_told: the log names the resource that a mapping of the kernel leaves (S9.6.5)
    :ivar zone_device_announced: the log says how many struct pages were made for a device (S4.9)
    :ivar access_phys_spares_ram: /proc/self/mem does not try to map ordinary memory for the kernel: a copied
        page, or RAM that a driver has mapped (S7.6.3)
    :ivar access_phys_by_page: /proc/self/mem reads and writes a device page by page, and nothing behind the
        page that is mapped (S7.6.5)
    :ivar zap_asserts_mmap_lock: a zap of a part of a leaf of 1 GiB warns where mmap_lock is not held (S6.3.8)
    :ivar huge_faults_ignore_thp: PFN mappings get leaves with any setting of transparent_hugepage (S6.2.2)
    :ivar copied_keeps_mode: a page copied on write has the cache mode of vm_page_prot, which a driver may
        have chosen for its device; off in no kernel that is known (S6.4.4)
    :ivar configuration: how the kernel was configured (S13)
    """

    series: str
    version: str
    tracker: str
    flushes: str
    walkers: Walkers[str]
    freed_in_vain: str
    end_match: bool
    dontunmap_drops_account: bool
    copies_fault_twice: bool
    remote_access_expands: bool
    dontunmap_counts_moved: bool
    dontunmap_unlocks_all: bool
    dontunmap_joins_source: bool
    dontunmap_beside_source_alone: bool
    upgrades_dirty_only: bool
    faulted_joins_unfaulted: bool
    copy_minds_fork: bool
    mmap_tries_above_first: bool
    pgprot_replaces: bool
    mtrr_merged_map: bool
    saved_dirty: bool
    mseal: bool
    guard_regions: bool
    mremap_checks_first: bool
    mremap_many_vmas: bool
    devmem_mmap_prepare: bool
    fallocate_checks_op_first: bool
    unfaulted_unaccounted: bool
    overcommit_names_bytes: bool
    populate_stops_at_hole: bool
    exec_tears_down_late: bool
    exit_frees_at_once: bool
    fixed_frees_before_mmap: bool
    remap_prepares_first: bool
    failed_fork_unmaps: bool
    faults_drop_the_vma_lock: bool
    madvise_gathers_once: bool
    dirty_file_pages_stay_so: bool
    mem_forces: bool
    mincore_walks: bool
    move_pages_walks_folios: bool
    munmap_keeps_the_middle: bool
    mmap_locks_rmap_first: bool
    tables_in_batches: bool
    unlinks_in_batches: bool
    zapping_advice_locks_vmas: bool
    smaps_locks_vmas: bool
    zap_takes_mixed: bool
    devmem_guards_aliases: bool
    zap_untracks: bool
    move_clears_vm_pat: bool
    mremap_aligns_down: bool
    mremap_flushes_locked: bool
    neighbours_apart: bool
    pud_forgets_mode: bool
    pci_files_revoked: bool
    reserve_keeps_top: bool
    failed_copy_clears_vm_pat: bool
    cow_knows_its_pfn: bool
    failed_remap_zaps: bool
    failed_fork_untracks: bool
    only_fork_clears_vm_pat: bool
    vfio_remaps: bool
    vfio_claims_when_opened: bool
    anon_inodes_noexec: bool
    pageout_keeps_young: bool
    aging_asks_page_test: bool
    pat_info_inlined: bool
    huge_pfnmap: bool
    huge_faults_ignore_thp: bool
    fork_opens_first: bool
    unmap_drains_lru: bool
    zone_device_announced: bool
    spanning_told: bool
    access_phys_spares_ram: bool
    access_phys_by_page: bool
    zap_asserts_mmap_lock: bool
    copied_keeps_mode: bool
    configuration: Configuration
