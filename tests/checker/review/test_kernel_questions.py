"""Questions to kernels: every stage has some, each program stands alone, and the plainest come first."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from pfnlab.checker.review.kernel_questions import CORE, STAGES, KernelQuestion, kernel_questions
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.problems import program_text

_FEW = 2400


@pytest.fixture(scope="module")
def questions() -> list[KernelQuestion]:
    """The first questions, with all of the core."""
    return list(islice(kernel_questions(), _FEW))


def test_the_core_is_small_enough_for_minutes(questions: list[KernelQuestion]) -> None:
    """All of it lies in the first two thousand programs."""
    stages = [one.stage for one in questions]

    assert sorted(stages) == stages
    assert CORE in stages and max(stages) < len(STAGES)


def test_every_program_can_be_read_again(questions: list[KernelQuestion]) -> None:
    """It is what a report shows."""
    for one in questions[::40]:
        assert one.program.ops == load_text(program_text(one.program)).ops


def test_schedules_hold_an_operation(questions: list[KernelQuestion]) -> None:
    """And sequences none."""
    held = Counter((one.form, any(op.hold is not None for op in one.program.ops)) for one in questions)

    assert {("sequence", False), ("schedule", True)} == set(held)


def test_no_program_is_asked_twice(questions: list[KernelQuestion]) -> None:
    """Within the core."""
    texts = [program_text(one.program) for one in questions if one.stage < CORE]

    assert len(set(texts)) == len(texts)


def test_a_mapping_that_is_flushed_in_its_middle_is_held_at_the_next_flush_too(
    questions: list[KernelQuestion],
) -> None:
    """Those of counted pages, one of which was written; no other mapping."""
    second = {
        one.where
        for one in questions
        if any(op.hold is not None and op.hold.nth == 2 for op in one.program.ops)
    }

    assert {"a mixed map, alone", "counted pages and frames, alone"} == second
