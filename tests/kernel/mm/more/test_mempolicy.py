"""S5.12: memory policies of VMAs."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import SHARED, every_series, last, run, run_to_end, spans

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES

ANON = "a = mmap anon[0:8] private rw"


@every_series
@for_each(
    ("calls", "left"),
    [
        (("mbind a[2:4] bind",), ["a[0:2]", "a[2:4]", "a[4:8]"]),
        (("mbind a bind", "mbind a[2:4] bind"), ["a[0:8]"]),
        (("mbind a bind", "mbind a[2:4] bind move"), ["a[0:8]"]),
        (("mbind a bind", "mbind a[2:4] preferred"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
        (("mbind a[2:4] default",), ["a[0:8]"]),
        (("mbind a[2:4] bind", "mbind a default"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
    ],
)
def test_another_policy_cuts_a_device_mapping(series: str, calls: tuple[str, ...], left: list[str]) -> None:
    """For good, as any cut of it (S5.12.2)."""
    assert left == spans(run(series, SHARED, *calls)[-1])


@every_series
@for_each(
    ("calls", "left"),
    [
        (("mbind a[2:4] bind", "mbind a default"), ["a[0:8]"]),
        (("mbind a[2:4] bind", "mbind a[4:6] bind"), ["a[0:2]", "a[2:6]", "a[6:8]"]),
        (("mbind a[2:4] bind", "mbind a[0:2] bind"), ["a[0:4]", "a[4:8]"]),
        (("mbind a[2:4] bind", "mbind a[0:2] preferred"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
        (("mbind a[0:4] bind", "mprotect a[4:6] r", "mprotect a[4:6] rw"), ["a[0:4]", "a[4:8]"]),
        (("mbind a bind", "mmap anon[0:2] private rw over a[2:4]"), ["a[0:2]", "a[2:4]", "a[4:8]"]),
    ],
)
def test_ordinary_memory_merges_by_policy(series: str, calls: tuple[str, ...], left: list[str]) -> None:
    """Only parts with one policy are one VMA; what is new has the default (S5.12.2)."""
    assert left == spans(run(series, ANON, *calls)[-1])


@every_series
def test_a_child_has_the_policies(series: str) -> None:
    """So the same policy again cuts nothing in it."""
    *_, child = run(series, SHARED, "mbind a bind", "c = fork", "c: mbind a[2:4] bind")

    assert ["a[0:8]", "a[0:8]"] == spans(child)


@every_series
@for_each("call", ["a[1:5] bind", "a[3:6] preferred", "a[5:10] bind", "a[2:4] default", "a[9:12] default"])
def test_a_hole_is_refused_before_anything_is_cut(series: str, call: str) -> None:
    """For the default only where all of the range is one (S5.12.1)."""
    *_, refused, _ = run_to_end(series, SHARED, "munmap a[2:4]", f"mbind {call}", area=16)

    assert ("EFAULT", ["a[0:2]", "a[4:8]"]) == (refused.result, spans(refused))


@every_series
def test_the_default_passes_holes_by(series: str) -> None:
    """Each mapping in the range gets it."""
    calls = ("mbind a bind", "munmap a[2:4]", "mbind a[1:5] default", "mbind a[1:5] default")
    *_, first, again = run(series, SHARED, *calls)

    assert ("ok", ["a[0:1]", "a[1:2]", "a[4:5]", "a[5:8]"]) == (first.result, spans(first))
    assert spans(first) == spans(again)


@every_series
def test_copied_pages_do_not_move(series: str) -> None:
    """Nothing in a VMA with VM_PFNMAP is looked for, whatever it is (S5.12.3)."""
    copied = ("a = mmap bar[0:8] wc private rw", "write a[1] 7")
    before, *_, after = run(series, *copied, "mbind a bind move", "mbind a default move")[1:]

    assert before.ptes == after.ptes
    assert ("ok", 7) == last(series, *copied, "mbind a default move", "read a[1]")


@every_series
def test_a_split_that_fails(series: str) -> None:
    """ENOMEM; the range is one VMA still."""
    *_, failed = run(series, SHARED, "fail vm_area_dup 1: mbind a[2:4] bind")

    assert ("ENOMEM", ["a[0:8]"]) == (failed.result, spans(failed))


def test_pages_that_would_move_to_their_own_node_have_no_rule() -> None:
    """The default wants no node in particular, and a kernel moves them there all the same."""
    with pytest.raises(Undecided, match="the node they are on"):
        run(SERIES[-1], ANON, "write a[0] 7", "mbind a default move")
