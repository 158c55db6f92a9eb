"""The points of a program at which its guest stands."""

import pytest

from pfnlab.lab.running.preparations import StopPoint, can_stand, stops_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program


def program(*lines: str) -> Program:
    """Operations on a small BAR."""
    return load_text("\n".join(["pfnlab program 1", "device bar: pci, 4 pages", *lines, ""]))


def test_the_guest_stands_after_each_operation() -> None:
    """It is looked at there."""
    stops = stops_of(program("a = mmap bar[0:4] wc shared rw", "read a[0]", "munmap a"))

    assert [StopPoint(1, True), StopPoint(2, True), StopPoint(3, True)] == stops


def test_a_forced_operation_is_apart_from_its_preparation() -> None:
    """A call is forced in the operation alone; the way in which the driver maps is said before."""
    forced = program(
        "a = mmap bar[0:4] wc shared rw", "fail vm_area_alloc 1: b = mmap bar[0:4] driver remap shared rw"
    )

    first, before, then = stops_of(forced)

    assert (True, False, True) == (first.looked_at, before.looked_at, then.looked_at)
    assert (None, forced.ops[1]) == (before.forced, then.forced)


@pytest.mark.parametrize(
    ("lines", "can"),
    [
        pytest.param(
            ["a = mmap bar[0:4] wc shared rw", "fail __pte_alloc 1: c = fork"], True, id="forced later"
        ),
        pytest.param(["fail __pte_alloc 1: c = fork"], False, id="first"),
        pytest.param(["unplug bar"], False, id="slot"),
    ],
)
def test_a_program_stands_where_nobody_is_asked_between_two_operations(lines: list[str], can: bool) -> None:
    """The process id of the first task is not known before its first operation."""
    assert can == can_stand(program(*lines))
