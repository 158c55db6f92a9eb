"""The things that a program leaves in use: what the kernel frees late is waited for."""

from collections.abc import Callable

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from pfnlab.base.units import PfnRange
from pfnlab.lab.lens.resource_use import ResourceUse
from pfnlab.lab.running import cleaning as module
from pfnlab.lab.running.cleaning import leftovers, settled
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.programs.lang.load import load_text

BEFORE = ResourceUse({"vmas_left": 10}, spaces=2)
LATE = ResourceUse({"vmas_left": 13}, spaces=2)
PREPARING = ResourceUse({"vmas_left": 10}, spaces=1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look is far from the next."""
    monkeypatch.setattr(module, "_PAUSE", 0.0)
    monkeypatch.setattr(module, "_SETTLING", 0.0)


@pytest.fixture
def placement() -> Placement:
    """The place of a small program."""
    program = load_text("pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n")
    placed = Windows(PfnRange(0xF8000, 0xF8040)).place(program)
    assert placed is not None
    return placed


def seen(*looks: ResourceUse | None) -> Callable[[], ResourceUse | None]:
    """Answers these one by one, the last one for ever."""
    rest = list(looks)
    return lambda: rest.pop(0) if len(rest) > 1 else rest[0]


def test_what_is_freed_late_was_not_left(placement: Placement) -> None:
    """RCU frees VMAs some ticks after they went."""
    assert (BEFORE, []) == leftovers(seen(LATE, LATE, BEFORE), BEFORE, [placement])


def test_the_task_of_the_next_program_is_waited_for(placement: Placement) -> None:
    """Page tables are compared where there are as many address spaces as before."""
    after, _ = leftovers(seen(PREPARING, BEFORE), BEFORE, [placement])

    assert after == BEFORE


def test_what_stays_was_left(monkeypatch: pytest.MonkeyPatch, placement: Placement) -> None:
    """When the limit has passed, it is a fault of memory."""
    monkeypatch.setattr(module, "_LIMIT", 0.0)

    after, faults = leftovers(seen(LATE), BEFORE, [placement])

    assert (LATE, ["vmas_left"]) == (after, [fault.name for fault in faults])


def test_a_guest_settles_when_some_looks_are_equal() -> None:
    """One that is as the last may be so by chance."""
    assert BEFORE == settled(seen(LATE, LATE, PREPARING, BEFORE))


def test_a_guest_that_cannot_be_looked_at_has_nothing_in_use() -> None:
    """Nothing is waited for then."""
    assert settled(seen(None)) is None
