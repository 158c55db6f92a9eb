"""Properties of one operation: the model satisfies them, and a step with one change on purpose does not."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from for_each import for_each

from pfnlab.checker.judging.judge import violations
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import DeviceSpan, PteSeen, Run

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\narea a: 16 pages\n"

MOVE = "a = mmap bar[0:4] wc shared rw\nb = mremap a[0:4] 4 pages maymove fixed\n"
KEPT = "a = mmap anon[0:4] private rw\nwrite a[3] 1\nb = mremap a[0:4] 4 pages maymove fixed dontunmap\n"
STORE = "a = mmap bar[0:2] wc private rw\nwrite a[1] 1\n"
FAULT = "a = mmap bar[0:2] driver fault wc shared rw\nread a[1]\n"
RESERVED = f"b = mmap bar[0:2] wc shared rw\n{FAULT}"
LAST = "a = mmap bar[12:16] wc shared rw\n"


def judged(text: str, change: Callable[[PteSeen], PteSeen | None] | None = None) -> list[str]:
    """The properties that the last operation violates, if its entries are changed.

    :param change: returns the entries instead of a run of them, or None for no entries
    """
    program, run = ran(text)
    at = len(program.ops) - 1
    if change is not None:
        steps = list(run.steps)
        ptes = tuple(filter(None, map(change, steps[at].ptes or ())))
        steps[at] = msgspec.structs.replace(steps[at], ptes=ptes)
        run = msgspec.structs.replace(run, steps=tuple(steps))
    return [one.name for one in violations(program, run, "7.3") if one.step == at]


def ran(text: str) -> tuple[Program, Run]:
    """The model's run of a program."""
    program = load_text(HEAD + text)
    (run,) = ModelMachine("7.3", LookLevel.MEMORY).run([program])
    assert run.unfinished is None, run.unfinished
    return program, run


@for_each("text", [MOVE, KEPT, STORE, FAULT, RESERVED, LAST])
def test_the_model_violates_none(text: str) -> None:
    """As it is."""
    assert [] == judged(text)


def shortened(run: PteSeen) -> PteSeen:
    """A run of entries of area b without its last page."""
    if run.area != "b" or run.target is None or run.target.name != "bar":
        return run
    target = DeviceSpan("bar", run.target.start, run.target.end - 1)
    return msgspec.structs.replace(run, end=run.end - 1, target=target)


def test_an_entry_that_a_move_leaves_behind_is_noticed() -> None:
    """The last of four."""
    assert ["moved_whole"] == judged(MOVE, shortened)


def test_a_copied_page_that_a_move_loses_is_noticed() -> None:
    """The old mapping stays, and has it no longer."""
    assert ["moved_whole"] == judged(KEPT, lambda run: None if run.area == "b" else run)


def test_a_move_that_changes_the_mode_is_noticed() -> None:
    """The entry is there, in another mode."""
    other = "L1 UC- P RW US SPECIAL"
    found = judged(MOVE, lambda run: msgspec.structs.replace(run, entry=other) if run.target else run)

    assert "moved_whole" in found


def test_a_store_through_a_private_mapping_that_reaches_the_frame_is_noticed() -> None:
    """The page is still the device's, and may be written."""

    def to_frame(run: PteSeen) -> PteSeen:
        if run.start > 1 or run.end < 2:
            return run
        target = DeviceSpan("bar", run.start, run.end)
        return msgspec.structs.replace(run, target=target, entry="L1 WC P RW US SPECIAL A D")

    assert "private_kept" in judged(STORE, to_frame)


@for_each(("text", "mode"), [(FAULT, "WC"), (RESERVED, "UC-"), (RESERVED, "WB")])
def test_a_mode_that_a_lookup_should_not_give_is_noticed(text: str, mode: str) -> None:
    """UC- where nothing is reserved, and otherwise what is."""

    def in_mode(run: PteSeen) -> PteSeen:
        if run.area != "a" or run.target is None:
            return run
        return msgspec.structs.replace(run, entry=f"L1 {mode} P RW US SPECIAL A")

    assert "looked_up" in judged(text, in_mode)


def test_a_mapping_left_by_munmap_is_noticed() -> None:
    """The second of two, behind a hole."""
    text = "mmap bar[0:2] wc shared rw over a[0:2]\nmmap bar[4:6] wc shared rw over a[4:6]\nmunmap a[0:6]\n"
    program, run = ran(text)
    steps = list(run.steps)
    vmas = tuple(vma for vma in steps[1].vmas or () if vma.start == 4)
    steps[2] = msgspec.structs.replace(steps[2], vmas=vmas)
    run = msgspec.structs.replace(run, steps=tuple(steps))

    assert [] == [one for one in judged(text) if one == "unmapped"]
    assert ("unmapped", 2) in [one.place for one in violations(program, run, "7.3")]


def test_smaps_that_counts_a_page_twice_is_noticed() -> None:
    """A VMA that it skips counts nothing, which is allowed."""
    text = "a = mmap bar[0:2] wc private rw\nwrite a[1] 1\nsmaps a\n"
    program, run = ran(text)
    found = {}
    for rss in (0, 4, 8):
        steps = list(run.steps)
        steps[2] = msgspec.structs.replace(steps[2], value=f"a[0:2] Rss={rss}")
        changed = msgspec.structs.replace(run, steps=tuple(steps))
        found[rss] = "smaps_counted" in [one.name for one in violations(program, changed, "7.3")]

    assert {0: False, 4: False, 8: True} == found
    assert "a[0:2] Rss=4" == run.steps[2].value


def test_a_mapping_past_the_end_of_the_bar_is_noticed() -> None:
    """The kernel allowed it, of a BAR that is a page smaller."""
    program, run = ran(LAST)
    smaller = msgspec.structs.replace(program, devices=(Device("bar", "pci", 15),))

    assert "within_bar" in [one.name for one in violations(smaller, run, "7.3")]


PROTECTED = "a = mmap bar[0:2] wc private rw\nmprotect a[0:2] r\n"


def test_mprotect_that_drops_the_cache_mode_is_noticed() -> None:
    """The entry is write-back, and its frame reserved as write-combining."""
    found = judged(PROTECTED, lambda run: msgspec.structs.replace(run, entry=run.entry.replace("WC", "WB")))

    assert "booked_mode" in found
