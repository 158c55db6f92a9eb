"""The switches of memory in general: mappings, forks, faults, zaps, and other ways to a page."""

from __future__ import annotations

from pfnlab.kernel.policies.switches import Backport, Switch, taken_over

# One series of patches, taken over together.
_DONTUNMAP_POINTS = ("6.1.191", "6.12.114", "7.2.11")
_SELF_MERGE = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak from MREMAP_DONTUNMAP self-merge"
)
_SPLIT_FOR_DONTUNMAP = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP"
)

#: In the order of the table.
OF_MEMORY = (
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
    Switch("perf_maps_ahead", "6.14", "b709eb872e19, perf: map pages in advance; S9.10.2"),
    Switch(
        "perf_stays_whole",
        "6.17",
        "b024d7b56c77, perf/core: Prevent VMA split of buffer mappings; S9.10.4",
        after="6.16",
        stable=taken_over(
            *("5.10.241", "5.15.190", "6.1.148", "6.6.102", "6.12.42", "6.15.10", "6.16.1"),
            source="perf/core: Prevent VMA split of buffer mappings",
        ),
    ),
    Switch(
        "vvar_clocks_apart",
        "6.13",
        "e93d2521b27f, x86/vdso: Split virtual clock pages into dedicated mapping; S9.11.1",
    ),
    Switch(
        "vvar_rng_page", "6.15", "dafde29605eb, x86/vdso: Switch to generic storage implementation; S9.11.3"
    ),
    Switch("vvar_counted", "7.1", "vvar_fault() gives pages, 7.1; S9.11.2"),
    Switch("vvar_whole", "7.3", "vdso_setup_data_pages(), 7.3; S9.11.3"),
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
    # No kernel is without it: evidence/patches/fork_copies_vfio-off.patch removes it.
    Switch("fork_copies_vfio", "6.1", "VM_PFNMAP in vma_needs_copy(); S5.11.1"),
    # The end of a process.
    Switch("reaps_backwards", "6.18", "the OOM reaper goes through VMAs in reverse order, 6.18; S8.4"),
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
    Switch(
        "mseal_keeps_old_end",
        "6.17",
        "mseal_apply() after a merge; S5.10.7",
        until="6.19",
        after="6.16",
        last="6.18",
    ),
    Switch(
        "seal_guards_anonymous",
        "6.17",
        "vma_is_anonymous() in can_madvise_modify(), 6.17; S5.10.7c",
    ),
    Switch("guard_regions", "6.13", "MADV_GUARD_INSTALL, 6.13; S5.9"),
    Switch("populate_stops_at_hole", "6.12", "MADV_POPULATE_* walks on its own"),
    Switch("madvise_gathers_once", "6.16", "one mmu_gather around madvise()"),
    Switch("zapping_advice_locks_vmas", "6.17", "per-VMA lock for MADV_DONTNEED, 6.17"),
    Switch("guarding_advice_locks_vmas", "6.19", "per-VMA lock for MADV_GUARD_INSTALL; S5.9.9"),
    Switch("pageout_keeps_young", "6.12", "MADV_PAGEOUT of pages that cannot go; S5.9"),
    Switch(
        "aging_asks_page_test",
        "6.1",
        "walk_page_range() under MADV_COLD; S5.9.7",
        until="7.2",
        last="6.12",
    ),
    Switch("fast_lookup_wants_a_file", "6.12", "gup_fast_folio_allowed(); S7.2.4", until="7.3"),
    Switch(
        "dofork_refuses_special",
        "7.2",
        "MADV_DOFORK looks at VM_SPECIAL instead of VM_IO; S5.9.2",
        after="6.12",
    ),
    Switch(
        "fallocate_checks_op_first",
        "6.19",
        "MADV_REMOVE on resource files; S5.9",
        catalogue="N09",
    ),
    Switch(
        "own_memory_takes_any_advice",
        "6.13",
        "021781b01275, unrestrict process_madvise() for the current process; S5.15",
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
    # No kernel is without it: evidence/patches/upstream/fixes removes it.
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
    # No kernel is without these two.
    Switch("cut_keeps_gigabyte", "6.1", "vma_adjust_trans_huge() splits leaves of 2 MiB; S6.3.7"),
    Switch("mremap_loses_gigabytes", "6.1", "get_old_pud() takes no leaf; S6.3.10"),
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
        "zap_frees_tables",
        "6.14",
        "try_to_free_pte() for MADV_DONTNEED, CONFIG_PT_RECLAIM, 6.14; S5.9.11",
        after="6.12",
    ),
    Switch(
        "zap_flushes_behind",
        "7.0",
        "pte_free_tlb() in zap_pte_range() with the address of its end; S5.9.11",
        after="6.19",
        until="7.1",
        catalogue="N10",
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
    Switch(
        "skipped_are_holes",
        "4.0",
        "walk_page_test() calls pte_hole for VM_PFNMAP; S7.5.4",
        commit="48684a65b4e3",
        catalogue="F01",
    ),
    Switch("pagemap_scans", "6.7", "52526ca7fdb9, do_pagemap_scan(); S7.5.12"),
    Switch(
        "scan_takes_present_for_written",
        "6.7",
        "pagemap_page_category(), from 7.3 only under userfaultfd_wp(); S7.5.13",
        until="7.3",
    ),
    Switch(
        "scan_takes_empty_for_written",
        "7.2",
        "pte_none() in pagemap_page_category(), from 7.3 only under userfaultfd_wp(); S7.5.13",
        until="7.3",
        stable=(
            Backport("6.12.103", "fs/proc/task_mmu: fix PAGEMAP_SCAN written state for unpopulated ptes"),
            Backport("7.1.8", "measured between 7.1.7 and 7.1.8", after="7.1.7"),
        ),
    ),
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
        "access_phys_asks_again",
        "5.11",
        "generic_access_phys() compares the entry after ioremap_prot(); S7.6.3",
        commit="96667f8a4382",
        catalogue="F05",
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
)
