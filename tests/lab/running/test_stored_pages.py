"""The device pages that stores may have reached, as runs of a model tell them."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.lab.running.cleaning import stored_pages
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Step

HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 1 GiB\ndevice other: pci, 16 pages\n"
SHARED = "a = mmap bar[512:2048] driver fault_pmd wc shared rw\n"


def ran(lines: str) -> tuple[Program, tuple[Step, ...]]:
    """A program, and the steps of its run on the newest model."""
    program = load_text(HEAD + lines)
    (run,) = ModelMachine("7.3", LookLevel.MEMORY).run([program])
    assert run.undecided is None
    return program, run.steps


@pytest.mark.parametrize(
    ("lines", "pages"),
    [
        (SHARED + "read a[3]\n", {}),
        (SHARED + "write a[3] 7\nwrite a[1000] 7\n", {"bar": {515, 1512}}),
        (SHARED + "write a[3] 7\nmunmap a\nwrite a[4] 7\n", {"bar": {515}}),
        (SHARED + "write a[3] 7\nc = fork\nc: write a[9] 7\n", {"bar": {515, 521}}),
        ("a = mmap bar[0:16] wc private rw\nwrite a[1] 7\n", {"bar": {1}}),
    ],
    ids=["loads", "a leaf", "a hole", "a child", "a copy"],
)
def test_a_store_reaches_what_its_page_has_shown(lines: str, pages: dict[str, set[int]]) -> None:
    """A large entry shows each of its pages at its place; a store that fails reaches nothing."""
    assert pages == stored_pages(*ran(lines))


def test_a_frame_that_a_page_has_shown_before_counts() -> None:
    """A processor may still remember it."""
    program, steps = ran("a = mmap bar[0:16] wc shared rw\nread a[1]\nwrite a[1] 7\n")
    _, others = ran("a = mmap other[0:16] wc shared rw\nread a[1]\nwrite a[1] 7\n")

    assert {"bar": {1}, "other": {1}} == stored_pages(program, (*steps[:2], others[2]))


def test_a_run_with_threads_has_no_answer() -> None:
    """A thread has no entries of its own."""
    assert None is stored_pages(*ran("a = mmap bar[0:16] wc shared rw\nb = thread\nwrite a[1] 7\n"))


def test_a_step_without_the_entry_has_no_answer() -> None:
    """Nobody has looked, or the entry of a store that went well is not there."""
    program, steps = ran(SHARED + "write a[3] 7\n")
    unseen = msgspec.structs.replace(steps[1], ptes=None)
    hidden = msgspec.structs.replace(steps[1], ptes=())

    assert [None, None, None] == [
        stored_pages(program, told) for told in (steps[:1], (steps[0], unseen), (steps[0], hidden))
    ]
