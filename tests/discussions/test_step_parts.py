"""The parts of a step, in words."""

from __future__ import annotations

from collections.abc import Callable

from for_each import for_each
from msgspec.structs import replace

from pfnlab.discussions.step_parts import (
    anonymous,
    book,
    direct_map,
    entries,
    flags,
    flushes,
    left,
    levels,
    log,
    map_syncs,
    modes,
    order,
    part_text,
    reserves,
    result,
    tracked,
    vm_pat,
    vmas,
)
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen, Step, VmaSeen

PTES = (
    PteSeen("main", "a", 0, 1, DeviceSpan("bar", 0, 1), "L1 WC P RW US SPECIAL A D"),
    PteSeen("main", "a", 1, 4, DeviceSpan("bar", 1, 4), "L1 WC P RW US SPECIAL A"),
    PteSeen("main", "a", 4, 5, DeviceSpan("ram", 0, 0), "L1 WC P RW US A D"),
    PteSeen("main", "a", 5, 8, None, "none@L1"),
    PteSeen("c", "a", 0, 512, DeviceSpan("bar", 0, 512), "L2 UC- P RW US SPECIAL"),
)
VMAS = (
    VmaSeen("main", "a", 0, 8, "rw-p", "driver", None, "rd wr io pf de ar dd sd", 4, 4, 0),
    VmaSeen("c", "a", 0, 8, "rw-s", "driver", None, "rd wr io mm", 0, 0, 0),
)
FULL = Step(
    op="munmap a",
    task="main",
    result="EFAULT",
    value="SIGBUS code=2",
    book=(BookEntry("bar", 0, 8, "wc"), BookEntry("bar", 2, 4, "wc")),
    log=("one", "two"),
    levels=("info", "err"),
    vmas=VMAS,
    ptes=PTES,
    flushes=2,
    events=(
        "gather",
        "reserve bar[0]",
        "map_sync bar[0]",
        "untrack a[0]",
        "erase bar[0]",
        "clear a[0]",
        "flush a[0:8]",
        "finish",
    ),
    tracked=("VM_PAT a[0:8]", "VM_PAT c:a[0:8]"),
    direct_map=("bar[0:4] UC-", "bar[8:9] WC"),
)
EMPTY = Step(op="look", task="main", result="ok", value=None, book=(), log=())


@for_each(
    ("observed", "full", "empty"),
    [
        (result, "EFAULT SIGBUS code=2", "ok"),
        (book, "bar[0:8] wc, bar[2:4] wc", "empty"),
        (left, "bar[0:8] wc, bar[2:4] wc", "nothing"),
        (log, "one; two", "nothing"),
        (levels, "info, err", "not looked at"),
        (tracked, "VM_PAT a[0:8], VM_PAT c:a[0:8]", "nothing"),
        (entries, "a[0:4] WC special, a[4:5] WC, c:a[0:512] UC- 2 MiB special", "none"),
        (modes, "a[0:5] WC, c:a[0:512] UC- 2 MiB", "none"),
        (anonymous, "4 kB", "0 kB"),
        (vmas, "a[0:8], a[0:8]", "none"),
        (vm_pat, "set", "clear"),
        (flags, "VM_PFNMAP VM_IO", "none"),
        (flushes, "2", "None"),
        (order, "untrack, clear, flush, finish", "nothing of it"),
        (reserves, "1", "0"),
        (map_syncs, "1", "0"),
        (direct_map, "bar[0:4] UC-, bar[8:9] WC", "not looked at"),
    ],
)
def test_a_part_of_a_step(observed: Callable[[Step], str], full: str, empty: str) -> None:
    """Of a step with everything, and of one with nothing."""
    assert (full, empty) == (observed(FULL), observed(EMPTY))


def test_a_direct_map_that_is_all_write_back() -> None:
    """It is looked at, and there is nothing to name."""
    assert "nothing" == direct_map(replace(EMPTY, direct_map=()))


def test_no_line_has_no_level() -> None:
    """Where levels are looked at, and nothing was printed."""
    assert "nothing" == levels(replace(EMPTY, levels=()))


def test_what_is_looked_at_is_named() -> None:
    """A page prints both."""
    assert "vm pat: set" == part_text(vm_pat, FULL)
