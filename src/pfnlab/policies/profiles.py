"""Kernel profiles: which policy and which switches make up each series.

A switch is written once, with the first series that has it and where it came from; a profile follows
from its series. Commits and catalogue ids are those of the bug catalogue where it names them; where
the change is known only by its effect on kernels, the source says "measured".
"""

from __future__ import annotations

from dataclasses import dataclass

from pfnlab.mm.profile import Profile

#: The series with a profile, oldest first.
SERIES = ("6.1", "6.12", "6.16", "6.17", "6.18", "6.19", "7.0", "7.1", "7.2", "7.3")


@dataclass(frozen=True)
class Switch:
    """One behaviour that came with some release.

    :param name: the field of :class:`~pfnlab.mm.profile.Profile`
    :param since: the first series of ours that behaves so
    :param source: commit or release that brought it, or how it is known
    :param until: the first series that no longer does, or None
    """

    name: str
    since: str
    source: str
    until: str | None = None

    def on(self, series: str) -> bool:
        """Whether *series* behaves so."""
        at = series_key(series)
        gone = self.until is not None and series_key(self.until) <= at
        return series_key(self.since) <= at and not gone


SWITCHES = (
    Switch("fixed_frees_before_mmap", "6.1", "do_mas_munmap() in mmap_region(); measured", until="6.12"),
    Switch("mmap_locks_rmap_first", "6.1", "i_mmap_lock_write() in mmap_region(); measured", until="6.12"),
    Switch("mtrr_merged_map", "6.12", "the MTRR rework of 6.5; S1.7, read in 6.12"),
    Switch("saved_dirty", "6.12", "_PAGE_SAVED_DIRTY with user shadow stacks, 6.6; S1.3, measured"),
    Switch("mseal", "6.12", "mseal(2), 6.10; S5.10.7, measured"),
    Switch("smaps_counts_copies", "6.12", "walk_page_vma() without its VM_PFNMAP test, 6.2; S7.5, measured"),
    Switch("unfaulted_unaccounted", "6.12", "mprotect() of untouched anonymous memory; measured"),
    Switch("overcommit_names_bytes", "6.12", "the message of __vm_enough_memory(); measured"),
    Switch("populate_stops_at_hole", "6.12", "MADV_POPULATE_* walks on its own; measured"),
    Switch("madvise_gathers_once", "6.16", "one mmu_gather around madvise(); measured"),
    Switch("faults_drop_the_vma_lock", "6.12", "per-VMA locks, 6.4, and vmf_can_call_fault(); measured"),
    Switch("unlinks_in_batches", "6.12", "unlink_file_vma_batch, 6.10; measured"),
    Switch("zapping_advice_locks_vmas", "6.17", "per-VMA lock for MADV_DONTNEED, 6.17; measured"),
    Switch("failed_fork_unmaps", "7.0", "dup_mmap() that unmaps what it copied; measured"),
    Switch("guard_regions", "6.16", "MADV_GUARD_INSTALL, 6.13; S5.9"),
    Switch("dontunmap_drops_account", "6.16", "mremap(MREMAP_DONTUNMAP); measured", until="6.17"),
    Switch("pgprot_replaces", "6.16", "pgprot_set_cachemode(), pfnmap rewrite of 6.16; S1.5"),
    Switch("mremap_checks_first", "6.17", "mremap rework of 6.17; S5.8, measured"),
    Switch("mremap_many_vmas", "6.17", "multi-VMA mremap, 6.17; S5.8, measured"),
    Switch("remap_prepares_first", "6.19", "remap_pfn_range in two halves; S4.6, inferred"),
    Switch("move_pages_walks_folios", "6.12", "10d83d7781a8, folio_walk_start(); S7.5, measured"),
    Switch("dirty_file_pages_stay_so", "6.16", "set_pte_range() looks at the folio; measured"),
    Switch("mem_forces", "6.1", "FOLL_FORCE, a build option (PROC_MEM_*) since 6.12; measured", until="7.1"),
    Switch("mincore_walks", "7.3", "mincore on PFN mappings; S7.5, measured"),
    Switch("devmem_mmap_prepare", "6.19", "mmap_prepare for /dev/mem; S4.7, measured"),
    Switch("zap_takes_mixed", "7.1", "zap_special_vma_range() for zap_vma_ptes(); S6.7.4, measured on 7.2"),
    Switch("exec_tears_down_late", "7.2", "exec_mmap() after setup_new_exec(); measured"),
    Switch("fallocate_checks_op_first", "6.19", "MADV_REMOVE on resource files; S5.9, measured"),
)

#: The tracker and the flush placement of each era, by its first series.
TRACKERS = (("6.1", "vm_pat"), ("6.16", "track_ctx"))
FLUSHES = (("6.1", "end_vma"), ("6.16", "free_vmas"))


def series_key(series: str) -> tuple[int, ...]:
    """A series as numbers, so that 6.9 comes before 6.12."""
    return tuple(int(part) for part in series.split("."))


def profile_of(series: str) -> Profile:
    """The profile of one of :data:`SERIES`."""
    key = series_key(series)
    switches = {switch.name: switch.on(series) for switch in SWITCHES}
    tracker = next(name for since, name in reversed(TRACKERS) if series_key(since) <= key)
    flushes = next(name for since, name in reversed(FLUSHES) if series_key(since) <= key)
    legacy = tracker == "vm_pat"
    return Profile(
        series=series,
        tracker=tracker,
        flushes=flushes,
        end_match=legacy,
        devmem_guards_aliases=legacy,
        **switches,
    )


PROFILES = {series: profile_of(series) for series in SERIES}
