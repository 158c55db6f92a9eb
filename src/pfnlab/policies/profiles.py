"""Kernel profiles: which policy and which switches make up each release.

A switch is written once, with the first release that has it and where it came from; a profile follows
from its release. Commits and catalogue ids are those of the bug catalogue where it names them; where
the change is known only by its effect on kernels, the source says "measured".

A kernel is an exact version, ``6.1.176``. A confirmed series (:data:`CONFIRMED`) by its bare name is the
newest version of it that is known (:mod:`pfnlab.policies.known`). Any other bare release is mainline as it
was released; the exact version, or ``with=COMMIT``, has what its stable series took over later.
"""

from __future__ import annotations

from functools import cache

from pfnlab.mm.profile import Profile
from pfnlab.mm.walk_policy import Walkers
from pfnlab.policies.known import known_versions, nearest, newest_known
from pfnlab.policies.releases import CONFIRMED, RELEASES, is_version, series_of, version_key
from pfnlab.policies.switches import Backport, Era, Switch, taken_over

__all__ = [
    "CONFIRMED",
    "PROFILES",
    "RELEASES",
    "SEAMS",
    "SERIES",
    "SWITCHES",
    "assumed",
    "described",
    "exact",
    "nearest",
    "profile_of",
]

#: The series goldens exist for.
SERIES = CONFIRMED

# One series of patches, taken over together.
_DONTUNMAP_POINTS = ("6.1.191", "6.12.114", "7.2.11")
_SELF_MERGE = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak from MREMAP_DONTUNMAP self-merge"
)
_SPLIT_FOR_DONTUNMAP = taken_over(
    *_DONTUNMAP_POINTS, source="mm/mremap: fix locked_vm leak by splitting VMA for MREMAP_DONTUNMAP"
)

SWITCHES = (
    Switch("fixed_frees_before_mmap", "6.1", "do_mas_munmap() in mmap_region(); measured", until="6.12"),
    Switch("mmap_locks_rmap_first", "6.1", "i_mmap_lock_write() in mmap_region(); measured", until="6.12"),
    Switch("mtrr_merged_map", "6.5", "the MTRR rework of 6.5; S1.7, read in 6.12"),
    Switch("saved_dirty", "6.6", "_PAGE_SAVED_DIRTY with user shadow stacks, 6.6; S1.3, measured"),
    Switch("mseal", "6.10", "mseal(2), 6.10; S5.10.7, measured"),
    Switch("unfaulted_unaccounted", "6.12", "mprotect() of untouched anonymous memory; measured"),
    Switch("overcommit_names_bytes", "6.12", "the message of __vm_enough_memory(); measured"),
    Switch("populate_stops_at_hole", "6.12", "MADV_POPULATE_* walks on its own; measured"),
    Switch("madvise_gathers_once", "6.16", "one mmu_gather around madvise(); measured"),
    Switch(
        "faults_drop_the_vma_lock",
        "6.12",
        "per-VMA locks, 6.4, and vmf_can_call_fault(); measured",
        after="6.3",
    ),
    Switch("munmap_keeps_the_middle", "6.12", "__split_vma() of vms_gather_munmap_vmas(), 6.12; measured"),
    Switch("exit_frees_at_once", "6.12", "remove_vma(unreachable), 6.4; measured", after="6.3", until="6.16"),
    Switch(
        "tables_in_batches",
        "6.15",
        "MMU_GATHER_RCU_TABLE_FREE everywhere, 6.15; measured",
        after="6.12",
    ),
    Switch("unlinks_in_batches", "6.10", "unlink_file_vma_batch, 6.10; measured"),
    Switch("zapping_advice_locks_vmas", "6.17", "per-VMA lock for MADV_DONTNEED, 6.17; measured"),
    Switch("smaps_locks_vmas", "7.2", "per-VMA lock for smaps, 7.2; S7.5.9, measured"),
    Switch("failed_fork_unmaps", "7.0", "dup_mmap() that unmaps what it copied; measured"),
    Switch("guard_regions", "6.13", "MADV_GUARD_INSTALL, 6.13; S5.9"),
    Switch("mmap_tries_above_first", "6.1", "vma_expand() in mmap_region(); S5.3.2, measured", until="6.12"),
    Switch("faulted_joins_unfaulted", "6.16", "is_mergeable_anon_vma(), 879bca0a2c4f; S5.3.2, measured"),
    Switch(
        "copy_minds_fork",
        "6.19",
        "vma_is_fork_child(), 6.19; S5.3.2, measured",
        after="6.18",
        stable=(Backport("6.18.9", "measured between 6.18.5 and 6.18.9", after="6.18.5"),),
    ),
    Switch("dontunmap_drops_account", "6.16", "mremap(MREMAP_DONTUNMAP); measured", until="6.17"),
    Switch("upgrades_dirty_only", "6.1", "can_change_pte_writable(), 6.2; S5.10, measured", until="6.2"),
    Switch(
        "dontunmap_joins_source",
        "6.1",
        "copy_vma(); S5.8, measured",
        until="7.3",
        ended_stable=_SELF_MERGE,
    ),
    Switch(
        "dontunmap_beside_source_alone",
        "6.1",
        "copy_vma() of 6.1.y; measured",
        until="6.12",
    ),
    Switch(
        "dontunmap_unlocks_all",
        "6.1",
        "mremap(MREMAP_DONTUNMAP); S5.8, measured",
        until="7.3",
        ended_stable=_SPLIT_FOR_DONTUNMAP,
    ),
    Switch(
        "pgprot_replaces",
        "6.16",
        "pgprot_set_cachemode(), pfnmap rewrite of 6.16; S1.5",
        after="6.15",
        commit="ed1a7814036c",
        catalogue="D01",
    ),
    Switch("mremap_checks_first", "6.17", "mremap rework of 6.17; S5.8, measured"),
    Switch("mremap_many_vmas", "6.17", "multi-VMA mremap, 6.17; S5.8, measured", catalogue="N09"),
    Switch("remap_prepares_first", "6.19", "remap_pfn_range in two halves; S4.6, inferred"),
    Switch("move_pages_walks_folios", "6.12", "10d83d7781a8, folio_walk_start(); S7.5, measured"),
    Switch("dirty_file_pages_stay_so", "6.16", "set_pte_range() looks at the folio; measured"),
    Switch(
        "zap_asserts_mmap_lock",
        "6.1",
        "mmap_assert_locked() in zap_pud_range(); S6.3.8, measured",
        until="7.2",
    ),
    Switch("mem_forces", "6.1", "FOLL_FORCE, a build option (PROC_MEM_*) since 6.12; measured", until="7.1"),
    Switch("mincore_walks", "7.3", "mincore on PFN mappings; S7.5, measured", catalogue="N09"),
    Switch("devmem_mmap_prepare", "6.19", "mmap_prepare for /dev/mem; S4.7, measured"),
    Switch("zap_takes_mixed", "7.1", "zap_special_vma_range() for zap_vma_ptes(); S6.7.4, measured on 7.2"),
    Switch("exec_tears_down_late", "7.2", "exec_mmap() after setup_new_exec(); measured"),
    Switch(
        "fallocate_checks_op_first",
        "6.19",
        "MADV_REMOVE on resource files; S5.9, measured",
        catalogue="N09",
    ),
    Switch("devmem_guards_aliases", "2.6.29", "range_is_allowed() on the PAT side; S1.14", until="6.16"),
    Switch(
        "end_match",
        "4.5",
        "a free may shrink an entry with the same end; S2.4, measured",
        until="6.16",
        last="6.15",
        commit="2039e6acaf94",
        ended_by="81baf8450165",
        catalogue="A13",
    ),
    Switch(
        "zap_untracks",
        "3.4",
        "unmap_single_vma() used by zap_page_range_single(), 3.x; S3.6.1, measured",
        commit="f5cc4eef9987",
        catalogue="A08",
        tracker="vm_pat",
    ),
    Switch(
        "move_clears_vm_pat",
        "4.5",
        "untrack_pfn_moved() in mremap; S3.7, measured",
        commit="d9fe4fab1197",
        catalogue="A12",
        tracker="vm_pat",
    ),
    Switch(
        "mremap_flushes_locked",
        "4.19",
        "move_page_tables() flushes before it unlocks; S8.1.10, measured",
        commit="eb66ae030829",
        catalogue="B05",
    ),
    Switch(
        "neighbours_apart",
        "5.5",
        "interval tree searched up to the last byte",
        commit="91298f1a302d",
        catalogue="C02",
    ),
    Switch(
        "pci_files_revoked",
        "5.12",
        "PCI: Revoke mappings like devmem; S9.1.5, measured",
        commit="636b21b50152",
        catalogue="G09",
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
        "VM_PAT in COW mappings; S3.4, measured",
        commit="04c35ab3bdae",
        catalogue="A01",
        stable=taken_over("6.8.5", "6.6.26", "6.1.85", "5.15.155", "5.10.215"),
        tracker="vm_pat",
    ),
    Switch(
        "failed_remap_zaps",
        "6.11",
        "remap_pfn_range_notrack() zaps what it filled; S3.3.3, measured",
        commit="79a61cc3fc04",
        catalogue="A18",
        stable=taken_over("6.10.11", "6.6.52", "6.1.111", "5.15.168"),
    ),
    Switch(
        "failed_fork_untracks",
        "6.15",
        "a fork that fails undoes its own reservation; S3.5.3, measured",
        after="6.14",
        commit="dc84bc2aba85",
        catalogue="A04",
        stable=taken_over("6.14.2", "6.13.11", "6.12.23", "6.6.87", "6.1.160"),
        tracker="vm_pat",
    ),
    Switch(
        "only_fork_clears_vm_pat",
        "6.15",
        "untrack_pfn_clear() only on VMAs copied for fork(); S3.5.1, measured",
        after="6.14",
        commit="e9f180d7cfde",
        catalogue="A16",
        stable=taken_over("6.12.31", "6.1.160"),
        tracker="vm_pat",
    ),
    Switch("vfio_claims_when_opened", "7.2", "measured, 6.19 to 7.1 unknown"),
    Switch(
        "vfio_remaps",
        "6.1",
        "vfio-pci remaps its whole mapping in a fault, until aac6db75a9fc; S9.4, measured",
        until="6.10",
        last="6.9",
        catalogue="E10",
    ),
    Switch("anon_inodes_noexec", "6.16", "SB_I_NOEXEC for anonymous inodes; S10.3, measured"),
    Switch("pageout_keeps_young", "6.12", "MADV_PAGEOUT of pages that cannot go; S5.9, measured"),
    Switch(
        "pud_forgets_mode",
        "6.4",
        "insert_pfn_pud() takes vm_page_prot; S5.6.2, measured on 6.12",
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
    Switch("huge_pfnmap", "6.12", "ARCH_SUPPORTS_HUGE_PFNMAP, 6.12; S5.6, measured on 6.12", after="6.11"),
    Switch(
        "huge_faults_ignore_thp",
        "7.3",
        "PFN mappings get leaves whatever transparent_hugepage says; S6.2.2, measured",
        catalogue="E07",
        stable=taken_over(
            "6.12.115", "7.2.8", source="mm/huge_memory: bypass THP tuneables for huge pfnmap mappings"
        ),
    ),
    Switch(
        "fork_opens_first",
        "6.9",
        "35e351780fa9, fork: defer linking file vma until vma is fully initialized; S5.11, measured",
        after="6.8",
        stable=taken_over("6.1.191", source="fork: defer linking file vma until vma is fully initialized"),
    ),
    Switch(
        "unmap_drains_lru",
        "6.1",
        "lru_add_drain() in unmap_region() and free_pages_and_swap_cache(); read in the code, measured",
        until="6.16",
    ),
    Switch(
        "zone_device_announced",
        "6.1",
        "memmap_init_zone_device() prints at level info; read in the code, measured",
        until="6.12",
        ended_stable=(Backport("6.1.187", "measured between 6.1.180 and 6.1.187", after="6.1.180"),),
    ),
    Switch(
        "access_phys_spares_ram",
        "7.4",
        "generic_access_phys() leaves RAM alone; S7.6.3, measured",
        after="7.3",
        stable=taken_over("7.3.4", source="mm: disallow ioremap'ing ordinary RAM in generic_access_phys()"),
    ),
)

#: The seams with eras, as a machine's name says them. Of the walkers only smaps and numa_maps changed.
SEAMS = ("tracker", "flush", "walker")

#: The policies of each era, oldest first, then those that only stable series had.
ERAS = (
    Era("tracker", "vm_pat", "2.6.29", "VM_PFNMAP tracking in the PAT code; S3"),
    Era(
        "tracker",
        "track_ctx",
        "6.16",
        "convert VM_PFNMAP tracking to pfnmap_track() + pfnmap_untrack(); S4",
        before="vm_pat",
        after="6.15",
        commit="f8e97613fed2",
        catalogue="D01",
    ),
    Era("flush", "none", "2.6.29", "nothing forces a flush; S8.3"),
    Era(
        "flush",
        "end_vma",
        "5.19",
        "Force tlb-flush VM_PFNMAP vmas; S8.1.4, measured",
        before="none",
        commit="b67fbebd4cf9",
        catalogue="B01",
    ),
    Era(
        "flush",
        "free_vmas",
        "6.16",
        "tlb_free_vmas() at the head of free_pgtables(); S8.1.5, measured",
        before="end_vma",
        commit="bfe125f1b187",
        catalogue="B03",
    ),
    Era(
        "flush",
        "first_vma",
        "5.10.141",
        "Force TLB flush for PFNMAP mappings before unlink_file_vma()",
        before="none",
        commit="895428ee124a",
        catalogue="B02",
        only="5.10",
    ),
    Era(
        "flush",
        "first_vma",
        "5.15.65",
        "Force TLB flush for PFNMAP mappings before unlink_file_vma()",
        before="none",
        commit="526a9ce7e134",
        catalogue="B02",
        only="5.15",
    ),
    Era(
        "flush",
        "free_vmas",
        "5.10.y",
        "Fix TLB flush for not-first PFNMAP mappings in unmap_region(), September 2022",
        before="first_vma",
        commit="891f03f688de",
        catalogue="B02",
        only="5.10",
    ),
    Era("walker", "page_test_skip", "3.10", "walk_page_range() avoids VM_PFNMAP areas; S7.5, measured"),
    Era(
        "walker",
        "special_bits",
        "6.2",
        "walk_page_vma() without its VM_PFNMAP test; S7.5, measured",
        before="page_test_skip",
        commit="c31783eeae7b",
        catalogue="F02",
    ),
)


def era_of(seam: str, version: str) -> Era:
    """The policy *version* has for *seam*: mainline's, or that of its stable series instead."""
    mainline = [era for era in ERAS if era.seam == seam and era.reached(version)][-1]
    if version == series_of(version):
        return mainline
    stable = [
        era
        for era in ERAS
        if (era.seam, era.only) == (seam, series_of(version))
        and is_version(era.since)
        and Backport(era.since, era.source).reached(version)
    ]
    return stable[-1] if stable else mainline


def exact(version: str) -> str:
    """The version whose rules *version* has: of a confirmed series the newest that is known."""
    if version in CONFIRMED:
        return newest_known(version) or version
    return version


@cache
def profile_of(version: str) -> Profile:
    """The profile of a series or an exact version, whether or not it is one of :data:`RELEASES`."""
    version = exact(version)
    return Profile(
        series=series_of(version),
        version=version,
        tracker=era_of("tracker", version).name,
        flushes=era_of("flush", version).name,
        walkers=Walkers(
            folio_walk_start="special_bits",
            walk_page_vma=era_of("walker", version).name,
            walk_page_range="page_test_skip",
            get_user_pages="early_refusal",
        ),
        **{switch.name: switch.on(version) for switch in SWITCHES},
    )


def assumed(version: str) -> list[str]:
    """The switches and policies of *version* that are only assumed, in the form of a machine's name."""
    version = exact(version)
    unsure = [
        f"{seam}={era_of(seam, version).name}"
        for seam in SEAMS
        if not all(era.known(version) for era in ERAS if era.seam == seam)
    ]
    unsure += [
        f"{switch.name}={'on' if switch.on(version) else 'off'}"
        for switch in SWITCHES
        if not switch.known(version)
    ]
    return unsure


@cache
def described(version: str) -> str:
    """The profile in a report: its kernel, and how far it can be trusted."""
    if version in CONFIRMED:
        return f"profile {exact(version)}, the newest known of {version}"
    if version in known_versions():
        return f"profile {version}"
    guesses = assumed(version)
    says = f"profile {version}, not confirmed on a kernel"
    if series_of(version) in CONFIRMED:
        says = f"profile {version}, which nobody met: {_around(version)}"
    return says + (f" (assumed: {', '.join(guesses)})" if guesses else "")


def _around(version: str) -> str:
    """The known versions next to *version* in its series."""
    same_series = [known for known in known_versions() if series_of(known) == series_of(version)]
    older = [known for known in same_series if version_key(known) < version_key(version)]
    newer = [known for known in same_series if version_key(known) > version_key(version)]
    if older and newer:
        return f"{older[-1]} and {newer[0]} were"
    return f"{older[-1]} is the newest that was" if older else f"{newer[0]} is the oldest that was"


#: Every release's profile, oldest first.
PROFILES = {series: profile_of(series) for series in RELEASES}
