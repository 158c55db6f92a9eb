"""Processors that flushes reach, in guests: what a console says, and what is made of it."""

from __future__ import annotations

import pytest
import tooling

from pfnlab.base.errors import LostGuest, Undecided

TOOL = tooling.reached_processors()

END = "reached the end with 4 processors\n"
NOTHING = "reached nothing 1 tlb 0 0 0 0 cal 0 0 1 0\n"
RUNNING = "reached running 1 tlb 0 5 5 5 cal 0 5 6 5\n"
#: A thread was not in its address space for a moment.
ELSEWHERE = "reached running 1 tlb 0 5 4 5 cal 0 5 4 5\n"


def test_the_count_that_most_repetitions_agree_on() -> None:
    """Flushes, processors and interrupts; what other calls interrupt is left out."""
    console = f"[    1.2] x86/PAT\n{NOTHING}{RUNNING}{ELSEWHERE}{RUNNING}{END}"

    found = TOOL.counts_of(console, 4)

    assert {("running", 1): (5, 3, 15)} == found


def test_repetitions_that_differ_decide_nothing() -> None:
    """One of two is not most."""
    with pytest.raises(Undecided, match="the repetitions differ"):
        TOOL.counts_of(RUNNING + ELSEWHERE + END, 4)


def test_interrupts_without_a_call_decide_nothing() -> None:
    """Somebody else flushes in this guest."""
    with pytest.raises(Undecided, match="interrupts where nothing is unmapped"):
        TOOL.counts_of("reached nothing 1 tlb 0 1 1 1 cal 0 1 1 1\n" + END, 4)


def test_a_flush_is_a_call_for_the_processor() -> None:
    """The two lines of the kernel contradict each other."""
    with pytest.raises(Undecided, match="flushes without an interrupt"):
        TOOL.counts_of("reached running 1 tlb 0 2 2 2 cal 0 2 1 2\n" + END, 4)


@pytest.mark.parametrize("console", [RUNNING, RUNNING + END.replace("4", "2")])
def test_a_guest_that_did_not_come_to_the_end_is_lost(console: str) -> None:
    """Or that had fewer processors than it was given."""
    with pytest.raises(LostGuest, match="did not come to the end"):
        TOOL.counts_of(console, 4)


def test_the_file_keeps_other_kernels(tmp_path, monkeypatch) -> None:
    """A kernel's counts take the place of its own, and name the command."""
    monkeypatch.setattr(TOOL, "COUNTS", tmp_path / "counts.json")
    reached = {(4, "running", 1): TOOL.Reach(5, 3, 15)}
    TOOL.write("6.12", "6.12.117", reached)
    TOOL.write("7.2", "7.2.13", reached)

    content = TOOL.json.loads(TOOL.COUNTS.read_text())

    assert ["6.12", "7.2"] == list(content)
    assert {
        "version": "7.2.13",
        "made_by": "python evidence/tools/reached_processors.py 7.2 --write",
        "counts": {"4": {"running": {"1": [5, 3, 15]}}},
    } == content["7.2"]
