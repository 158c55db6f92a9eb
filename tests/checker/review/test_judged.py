"""Kernels that are judged after every operation: equal states once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from configurations import config_text
from ways_to_one_state import FIRST, LAST, MAP, MIDDLE, PROGRAM

from pfnlab.checker.review import judged as module
from pfnlab.checker.review.judged import JudgedKernel, JudgedState, KnownStates
from pfnlab.checker.review.review import ReviewPiece, review
from pfnlab.checker.review.tried_kernel import SteppedKernel
from pfnlab.programs.model.model_machine import ModelMachine


@pytest.fixture
def judgings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The facts of each state that a judge is asked about."""
    asked: list[tuple[str, ...]] = []
    judge: Callable[[JudgedKernel, tuple[str, ...]], JudgedState] = JudgedKernel._judge

    def noted(kernel: JudgedKernel, facts: tuple[str, ...]) -> JudgedState:
        asked.append(facts)
        return judge(kernel, facts)

    monkeypatch.setattr(JudgedKernel, "_judge", noted)
    return asked


def kernel_of(spec: str, known: KnownStates | None) -> JudgedKernel:
    return JudgedKernel(ModelMachine(spec), PROGRAM, known=known)


def test_equal_states_of_two_kernels_are_judged_once(judgings: list[tuple[str, ...]]) -> None:
    """Whichever came first."""
    known: KnownStates = {}
    first, second = kernel_of("7.3", known), kernel_of("7.3,flush=first_vma", known)

    one = [first.step(op) for op in (MAP, MIDDLE)]
    count = len(judgings)
    other = [second.step(op) for op in (MAP, MIDDLE)]

    assert 2 == count == len(judgings)
    assert [step.broken for step in one] == [step.broken for step in other]


def test_states_that_differ_in_a_fact_are_judged_apart(judgings: list[tuple[str, ...]]) -> None:
    """A fact is of the step, and later states do not show it."""
    kernel = kernel_of("6.1", {})
    steps = [kernel.step(op) for op in (MAP, MIDDLE, FIRST, LAST)]

    assert len(steps) == len(judgings)
    assert "freed_once" in steps[1].broken


def answers(design: str) -> object:
    """What a ground's sequences say, without the seconds."""
    piece, base = ReviewPiece(0, 1, doubles=True), ModelMachine(design.partition(",")[0])
    found = review(base, ModelMachine(design), seconds=240.0, pieces=(piece,))
    ways = [[(one.name, one.text) for one in ones] for ones in (found.broken, found.repaired)]
    return found.states, ways, found.same, found.costs, found.changes


@pytest.mark.parametrize(
    "design",
    [
        "7.3,tracker=vm_pat",
        pytest.param("7.3,flush=first_vma", marks=pytest.mark.target("long")),
        "6.1,config={}",
    ],
)
def test_what_is_remembered_changes_no_answer(design: str, tmp_path: Path) -> None:
    """A review says the same if each state is judged and each step runs anew."""
    file = tmp_path / "config"
    file.write_text(config_text("IO_STRICT_DEVMEM"), encoding="utf-8")
    design = design.format(file)
    remembered = answers(design)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SteppedKernel, "_known", lambda kernel, number: None)
        patch.setattr(
            JudgedKernel,
            "_judged",
            lambda kernel, facts: (module.state_of(kernel.kernel), kernel._judge(facts)),
        )

        assert answers(design) == remembered


def test_a_state_without_the_book_would_change_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """If states that differ counted as one."""
    right, freeze = answers("7.3,tracker=vm_pat"), module.freeze

    def without_book(*args: object, **options: bool) -> tuple[bytes, ...]:
        tasks, _, *others = freeze(*args, **options)  # type: ignore[arg-type]
        return (tasks, *others)

    monkeypatch.setattr(module, "freeze", without_book)

    assert answers("7.3,tracker=vm_pat") != right
