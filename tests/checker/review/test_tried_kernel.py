"""Kernels whose known steps are not run."""

from __future__ import annotations

import pytest
from for_each import for_each
from ways_to_one_state import FIRST, LAST, MAP, PROGRAM, READ

from pfnlab.checker.review.judged import JudgedKernel, StepVerdict
from pfnlab.checker.review.reviewed_models import ReviewedModels
from pfnlab.checker.review.tried_kernel import KnownSteps, SteppedKernel
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.model.model_machine import ModelMachine

NUMBERS = {id(op): number for number, op in enumerate(PROGRAM.ops)}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Op | None]:
    """The operations that kernels have judged."""
    done: list[Op | None] = []
    step = JudgedKernel.step

    def noted(kernel: JudgedKernel, op: Op | None) -> StepVerdict:
        done.append(op)
        return step(kernel, op)

    monkeypatch.setattr(JudgedKernel, "step", noted)
    return done


def tried(spec: str, shared: tuple[KnownSteps, frozenset[str]] | None = None) -> SteppedKernel:
    machine = ModelMachine(spec)
    return SteppedKernel(
        lambda: JudgedKernel(machine, PROGRAM, known={}), NUMBERS, {}, shared=shared, notes=True
    )


def on_its_own(spec: str, *ops: Op | None) -> StepVerdict:
    """The verdict on the last of *ops*, on a kernel that runs them all."""
    kernel = JudgedKernel(ModelMachine(spec), PROGRAM)
    return [kernel.step(op) for op in ops][-1]


@for_each("spec", ["6.1", "7.3", "7.3,flush=first_vma"])
def test_the_end_of_equal_states_runs_once(runs: list[Op | None], spec: str) -> None:
    """Two orders leave the same, and their end is that of kernels that ran one of them."""
    runs.clear()
    kernel, ends = tried(spec), []
    kernel.branch()
    for ops in ((MAP, FIRST, LAST), (MAP, LAST, FIRST)):
        for op in ops:
            kernel.step(op)
        ends.append(kernel.step(None))
        kernel.go_back()

    assert 1 == runs.count(None)
    assert ends[0] is ends[1]
    assert on_its_own(spec, MAP, FIRST, LAST, None) == on_its_own(spec, MAP, LAST, FIRST, None) == ends[0]


def test_a_kernel_catches_up_with_known_steps(runs: list[Op | None]) -> None:
    """An unknown step runs from the state that known ones lead to, and its branches return to theirs."""
    first = tried("7.3")
    for op in (MAP, FIRST):
        first.step(op)
    kernel = SteppedKernel(
        lambda: JudgedKernel(ModelMachine("7.3"), PROGRAM, known={}), NUMBERS, first.steps, first.begin
    )
    runs.clear()

    kernel.branch()
    kernel.step(MAP)
    kernel.branch()
    kernel.step(FIRST)
    unknown = kernel.step(LAST)
    kernel.go_back()
    sibling = kernel.step(LAST)

    assert [LAST, LAST] == runs
    assert on_its_own("7.3", MAP, FIRST, LAST) == unknown
    assert on_its_own("7.3", MAP, LAST) == sibling


def test_steps_that_use_no_other_policy_are_those_of_the_base(runs: list[Op | None]) -> None:
    """A read flushes nothing, so it runs on the base alone."""
    apart = ReviewedModels(ModelMachine("7.3"), ModelMachine("7.3,flush=first_vma")).steps_apart
    assert apart is not None
    base = tried("7.3")
    for op in (MAP, READ, FIRST):
        base.step(op)
    design = tried("7.3,flush=first_vma", (base.steps, apart))
    runs.clear()

    verdicts = [design.step(op) for op in (MAP, READ, FIRST)]

    assert [FIRST] == runs
    assert on_its_own("7.3,flush=first_vma", MAP, READ, FIRST) == verdicts[-1]
