"""The processors that a munmap interrupts on the model."""

from __future__ import annotations

import pytest
from litmus_files import litmus_file

from evidence.pages.reached import Reach, model_reach
from pfnlab.programs.lang.load import load_program, load_text


@pytest.mark.parametrize(
    ("flush", "reach"),
    [("end_vma", Reach(5, 7, 35)), ("gather_v4", Reach(2, 7, 14)), ("free_vmas", Reach(2, 7, 14))],
)
def test_every_flush_interrupts_every_other_processor(flush: str, reach: Reach) -> None:
    """A thread runs on each of eight; four mappings 8 MiB apart go."""
    program = load_program(litmus_file("flushes-far-pfn"))

    assert reach == model_reach(f"7.2,flush={flush}", program, 8)


def test_a_process_with_one_thread_interrupts_nobody() -> None:
    """Its own processor flushes without an interrupt."""
    assert Reach(0, 0, 0) == model_reach("7.2", load_program(litmus_file("flushes-far-pfn")), 1)


def test_another_process_is_not_interrupted() -> None:
    """It runs in an address space of its own."""
    lines = ["a = mmap bar[0:1] wc shared rw", "c = fork", "munmap a"]
    program = load_text("\n".join(["pfnlab program 1", "device bar: pci, 4 pages", "", *lines, ""]))

    assert Reach(2, 1, 2) == model_reach("7.2", program, 2)
