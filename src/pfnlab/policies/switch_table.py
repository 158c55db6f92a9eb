"""The table of switches: what differs from kernel to kernel, each behaviour once.

A row says which release first has it and where it came from. Commits and catalogue ids are those of the bug
catalogue where it names them. How each is known is in ``known_by.py``.
"""

from __future__ import annotations

from pfnlab.policies.switches import Backport, Switch, taken_over

# One series of patches, taken over together.
_DONTUNMAP_POINTS = ("6.1.191", "6.12.114", "7.2.11")
_SELF_MERGE = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak from MREMAP_DONTUNMAP self-merge"
)
_SPLIT_FOR_DONTUNMAP = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP"
)

SWITCHES = (
    # Mappings: how they come, go and merge.
    Switch("fixed_frees_before_mmap", "6.1", "do_mas_munmap() in mmap_region()", until="6.12"),
    Switch("mmap_locks_rmap_first", "6.1", "i_mmap_lock_write() in mmap_region()", until="6.12"),
    Switch("mmap_tries_above_first", "6.1", "vma_expand() in mmap_region(); S5.3.2", until="6.12"),
    Switch("faulted_joins_unfaulted", "6.16", "is_mergeable_anon_vma(), 879bca0a2c4f; S5.3.2"),
    Switch(
        "copy_minds_fork",
        "6.19",
        "vma_is_fork_child(), 6.19; S5.3.2",
        after="6.18",
        stable=(Backport("6.18.9", "measured between 6.18.5 and 6.18.9", after="6.18.5"),),
    ),
    Switch("munmap_keeps_the_middle", "6.12", "__split_vma() of vms_gather_munmap_vmas(), 6.12"),
    Switch("exit_frees_at_once", "6.12", "remove_vma(unreachable), 6.4", after="6.3", until="6.16"),
    Switch("exec_tears_down_late", "7.2", "exec_mmap() after setup_new_exec()"),
    Switch("overcommit_names_bytes", "6.12", "the message of __vm_enough_memory()"),
    Switch("anon_inodes_noexec", "6.16", "SB_I_NOEXEC for anonymous inodes; S10.3"),
    # Fork.
    Switch(
        "fork_opens_first",
        "6.9",
        "35e351780fa9, fork: defer linking file vma until vma is fully initialized; S5.11",
        after="6.8",
        stable=taken_over("6.1.191", source="fork: defer linking file vma until vma is fully initialized"),
    ),
    Switch("failed_fork_unmaps", "7.0", "dup_mmap() that unmaps what it copied"),
    # No kernel is without it: patches/fork_copies_vfio-off.patch removes it.
    Switch("fork_copies_vfio", "6.1", "VM_PFNMAP in vma_needs_copy(); S5.11.1"),
    # mremap.
    Switch("mremap_checks_first", "6.17", "mremap rework of 6.17; S5.8"),
    Switch("mremap_many_vmas", "6.17", "multi-VMA mremap, 6.17; S5.8", catalogue="N09"),
    Switch(
        "mremap_aligns_down",
        "6.7",
        "optimize the start addresses in move_page_tables(); S5.8.12",
    ),
    Switch(
        "mremap_flushes_locked",
        "4.19",
        "move_page_tables() flushes before it unlocks; S8.1.10",
        commit="eb66ae030829",
        catalogue="B05",
    ),
    Switch("dontunmap_drops_account", "6.16", "mremap(MREMAP_DONTUNMAP)", until="6.17"),
    Switch(
        "dontunmap_joins_source",
        "6.1",
        "copy_vma(); S5.8",
        until="7.3",
        ended_stable=_SELF_MERGE,
    ),
    Switch(
        "dontunmap_beside_source_alone",
        "6.1",
        "copy_vma() of 6.1.y",
        until="6.12",
    ),
    Switch("dontunmap_counts_moved", "6.16", "vrm_stat_account(); S5.8.9", after="6.12"),
    Switch(
        "dontunmap_unlocks_all",
        "6.1",
        "mremap(MREMAP_DONTUNMAP); S5.8",
        until="7.3",
        ended_stable=_SPLIT_FOR_DONTUNMAP,
    ),
    # mprotect, mseal and advice.
    Switch("upgrades_dirty_only", "6.1", "can_change_pte_writable(), 6.2; S5.10", until="6.2"),
    Switch("unfaulted_unaccounted", "6.12", "mprotect() of untouched anonymous memory"),
    Switch("mseal", "6.10", "mseal(2), 6.10; S5.10.7"),
    Switch("guard_regions", "6.13", "MADV_GUARD_INSTALL, 6.13; S5.9"),
    Switch("populate_stops_at_hole", "6.12", "MADV_POPULATE_* walks on its own"),
    Switch("madvise_gathers_once", "6.16", "one mmu_gather around madvise()"),
    Switch("zapping_advice_locks_vmas", "6.17", "per-VMA lock for MADV_DONTNEED, 6.17"),
    Switch("pageout_keeps_young", "6.12", "MADV_PAGEOUT of pages that cannot go; S5.9"),
    Switch(
        "aging_asks_page_test",
        "6.1",
        "walk_page_range() under MADV_COLD; S5.9.7",
        until="7.2",
        last="6.12",
    ),
    Switch(
        "fallocate_checks_op_first",
        "6.19",
        "MADV_REMOVE on resource files; S5.9",
        catalogue="N09",
    ),
    # Entries and faults.
    Switch("saved_dirty", "6.6", "_PAGE_SAVED_DIRTY with user shadow stacks, 6.6; S1.3"),
    Switch(
        "dummy_vm_ops",
        "4.18",
        "vma_dummy_vm_ops instead of none; S6.2.5a",
        commit="bfd40eaff5ab",
        catalogue="F24",
    ),
    Switch("dirty_file_pages_stay_so", "6.16", "set_pte_range() looks at the folio"),
    # No kernel is without it: patches/upstream/fixes removes it.
    Switch("copied_keeps_mode", "6.1", "wp_page_copy() takes vm_page_prot; S6.4.4", catalogue="N05"),
    Switch(
        "faults_drop_the_vma_lock",
        "6.12",
        "per-VMA locks, 6.4, and vmf_can_call_fault()",
        after="6.3",
    ),
    Switch("huge_pfnmap", "6.12", "ARCH_SUPPORTS_HUGE_PFNMAP, 6.12; S5.6", after="6.11"),
    Switch(
        "huge_faults_ignore_thp",
        "7.3",
        "PFN mappings get leaves whatever transparent_hugepage says; S6.2.2",
        catalogue="E07",
        stable=taken_over(
            "6.12.115", "7.2.8", source="mm/huge_memory: bypass THP tuneables for huge pfnmap mappings"
        ),
    ),
    Switch(
        "pud_forgets_mode",
        "6.4",
        "insert_pfn_pud() takes vm_page_prot; S5.6.2",
        after="6.3",
        until="6.17",
        last="6.16",
        commit="7b806d229ef1",
        ended_by="09fefdca80ae",
        catalogue="C12",
        ended_stable=taken_over(
            "6.15.11",
            "6.16.2",
            source="mm/huge_memory: don't ignore queried cachemode in vmf_insert_pfn_pud()",
        ),
    ),
    # Zaps, and the end of page tables.
    Switch("zap_takes_mixed", "7.1", "zap_special_vma_range() for zap_vma_ptes(); S6.7.4"),
    Switch(
        "zap_asserts_mmap_lock",
        "6.9",
        "rwsem_assert_held() without lockdep, 6.9; S6.3.8",
        after="6.8",
        until="7.2",
        commit="f70405afc99b",
    ),
    Switch(
        "flags_assert_mmap_lock",
        "6.9",
        "rwsem_assert_held_write() without lockdep under vm_flags_set(), 6.9; S3.3.2c",
        after="6.8",
        until="7.2",
        commit="f70405afc99b",
        catalogue="G08",
    ),
    Switch(
        "lookup_asserts_mmap_lock",
        "6.10",
        "mmap_assert_locked() in follow_pte(), until x86 looks with follow_pfnmap_start(); S3.4.5",
        after="6.9",
        until="6.12",
        last="6.11",
        commit="c5541ba378e3",
        ended_by="cbea8536d933",
        catalogue="A10",
    ),
    Switch(
        "tables_in_batches",
        "6.15",
        "MMU_GATHER_RCU_TABLE_FREE everywhere, 6.15",
        after="6.12",
    ),
    Switch(
        "lone_table_flushes",
        "5.6",
        "tlb_table_invalidate() in tlb_remove_table(); S8.1.12",
        commit="0ed1325967ab",
        catalogue="B04",
    ),
    Switch("unlinks_in_batches", "6.10", "unlink_file_vma_batch, 6.10"),
    Switch(
        "unmap_drains_lru",
        "6.1",
        "lru_add_drain() in unmap_region() and free_pages_and_swap_cache()",
        until="6.16",
    ),
    # Other ways to a page.
    Switch("mincore_walks", "7.3", "mincore on PFN mappings; S7.5", catalogue="N09"),
    Switch("move_pages_walks_folios", "6.12", "10d83d7781a8, folio_walk_start(); S7.5"),
    Switch("smaps_locks_vmas", "7.2", "per-VMA lock for smaps, 7.2; S7.5.9"),
    Switch("mem_forces", "6.1", "FOLL_FORCE, a build option (PROC_MEM_*) since 6.12", until="7.1"),
    Switch(
        "copies_fault_twice",
        "6.1",
        "the tail of copy_user_enhanced_fast_string(), gone in 6.4; S7.6.4",
        until="6.4",
    ),
    Switch(
        "remote_access_expands",
        "6.5",
        "expand_stack() in __access_remote_vm(), 8d7071af8907; S7.6.2",
        stable=taken_over("6.1.37", "6.3.11", "6.4.1"),
    ),
    Switch(
        "access_phys_spares_ram",
        "7.4",
        "generic_access_phys() leaves RAM alone; S7.6.3",
        after="7.3",
        stable=taken_over("7.3.4", source="mm: disallow ioremap'ing ordinary RAM in generic_access_phys()"),
    ),
    Switch(
        "access_phys_by_page",
        "7.4",
        "an access to a device through /proc/self/mem ends with its page; S7.6.5",
        after="7.3",
        stable=(Backport("7.3.4", "measured between 7.3-rc7 and 7.3.4", after="7.3-rc7"),),
    ),
    # Cache modes and the book.
    Switch(
        "pgprot_replaces",
        "6.16",
        "pgprot_set_cachemode(), pfnmap rewrite of 6.16; S1.5",
        after="6.15",
        commit="ed1a7814036c",
        catalogue="D01",
    ),
    Switch("mtrr_merged_map", "6.5", "the MTRR rework of 6.5; S1.7"),
    Switch(
        "end_match",
        "4.5",
        "a free may shrink an entry with the same end; S2.4",
        until="6.16",
        last="6.15",
        commit="2039e6acaf94",
        ended_by="81baf8450165",
        catalogue="A13",
    ),
    Switch(
        "neighbours_apart",
        "5.5",
        "interval tree searched up to the last byte",
        commit="91298f1a302d",
        catalogue="C02",
    ),
    Switch(
        "reserve_keeps_top",
        "5.15",
        "memtype_reserve() sanitizes the last byte, not the end",
        commit="aeef8b5089b7",
        catalogue="C05",
        after="5.14",
        stable=taken_over("5.14.7"),
    ),
    Switch("devmem_guards_aliases", "2.6.29", "range_is_allowed() on the PAT side; S1.14", until="6.16"),
    Switch("spanning_told", "6.1", "the first line of iomem_map_sanity_check()", until="7.3"),
    # Tracking.
    Switch("remap_prepares_first", "6.19", "remap_pfn_range in two halves; S4.6"),
    Switch(
        "failed_remap_zaps",
        "6.11",
        "remap_pfn_range_notrack() zaps what it filled; S3.3.3",
        commit="79a61cc3fc04",
        catalogue="A18",
        stable=taken_over("6.10.11", "6.6.52", "6.1.111", "5.15.168"),
    ),
    Switch(
        "vm_pat_flag",
        "2.6.30",
        "VM_PFN_AT_MMAP, later VM_PAT, instead of vm_pgoff; S3.6.6",
        commit="4bb9c5c02153",
        catalogue="A14",
        tracker="vm_pat",
    ),
    Switch(
        "move_clears_vm_pat",
        "4.5",
        "untrack_pfn_moved() in mremap; S3.7",
        commit="d9fe4fab1197",
        catalogue="A12",
        tracker="vm_pat",
    ),
    Switch(
        "failed_copy_clears_vm_pat",
        "6.4",
        "clear VM_PAT if copy_p4d_range() failed",
        commit="d155df53f310",
        catalogue="A03",
        stable=taken_over("6.1.160"),
        tracker="vm_pat",
    ),
    Switch(
        "cow_knows_its_pfn",
        "6.9",
        "VM_PAT in COW mappings; S3.4",
        commit="04c35ab3bdae",
        catalogue="A01",
        stable=taken_over("6.8.5", "6.6.26", "6.1.85", "5.15.155", "5.10.215"),
        tracker="vm_pat",
    ),
    Switch(
        "failed_fork_untracks",
        "6.15",
        "a fork that fails undoes its own reservation; S3.5.3",
        after="6.14",
        commit="dc84bc2aba85",
        catalogue="A04",
        stable=taken_over("6.14.2", "6.13.11", "6.12.23", "6.6.87", "6.1.160"),
        tracker="vm_pat",
    ),
    Switch(
        "only_fork_clears_vm_pat",
        "6.15",
        "untrack_pfn_clear() only on VMAs copied for fork(); S3.5.1",
        after="6.14",
        commit="e9f180d7cfde",
        catalogue="A16",
        stable=(
            *taken_over("6.12.31", "6.1.160"),
            Backport("6.6.93", "kernel/fork: only call untrack_pfn_clear() on VMAs duplicated for fork()"),
            Backport("6.14.10", "in the log of 6.14.y between 6.14.8 and 6.14.10-rc1", after="6.14.8"),
        ),
        tracker="vm_pat",
    ),
    Switch(
        "pat_info_inlined",
        "6.1",
        "the compiler's choice: no symbol get_pat_info() in the distribution's 6.1; S3.4.4",
        until="6.12",
        last="6.1",
    ),
    # Files and devices.
    Switch("devmem_mmap_prepare", "6.19", "mmap_prepare for /dev/mem; S4.7"),
    Switch(
        "pci_files_revoked",
        "5.12",
        "PCI: Revoke mappings like devmem; S9.1.5",
        commit="636b21b50152",
        catalogue="G09",
    ),
    Switch(
        "vfio_remaps",
        "6.1",
        "vfio-pci remaps its whole mapping in a fault, until aac6db75a9fc; S9.4",
        until="6.10",
        last="6.9",
        catalogue="E10",
    ),
    Switch("vfio_claims_when_opened", "7.2", "a BAR is claimed when the device is opened; S9.4.6"),
    Switch(
        "zone_device_announced",
        "6.1",
        "memmap_init_zone_device() prints at level info",
        until="6.12",
        ended_stable=(Backport("6.1.187", "measured between 6.1.180 and 6.1.187", after="6.1.180"),),
    ),
)
