"""The differences between kernels: switches named after what they do.

A profile is data (``policies/profiles.py``, ``policies/switches.toml``); the model only tests
switches, never a version number.
"""

from __future__ import annotations

from dataclasses import dataclass

from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.mm.gather import Flushes
from pfnlab.kernel.mm.walk_policy import Walkers


@dataclass(frozen=True)
class Profile:
    """The rules of one kernel; ``policies/switches.toml`` explains the switches, in the same order.

    :ivar series: ``6.1``, ``7.2`` ...
    :ivar version: the exact kernel version, ``6.1.176``; for a release that was never run, the series
    :ivar tracker: the policy that records which pfns a mapping has reserved
    :ivar flushes: the policies that place forced flushes of PFN VMAs, by kernel call
    :ivar walkers: the policies of walkers, by place
    :ivar freed_in_vain: how the kernel reports freeing a range without a memtype
        entry; the same in all kernels
    :ivar configuration: how the kernel was configured (S13)
    """

    series: str
    version: str
    tracker: str
    flushes: Flushes[str]
    walkers: Walkers[str]
    freed_in_vain: str
    configuration: Configuration

    # Mappings: creating, removing and merging them.
    fixed_frees_before_mmap: bool
    mmap_locks_rmap_first: bool
    mmap_tries_above_first: bool
    faulted_joins_unfaulted: bool
    copy_minds_fork: bool
    munmap_keeps_the_middle: bool
    exit_frees_at_once: bool
    exec_tears_down_late: bool
    perf_maps_ahead: bool
    perf_stays_whole: bool
    perf_waits_for_itself: bool
    vvar_clocks_apart: bool
    vvar_rng_page: bool
    vvar_counted: bool
    vvar_whole: bool
    overcommit_names_bytes: bool
    anon_inodes_noexec: bool
    error_puts_vm_file: bool

    # Memory that stays committed, or never gets committed.
    replaced_stays_committed: bool
    refused_stays_committed: bool
    shrunk_committed_again: bool
    vain_growth_stays_committed: bool
    vain_growth_uncommits: bool
    uncut_commits_any: bool

    # Fork.
    fork_opens_first: bool
    failed_fork_unmaps: bool
    fork_copies_vfio: bool
    # Process exit.
    reaps_backwards: bool

    # mremap.
    mremap_checks_first: bool
    mremap_many_vmas: bool
    mremap_aligns_down: bool
    mremap_flushes_locked: bool
    dontunmap_drops_account: bool
    dontunmap_joins_source: bool
    dontunmap_beside_source_alone: bool
    dontunmap_counts_moved: bool
    dontunmap_unlocks_all: bool

    # mprotect, mseal and advice.
    upgrades_dirty_only: bool
    unfaulted_unaccounted: bool
    mseal: bool
    mseal_keeps_old_end: bool
    seal_guards_anonymous: bool
    guard_regions: bool
    populate_stops_at_hole: bool
    madvise_gathers_once: bool
    zapping_advice_locks_vmas: bool
    guarding_advice_locks_vmas: bool
    pageout_keeps_young: bool
    aging_asks_page_test: bool
    fast_lookup_wants_a_file: bool
    dofork_refuses_special: bool
    fallocate_checks_op_first: bool
    own_memory_takes_any_advice: bool

    # Entries and faults.
    saved_dirty: bool
    dummy_vm_ops: bool
    dirty_file_pages_stay_so: bool
    copied_keeps_mode: bool
    copy_flushes_first: bool
    faults_drop_the_vma_lock: bool
    huge_pfnmap: bool
    huge_faults_ignore_thp: bool
    pud_forgets_mode: bool
    cut_keeps_gigabyte: bool
    mremap_loses_gigabytes: bool

    # Zaps, and removing page tables.
    zap_takes_mixed: bool
    zap_asserts_mmap_lock: bool
    flags_assert_mmap_lock: bool
    lookup_asserts_mmap_lock: bool
    zap_frees_tables: bool
    zap_flushes_behind: bool
    tables_in_batches: bool
    lone_table_flushes: bool
    unlinks_in_batches: bool
    unmap_drains_lru: bool

    # Other ways to access a page.
    skipped_are_holes: bool
    pagemap_scans: bool
    scan_takes_present_for_written: bool
    scan_takes_empty_for_written: bool
    mincore_walks: bool
    move_pages_walks_folios: bool
    smaps_locks_vmas: bool
    mem_forces: bool
    copies_fault_twice: bool
    remote_access_expands: bool
    access_phys_asks_again: bool
    access_phys_spares_ram: bool
    access_phys_by_page: bool
    leaf_read_unlocked: bool
    walk_trusts_split: bool

    # Cache modes and the memtype list.
    pgprot_replaces: bool
    mtrr_merged_map: bool
    end_match: bool
    neighbours_apart: bool
    reserve_keeps_top: bool
    devmem_guards_aliases: bool
    spanning_told: bool

    # Tracking.
    remap_prepares_first: bool
    failed_remap_zaps: bool
    vm_pat_flag: bool
    move_clears_vm_pat: bool
    failed_copy_clears_vm_pat: bool
    cow_knows_its_pfn: bool
    failed_fork_untracks: bool
    only_fork_clears_vm_pat: bool
    pat_info_inlined: bool

    # Files and devices.
    devmem_mmap_prepare: bool
    simple_ioremap: bool
    pci_files_revoked: bool
    vfio_remaps: bool
    vfio_checks_region: bool
    vfio_fills_once: bool
    vfio_minds_memory: bool
    vfio_checks_leaf_pfn: bool
    vfio_aligns_leaf: bool
    vfio_claims_when_opened: bool
    zone_device_announced: bool
