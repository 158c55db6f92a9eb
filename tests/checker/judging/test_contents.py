"""Contents of pages: right ones break nothing, and each property notices what is wrong on purpose."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.checker.judging.judge import violations
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import MemoryObservation, PageData, Run

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 8 pages\narea a: 8 pages\n"
ANON = "a = mmap anon[0:2] private rw\nwrite a[0] 5\nlook\n"
COPY = "b = mmap bar[0:1] wc shared rw\nwrite b[0] 9\na = mmap bar[0:1] wc private rw\nwrite a[0] 5\n"
FORKED = "a = mmap anon[0:1] private rw\nwrite a[0] 5\nt1 = fork\nt1: write a[0] 6\n"
#: Ordinary memory takes the place of a device's page that was stored to, and is there at once.
FILLED = "mmap bar[0] wc shared rw over a[0]\nwrite a[0] 9\nmmap anon[0] private rw locked over a[0]\n"
#: Ordinary memory takes the place of ordinary memory, and is there at once.
REPLACED = "a = mmap anon[0] private rw\nwrite a[0] 5\nmmap anon[0] private rw locked over a[0]\n"
READ = "b = mmap bar[0:1] wc shared rw\nwrite b[0] 9\nread b[0]\n"

#: The frame of a page that was written first, and of another.
P, Q = 100, 200

Held = dict[int, list[tuple[str, int, int, int]]]


def broken(text: str, held: Held, *, value: int | None = None) -> list[tuple[str, int]]:
    """
    The properties that contents break, with their steps.

    :param held: at each step the pages with their task, frame, first word and the others
    :param value: what the last operation gave, where that is not what the model says
    """
    program = load_text(HEAD + text)
    found = run(program)
    steps = len(found.steps)
    spaces = {"main": (1, 0), "t1": (2, 0)}
    memory = [
        MemoryObservation(
            {task: (space, number) for task, (space, _) in spaces.items()},
            pages=tuple(
                PageData(task, "a", 0, pfn, word, rest) for task, pfn, word, rest in held.get(number, [])
            ),
        )
        for number in range(steps)
    ]
    if value is not None:
        last = msgspec.structs.replace(found.steps[-2], value=value)
        found = msgspec.structs.replace(found, steps=(*found.steps[:-2], last, found.steps[-1]))
    found = msgspec.structs.replace(found, memory=tuple(memory))
    return [violation.place for violation in violations(program, found, "7.3")]


def run(program: Program) -> Run:
    """What the model says."""
    (found,) = ModelMachine("7.3", LookLevel.MEMORY).run([program])
    assert found.unfinished is None, found.unfinished
    return found


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (ANON, {1: [("main", P, 5, 0)], 2: [("main", P, 5, 0)]}),
        (COPY, {3: [("main", P, 5, 7)]}),
        (FILLED, {2: [("main", P, 0, 0)]}),
        # The frame that was freed is the next one to be given out.
        (REPLACED, {1: [("main", P, 5, 0)], 2: [("main", P, 0, 0)]}),
        (
            FORKED,
            {
                1: [("main", P, 5, 0)],
                2: [("main", P, 5, 0), ("t1", P, 5, 0)],
                3: [("main", P, 5, 0), ("t1", Q, 6, 0)],
            },
        ),
    ],
)
def test_right_contents_break_nothing(text: str, held: Held) -> None:
    """A page takes what is stored there, and keeps it."""
    assert broken(text, held) == []


def test_a_page_that_changes_by_itself_is_noticed() -> None:
    """Nobody stored."""
    held = {1: [("main", P, 5, 0)], 2: [("main", P, 6, 0)]}

    assert broken(ANON, held) == [("contents_kept", 2)]


def test_the_clock_changes_by_itself() -> None:
    """And what is noticed elsewhere is not noticed there."""
    moved = "a = mremap vvar 4 pages maymove fixed\nread a[0]\nlook\n"

    assert broken(moved, {1: [("main", P, 5, 3)], 2: [("main", P, 6, 3)]}) == []


def test_a_new_page_that_holds_something_is_noticed() -> None:
    """The store is there, and behind it what somebody else left."""
    assert broken(ANON, {1: [("main", P, 5, 3)]}) == [("fresh_zero", 1)]


def test_a_page_that_lacks_the_store_is_noticed() -> None:
    """A store that was done is not in the page."""
    assert broken(ANON, {1: [("main", P, 4, 0)]}) == [("fresh_zero", 1)]


def test_a_copy_that_lost_what_was_there_is_noticed() -> None:
    """A child's copy of a page is empty but for its store."""
    held = {
        1: [("main", P, 5, 3)],
        2: [("main", P, 5, 3), ("t1", P, 5, 3)],
        3: [("main", P, 5, 3), ("t1", Q, 6, 0)],
    }

    assert broken(FORKED, held)[1:] == [("copied_whole", 3)]


def test_a_copy_of_a_device_page_that_lost_its_word_is_noticed() -> None:
    """A private page is filled by reading, and not with what the device page holds."""
    text = COPY.replace("write a[0] 5", "look")
    assert broken(text, {3: [("main", P, 1, 0)]}) == [("copied_whole", 3)]


def test_a_page_that_two_processes_share_after_a_store_is_noticed() -> None:
    """The child's store is in the parent's page."""
    held = {
        1: [("main", P, 5, 0)],
        2: [("main", P, 5, 0), ("t1", P, 5, 0)],
        3: [("main", P, 6, 0), ("t1", P, 6, 0)],
    }

    assert broken(FORKED, held) == [("private_kept", 3)]


def test_a_load_from_another_frame_is_noticed() -> None:
    """A device page holds what was stored, and a load gives something else."""
    assert broken(READ, {}, value=8) == [("reads_shown", 2)]


def test_a_load_of_what_was_stored_breaks_nothing() -> None:
    """The same load, as it is."""
    assert broken(READ, {}) == []


def test_memory_that_fills_a_device_s_place_is_fresh() -> None:
    """It is no copy of what was there, and has to be zero all the same."""
    assert broken(FILLED, {2: [("main", P, 9, 0)]}) == [("fresh_zero", 2)]


def test_memory_that_replaces_a_page_is_fresh() -> None:
    """Nothing of the page before is in it, though it has the same frame."""
    assert broken(REPLACED, {1: [("main", P, 5, 0)], 2: [("main", P, 5, 0)]}) == [("fresh_zero", 2)]


LOW = "pfnlab program 1\ntitle t\ndevice low: lowmem, 2 pages\n"


def low_broken(text: str, *frames: tuple[int, int]) -> list[tuple[str, int]]:
    """The properties that a device in low memory breaks, given the words of its pages after each step."""
    program = load_text(LOW + text)
    found = run(program)
    memory = [
        MemoryObservation({"main": (1, 0)}, pages=(), frames={"low": tuple((word, 0) for word in words)})
        for words in (*frames, frames[-1])
    ]
    found = msgspec.structs.replace(found, memory=tuple(memory))
    broken = [violation.place for violation in violations(program, found, "7.3")]
    return [place for place in broken if place[0] == "contents_kept"]


def test_a_page_of_a_device_that_changes_by_itself_is_noticed_in_its_step() -> None:
    """Not at the next load; the page that a store reaches is none of them, and another is."""
    text = "a = mmap low[0:2] devmem shared rw\nwrite a[1] 5\nlook\nread a[1]\n"

    assert [] == low_broken(text, (0, 0), (0, 5), (0, 5), (0, 5))
    assert [("contents_kept", 2)] == low_broken(text, (0, 0), (0, 5), (0, 6), (0, 6))
    assert [("contents_kept", 1)] == low_broken(text, (0, 0), (7, 5), (7, 5), (7, 5))


def test_a_load_from_a_bar_says_since_when_the_page_may_have_changed() -> None:
    """The step of the last store, or of the last load that gave what was stored."""
    program = load_text(HEAD + "b = mmap bar[0:1] wc shared rw\nwrite b[0] 9\nread b[0]\nlook\nread b[0]\n")
    found = run(program)
    memory = tuple(MemoryObservation({"main": (1, step)}, pages=()) for step in range(len(found.steps)))
    steps = list(found.steps)
    steps[4] = msgspec.structs.replace(steps[4], value=8)
    found = msgspec.structs.replace(found, steps=tuple(steps), memory=memory)

    (violation,) = violations(program, found, "7.3")
    assert ("reads_shown", 4) == violation.place
    assert "bar[0] held 0x9 after step 3, and no store there followed" in violation.says


def test_a_page_that_a_fork_shares_may_be_written_by_neither() -> None:
    """The child's entry may not, and the parent's neither."""
    program = load_text(HEAD + "a = mmap anon[0:1] private rw\nwrite a[0] 5\nt1 = fork\n")
    found = run(program)
    pages = [PageData("main", "a", 0, P, 5), PageData("t1", "a", 0, P, 5)]
    memory = tuple(
        MemoryObservation({"main": (1, 0), "t1": (2, 0)}, pages=tuple(pages[: max(0, min(step, 2))]))
        for step in range(len(found.steps))
    )
    for task in ("main", "t1"):
        steps = list(found.steps)
        ptes = [
            msgspec.structs.replace(one, entry=one.entry.replace("RO", "RW")) if one.task == task else one
            for one in steps[2].ptes or ()
        ]
        steps[2] = msgspec.structs.replace(steps[2], ptes=tuple(ptes))
        changed = msgspec.structs.replace(found, steps=tuple(steps), memory=memory)
        assert ("private_kept", 2) in [one.place for one in violations(program, changed, "7.3")]
    whole = msgspec.structs.replace(found, memory=memory)
    assert "private_kept" not in [one.name for one in violations(program, whole, "7.3")]
