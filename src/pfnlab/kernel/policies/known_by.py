"""How each switch, and each policy of a release, is known: measured on kernels, seen, read, or by its commit.

A behaviour is measured where the archive has a kernel that shows it: a golden of that kernel, from which the
model of the same kernel differs as soon as the switch is the other way
(``tests/kernel/policies/test_known_by.py``). When it came is another matter, and stands in the switch.

These are tables of their own, for with the programs in it most rows of the switches would fill six
lines, and the table would fit no reading. A switch that is in one of the two alone fails that test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pfnlab.kernel.policies.releases import series_key


class Measured(NamedTuple):
    """Kernels of the archive show which way it is.

    :param program: the path of a program below litmus/, without suffix
    :param series: those whose goldens of the program show it, with it and without where there are both
    """

    program: str
    series: tuple[str, ...]

    def __str__(self) -> str:
        return f"measured on {', '.join(self.series)}: {self.program.rpartition('/')[2]}"


class Noted(NamedTuple):
    """Seen on kernels when it was found; no program of litmus shows it.

    :param series: of those kernels; empty where it was not noted
    """

    series: tuple[str, ...]

    def __str__(self) -> str:
        return f"seen on {', '.join(self.series)}" if self.series else "seen on kernels"


class InSource(NamedTuple):
    """Read in the source of releases, or in their images.

    :param releases: those that were read
    """

    releases: tuple[str, ...]

    def __str__(self) -> str:
        return f"source of {', '.join(self.releases)}"


class CommitMessage(NamedTuple):
    """Known from the message of the commit, or from the notes of the release, alone."""

    def __str__(self) -> str:
        return "commit message"


KnownBy = Measured | Noted | InSource | CommitMessage

#: Of every switch, in the order of the table.
SWITCHES_KNOWN: dict[str, tuple[KnownBy, ...]] = {
    "fixed_frees_before_mmap": (Measured("over/fixed-failing", ("6.1", "7.3")),),
    "mmap_locks_rmap_first": (Noted(()),),
    "mmap_tries_above_first": (Measured("mprotect/merge-touched-untouched", ("6.1", "6.12")),),
    "faulted_joins_unfaulted": (Measured("mprotect/merge-touched-untouched", ("6.12", "7.2")),),
    "copy_minds_fork": (Measured("mprotect/merge-child-moves", ("6.17", "7.2")),),
    "munmap_keeps_the_middle": (Measured("vfio/vfio-munmap-first", ("6.1",)),),
    "exit_frees_at_once": (Noted(()),),
    "exec_tears_down_late": (Measured("exit/exec-after-split", ("6.12", "7.2")),),
    "perf_maps_ahead": (Measured("perf/perf-readers", ("6.12", "7.2")),),
    "perf_stays_whole": (Measured("perf/perf-whole", ("6.1", "7.2")),),
    "vvar_clocks_apart": (Measured("vvar/vvar-sealed", ("6.12",)),),
    "vvar_rng_page": (Measured("vvar/vvar-pages", ("6.12", "7.0")),),
    "vvar_counted": (Measured("vvar/vvar-pages", ("7.0", "7.2")),),
    "vvar_whole": (Measured("vvar/vvar-pages", ("7.2", "7.3")),),
    "overcommit_names_bytes": (Measured("no-memory/fork-no-commit", ("6.1", "6.12")),),
    "anon_inodes_noexec": (Measured("vfio/vfio-memory-disable-enable", ("6.12", "7.2")),),
    "fork_opens_first": (Measured("vfio/vfio-fork", ("6.1",)),),
    "failed_fork_unmaps": (Measured("no-memory/fork-fails-halfway", ("6.12", "7.2")),),
    "fork_copies_vfio": (Measured("vfio/vfio-fork", ("6.12", "7.2")),),
    "reaps_backwards": (Measured("races/mrelease-held", ("6.12", "7.2")),),
    "mremap_checks_first": (Measured("mremap/mremap-expand-over", ("6.12", "7.2")),),
    "mremap_many_vmas": (Measured("mremap/mremap-over-hole", ("7.2",)),),
    "mremap_aligns_down": (
        Measured("mremap/mremap-many-tables", ("7.2",)),
        Measured("mremap/mremap-aligned-down", ("6.1",)),
    ),
    "mremap_flushes_locked": (Measured("races/race-mremap-locks-tables", ("6.1",)),),
    "dontunmap_drops_account": (Measured("mprotect/mremap-dontunmap-beside", ("6.16", "7.3")),),
    "dontunmap_joins_source": (Measured("mprotect/mremap-dontunmap-beside", ("6.16", "7.3")),),
    "dontunmap_beside_source_alone": (Measured("mprotect/mremap-dontunmap-beside", ("6.1", "7.3")),),
    "dontunmap_counts_moved": (Measured("locking/locked-dontunmap", ("6.16",)),),
    "dontunmap_unlocks_all": (Measured("locking/locked-dontunmap", ("6.16", "7.3")),),
    "upgrades_dirty_only": (Measured("mprotect/walk-mem-forced", ("6.1", "6.12")),),
    "unfaulted_unaccounted": (Measured("mprotect/mprotect-merge", ("6.1", "6.12")),),
    "mseal": (Measured("locking/mseal", ("6.1", "6.12")),),
    "mseal_keeps_old_end": (Measured("locking/mseal-twice", ("6.16", "6.17", "6.18", "6.19")),),
    "seal_guards_anonymous": (Measured("vvar/vvar-sealed", ("6.12", "7.2")),),
    "guard_regions": (Measured("races/guard-own-lock", ("6.12", "6.16")),),
    "populate_stops_at_hole": (Noted(()),),
    "madvise_gathers_once": (Measured("madvise/madvise-discard-copied", ("6.12", "7.2")),),
    "zapping_advice_locks_vmas": (Noted(()),),
    "guarding_advice_locks_vmas": (Measured("races/guard-own-lock", ("6.18", "6.19")),),
    "pageout_keeps_young": (Measured("madvise/madvise-cold", ("6.1", "6.12")),),
    "aging_asks_page_test": (Noted(("6.12", "7.2")),),
    "fast_lookup_wants_a_file": (Measured("walkers/walk-driver-write-only", ("6.12", "7.3")),),
    "dofork_refuses_special": (Measured("driver/driver-insert-page-advice", ("6.12", "7.2")),),
    "fallocate_checks_op_first": (Measured("madvise/madvise-remove", ("6.12", "7.2")),),
    "own_memory_takes_any_advice": (Measured("madvise/process-madvise", ("6.12", "6.16")),),
    "saved_dirty": (Measured("mprotect/mprotect-none-copied", ("6.1", "6.12")),),
    "dummy_vm_ops": (Measured("driver/driver-bare", ("6.1",)),),
    "dirty_file_pages_stay_so": (Measured("touching/anon-shared-three", ("6.12", "7.2")),),
    "copied_keeps_mode": (Measured("touching/copy-on-write", ("6.1",)),),
    "faults_drop_the_vma_lock": (Measured("vfio/vfio-huge", ("6.1", "6.12")),),
    "huge_pfnmap": (Measured("driver/driver-leaves", ("6.1", "6.12")),),
    "huge_faults_ignore_thp": (Measured("vfio/vfio-huge", ("6.12",)),),
    "pud_forgets_mode": (Measured("driver/driver-leaf-mode", ("6.12", "7.3")),),
    "cut_keeps_gigabyte": (Measured("leaves/pud-munmap-end", ("6.12", "7.3")),),
    "mremap_loses_gigabytes": (Noted(("6.12", "7.2", "7.3")),),
    "zap_takes_mixed": (Noted(("7.2",)),),
    "zap_asserts_mmap_lock": (Measured("leaves/pud-revoke-page", ("6.12", "7.3")),),
    "flags_assert_mmap_lock": (Measured("driver/driver-fault-remap", ("6.1", "6.12")),),
    "lookup_asserts_mmap_lock": (Measured("driver/driver-unmap-part", ("6.1", "6.12")),),
    "zap_frees_tables": (Measured("madvise/dontneed-tables", ("6.12", "7.2")),),
    "zap_flushes_behind": (Measured("madvise/dontneed-tables", ("6.19", "7.0", "7.1")),),
    "tables_in_batches": (Measured("unmapping/munmap-many-tables", ("6.12", "7.2")),),
    "lone_table_flushes": (Noted(("7.2",)),),
    "unlinks_in_batches": (Measured("races/race-two-batches", ("6.1", "6.12")),),
    "unmap_drains_lru": (Noted(()),),
    "skipped_are_holes": (Measured("walkers/walk-pagemap-shifted", ("6.1", "7.3")),),
    "pagemap_scans": (Measured("walkers/walk-pagemap-scan", ("6.1", "6.12")),),
    "scan_takes_present_for_written": (Measured("walkers/walk-pagemap-scan", ("7.2", "7.3")),),
    "scan_takes_empty_for_written": (Measured("walkers/walk-pagemap-scan", ("7.0", "7.1")),),
    "mincore_walks": (Measured("driver/driver-mincore", ("7.2", "7.3")),),
    "move_pages_walks_folios": (Measured("walkers/walk-move-pages", ("6.1", "6.12")),),
    "smaps_locks_vmas": (Measured("walkers/walk-smaps-locks", ("6.12", "7.2")),),
    "mem_forces": (Measured("mprotect/walk-mem-forced", ("6.1", "7.3")),),
    "copies_fault_twice": (Measured("walkers/walk-refused-copy", ("6.1", "7.3")),),
    "remote_access_expands": (Measured("races/mem-at-a-hole", ("6.1",)),),
    "access_phys_asks_again": (Measured("races/race-mem-revoked", ("6.1", "7.3")),),
    "access_phys_spares_ram": (Measured("walkers/walk-mem-driver-ram", ("7.2", "7.3")),),
    "access_phys_by_page": (Measured("walkers/bytes-over-the-end", ("7.2", "7.3")),),
    "pgprot_replaces": (CommitMessage(),),
    "mtrr_merged_map": (Measured("physical/isa-border", ("6.1", "6.12")),),
    "end_match": (
        Measured("selftest/selftest-mremap-shrink", ("6.1",)),
        Measured("driver/driver-aperture-part", ("7.3",)),
    ),
    "neighbours_apart": (Measured("unmapping/flushes-far-mixed", ("6.1",)),),
    "reserve_keeps_top": (Measured("physical/limit-remap", ("6.1",)),),
    "devmem_guards_aliases": (CommitMessage(),),
    "spanning_told": (Measured("physical/isa-ioremap", ("6.1", "7.3")),),
    "remap_prepares_first": (
        Measured("driver/driver-refused-remap", ("7.2",)),
        Measured("driver/driver-part-looks-up", ("6.12",)),
    ),
    "failed_remap_zaps": (Noted(("6.1",)),),
    "vm_pat_flag": (Measured("driver/driver-fault-untracked", ("6.1",)),),
    "move_clears_vm_pat": (Measured("selftest/selftest-mremap-fixed", ("6.1",)),),
    "failed_copy_clears_vm_pat": (CommitMessage(),),
    "cow_knows_its_pfn": (Measured("touching/copied-first-munmap", ("6.1",)),),
    "failed_fork_untracks": (Measured("no-memory/fork-fails-halfway", ("6.1",)),),
    "only_fork_clears_vm_pat": (Measured("unmapping/munmap-middle", ("6.1",)),),
    "pat_info_inlined": (InSource(("6.1", "6.12")),),
    "devmem_mmap_prepare": (Measured("over/fixed-devmem-over-wc", ("6.12", "7.2")),),
    "pci_files_revoked": (Measured("driver/driver-claim-part", ("6.1",)),),
    "vfio_remaps": (Measured("vfio/vfio-beside-sysfs", ("6.1", "7.3")),),
    "vfio_checks_region": (Noted(("6.1",)),),
    "vfio_fills_once": (Noted(("6.1",)),),
    "vfio_minds_memory": (Measured("vfio/vfio-memory-disable-enable", ("6.1", "7.3")),),
    "vfio_checks_leaf_pfn": (Measured("vfio/vfio-leaf-frames", ("6.12", "7.3")),),
    "vfio_aligns_leaf": (Measured("vfio/vfio-huge", ("6.12", "7.3")),),
    "vfio_claims_when_opened": (Measured("vfio/vfio-memory-disable-enable", ("6.12", "7.2")),),
    "zone_device_announced": (Measured("driver/driver-struct-pages", ("7.3",)),),
}

#: Of every policy that a release had, by seam and name; no kernel with a stable variant is on offer.
ERAS_KNOWN: dict[str, tuple[KnownBy, ...]] = {
    "tracker=vm_pat": (Measured("unmapping/munmap-middle", ("6.1",)),),
    "tracker=track_ctx": (Measured("unmapping/munmap-middle", ("7.2",)),),
    "flush=none": (CommitMessage(),),
    "flush=end_vma": (Measured("unmapping/munmap-whole", ("6.1",)),),
    "flush=free_vmas": (Measured("unmapping/munmap-neighbours", ("7.2",)),),
    "flush=any_vma": (CommitMessage(),),
    "flush=first_vma": (CommitMessage(),),
    "walker=page_test_skip": (Measured("touching/copied-page-counted", ("6.1",)),),
    "walker=special_bits": (Measured("touching/copied-page-counted", ("6.12",)),),
}


def briefly(known: Sequence[KnownBy]) -> str:
    """How something is known, without programs: ``measured on 6.1, 7.2``."""
    first = known[0]
    if not isinstance(first, Measured):
        return str(first)
    found = {series for by in known if isinstance(by, Measured) for series in by.series}
    return f"measured on {', '.join(sorted(found, key=series_key))}"


def fully(known: Sequence[KnownBy]) -> str:
    """How something is known, with the programs that show it."""
    return "; ".join(map(str, known))
