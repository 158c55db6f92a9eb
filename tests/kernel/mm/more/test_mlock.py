"""S5.10: locking, syncing and sealing."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import SHARED, every_series, spans
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES

sealing_series = for_each("series", SERIES[1:])


@every_series
@for_each("call", ["mlock a[2:4]", "munlock a[2:4]", "mlockall", "munlockall"])
def test_pfn_mappings_are_passed_by(series: str, call: str) -> None:
    """Locking is a success that neither splits, locks nor counts (S5.10.1)."""
    mapped, locked, _ = run(series, SHARED, call)

    assert ("ok", mapped.vmas) == (locked.result, locked.vmas)


@every_series
@for_each("words", ["locked", "populate"])
def test_mapped_locked_or_populated(series: str, words: str) -> None:
    """MAP_LOCKED and MAP_POPULATE change nothing about a PFN mapping (S5.10.1)."""
    plain, _ = run(series, SHARED)

    mapped, _ = run(series, f"{SHARED} {words}")

    assert (plain.result, plain.vmas, plain.ptes) == (mapped.result, mapped.vmas, mapped.ptes)


@every_series
def test_mapped_after_mlockall(series: str) -> None:
    """MCL_FUTURE does not lock a PFN mapping (S5.10.1)."""
    *_, mapped, _ = run(series, "mlockall", SHARED)

    assert "lo" not in (mapped.vmas or ())[0].flags.split()


@every_series
@for_each("call", ["mlock", "munlock", "msync"])
def test_a_hole(series: str, call: str) -> None:
    """A hole in the range is ENOMEM (measured)."""
    *_, refused, _ = run(series, SHARED, "munmap a[2:4]", f"{call} a")

    assert "ENOMEM" == refused.result


@every_series
def test_msync_of_a_resource_file(series: str) -> None:
    """Syncing a sysfs mapping is a success (measured)."""
    *_, synced, _ = run(series, SHARED, "msync a[2:4]")

    assert ("ok", ["a[0:8]"]) == (synced.result, spans(synced))


def test_mseal_before_it_existed() -> None:
    """6.1 has no mseal."""
    _, refused, _ = run("6.1", SHARED, "mseal a")

    assert "ENOSYS" == refused.result


@sealing_series
def test_mseal_splits_and_shows(series: str) -> None:
    """Sealing splits at the range ends, and ``sl`` is the last flag (measured)."""
    *_, sealed, _ = run(series, SHARED, "mseal a[2:4]")

    assert [("a[0:2]", "sd"), ("a[2:4]", "sl"), ("a[4:8]", "sd")] == [
        (str(vma.span), vma.flags.split()[-1]) for vma in sealed.vmas or ()
    ]


@sealing_series
def test_mseal_of_a_hole(series: str) -> None:
    """A hole is ENOMEM, and nothing was sealed."""
    *_, refused, _ = run(series, SHARED, "munmap a[2:4]", "mseal a")

    assert "ENOMEM" == refused.result
    assert ["sd", "sd"] == [vma.flags.split()[-1] for vma in refused.vmas or ()]


@sealing_series
@for_each(
    "call",
    [
        "munmap a",
        "munmap a[0:3]",
        "mmap bar[0:8] wc shared rw over a[0:8]",
        "mmap anon[0:8] private rw over a[0:8]",
    ],
)
def test_sealed_mappings_stay(series: str, call: str) -> None:
    """Unmapping or replacing any sealed part is EPERM, with nothing changed (measured)."""
    _, sealed, refused, _ = run(series, SHARED, "mseal a[2:4]", call)

    assert ("EPERM", sealed.vmas, sealed.ptes, sealed.book) == (
        refused.result,
        refused.vmas,
        refused.ptes,
        refused.book,
    )


@sealing_series
def test_the_rest_of_a_sealed_mapping_goes(series: str) -> None:
    """Unsealed pieces beside a sealed one can be unmapped."""
    *_, gone, _ = run(series, SHARED, "mseal a[2:4]", "munmap a[4:8]")

    assert ("ok", ["a[0:2]", "a[2:4]"]) == (gone.result, spans(gone))


@sealing_series
@for_each("end", ["exec", "exit", "kill"])
def test_the_end_ignores_the_seal(series: str, end: str) -> None:
    """exec and exit take sealed mappings down like others (measured)."""
    *_, ended, _ = run(series, SHARED, "mseal a", end)

    assert ("ok", (), ()) == (ended.result, ended.vmas, ended.book)


@sealing_series
def test_fork_copies_the_seal(series: str) -> None:
    """A child's copy is sealed as well."""
    *_, refused, _ = run(series, SHARED, "mseal a", "c = fork", "c: munmap a")

    assert "EPERM" == refused.result


@every_series
def test_ordinary_memory_is_locked_and_filled(series: str) -> None:
    """Anonymous memory is split, locked and filled."""
    *_, locked, _ = run(series, "a = mmap anon[0:4] private rw", "mlock a[1:3]")

    assert [("a[0:1]", False, 0), ("a[1:3]", True, 8), ("a[3:4]", False, 0)] == [
        (str(vma.span), "lo" in vma.flags.split(), vma.locked) for vma in locked.vmas or ()
    ]


@for_each(("series", "left"), [("6.12", ["a[0:1]", "a[1:3]", "a[3:4]"]), ("6.16", ["a[0:4]"])])
def test_ordinary_memory_is_unlocked(series: str, left: list[str]) -> None:
    """Pages came with the lock, and do not merge with untouched memory before 6.16 (S5.3.2)."""
    *_, unlocked, _ = run(series, "a = mmap anon[0:4] private rw", "mlock a[1:3]", "munlock a")

    assert left == spans(unlocked)


@every_series
def test_mlockall_locks_ordinary_memory(series: str) -> None:
    """mlockall locks what is there and what comes."""
    *_, locked, _ = run(series, "a = mmap anon[0:2] private rw", "mlockall", "b = mmap anon[0:2] private rw")

    assert [8, 8] == [vma.locked for vma in locked.vmas or ()]


@every_series
def test_munlockall_undoes_mlockall(series: str) -> None:
    """For memory that is there and memory to come."""
    mapped = ("a = mmap anon[0:2] private rw", "mlockall", "munlockall", "b = mmap anon[0:2] private rw")
    *_, unlocked, _ = run(series, *mapped)

    assert [0, 0] == [vma.locked for vma in unlocked.vmas or ()]


@every_series
def test_parts_before_a_hole_stay_locked(series: str) -> None:
    """At a hole mlock fails, and what came before it stays locked."""
    *_, refused, _ = run(series, "a = mmap anon[0:4] private rw", "munmap a[2:3]", "mlock a")

    assert "ENOMEM" == refused.result
    assert [True, False] == ["lo" in vma.flags.split() for vma in refused.vmas or ()]


LEFT = ("a = mmap anon[0:2] private rw locked", "t1 = fork", "munmap a[0]")


@for_each("series", ["6.16", "7.3"])
@for_each("between", ["t1: madvise a[1] normal", "t2 = thread"])
def test_a_page_that_left_locked_memory_may_be_held(series: str, between: str) -> None:
    """Whether its last user copies it depends on what else the processor did."""
    with pytest.raises(Undecided, match="left locked memory"):
        run(series, *LEFT, between, "t1: write a[0] 1")


@for_each("series", ["6.16", "7.3"])
@for_each(
    "drains", ["mlock a[1]", "munlock a[1]", "b = mmap anon[0] private rw populate", "t1: madvise a[1] cold"]
)
def test_some_calls_drain_the_batch(series: str, drains: str) -> None:
    """After them the page is its last user's own."""
    *_, written, _ = run(series, *LEFT, drains, "t1: write a[0] 1")

    assert 0 == written.flushes


@for_each("series", ["6.1", "6.12"])
def test_unmapping_drained_the_batch(series: str) -> None:
    """munmap of the page itself did, up to 6.12."""
    *_, written, _ = run(series, *LEFT, "t1: write a[0] 1")

    assert 0 == written.flushes


@every_series
def test_a_copy_leaves_the_old_page_in_the_batch(series: str) -> None:
    """A write of the process that locked it takes a page out of locked memory, too."""
    with pytest.raises(Undecided, match="left locked memory"):
        run(series, LEFT[0], LEFT[1], "write a[0] 1", "t1: write a[0] 1")
