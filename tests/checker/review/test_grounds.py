"""The lines of a ground's operations."""

from __future__ import annotations

from pfnlab.checker.review.grounds import ops_text
from pfnlab.programs.lang.load import load_text


def test_a_task_is_named_once() -> None:
    """As the lines are written in a program."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\nc = fork\nc: a = mmap bar[0:4] wc shared rw\n"
    )

    assert "c = fork\nc: a = mmap bar[0:4] wc shared rw" == ops_text(program.ops)
