"""S5.13: protection keys that a process gives its memory."""

from __future__ import annotations

from for_each import for_each
from series_runs import SHARED, every_series, last, run, spans

ANON = "a = mmap anon[0:8] private rw"


@every_series
def test_key_minus_one_is_mprotect(series: str) -> None:
    """It leaves a mapping its key, or none (S5.13.1)."""
    assert ["a[0:8]"] == spans(run(series, SHARED, "pkey_mprotect a[2:4] rw")[-1])
    assert ["a[0:8]"] == spans(run(series, SHARED, "pkey_mprotect a rw keyed", "pkey_mprotect a[2:4] rw")[-1])


@every_series
def test_a_key_cuts_a_device_mapping_and_flushes_once(series: str) -> None:
    """For good, as any cut of it (S5.13.2)."""
    *_, cut, again, whole = run(
        series,
        SHARED,
        "pkey_mprotect a[4:8] rw keyed",
        "pkey_mprotect a[4:8] rw keyed",
        "pkey_mprotect a rw keyed",
    )

    assert (["a[0:4]", "a[4:8]"], 1) == (spans(cut), cut.flushes)
    assert (["a[0:4]", "a[4:8]"], 0) == (spans(again), again.flushes)
    assert (["a[0:4]", "a[4:8]"], 1) == (spans(whole), whole.flushes)


@every_series
@for_each(
    ("calls", "left"),
    [
        (("pkey_mprotect a[2:4] rw keyed",), ["a[0:2]", "a[2:4]", "a[4:8]"]),
        (("pkey_mprotect a[2:4] rw keyed", "pkey_mprotect a[4:6] rw keyed"), ["a[0:2]", "a[2:6]", "a[6:8]"]),
        (("pkey_mprotect a[2:4] rw keyed", "mprotect a r", "mprotect a rw"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
        (("pkey_mprotect a[2:4] rw keyed", "mprotect a[2:4] x", "mprotect a[2:4] rw"), ["a[0:8]"]),
        (("pkey_mprotect a[2:4] x keyed", "mprotect a x", "mprotect a rw"), ["a[0:8]"]),
        (("pkey_mprotect a[2:4] x keyed", "mprotect a rw"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
    ],
)
def test_ordinary_memory_merges_by_key(series: str, calls: tuple[str, ...], left: list[str]) -> None:
    """Execute-only memory has another one, and afterwards none (S5.13.2, S5.13.3)."""
    assert left == spans(run(series, ANON, *calls)[-1])


@every_series
@for_each("protects", ["mprotect", "pkey_mprotect"])
def test_execute_only_memory_is_kept(series: str, protects: str) -> None:
    """By whichever call it becomes so, if without a key (S5.10.2e)."""
    assert ("EFAULT", "SIGSEGV code=4") == last(series, ANON, f"{protects} a x", "read a[0]")


@every_series
def test_a_key_of_its_own_lets_execute_only_memory_be_read(series: str) -> None:
    """The processor does not forbid it (S5.13.3)."""
    assert ("ok", 7) == last(series, ANON, "write a[0] 7", "pkey_mprotect a x keyed", "read a[0]")


@every_series
def test_a_child_has_the_key(series: str) -> None:
    """So the same key again cuts nothing in it."""
    *_, child = run(
        series, SHARED, "pkey_mprotect a rw keyed", "c = fork", "c: pkey_mprotect a[2:4] rw keyed"
    )

    assert ["a[0:8]", "a[0:8]"] == spans(child)


@every_series
def test_a_hole_is_refused_where_it_is_met(series: str) -> None:
    """What lies before it has the key (S5.10.2)."""
    *_, refused = run(series, SHARED, "munmap a[4]", "pkey_mprotect a[2:6] rw keyed")

    assert ("ENOMEM", ["a[0:2]", "a[2:4]", "a[5:8]"]) == (refused.result, spans(refused))
