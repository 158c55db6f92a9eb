"""Claims whose answer changes on a kernel: which are asked, and what is no change."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from kernels_of_models import Kernel

from pfnlab.discussions import lookup
from pfnlab.discussions.changed_claims import ClaimComparison, ask_claims
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.evidence import StepEvidence
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.step_parts import StepPart, book, flushes
from pfnlab.hunt.meeting.holding import Pair
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

LINES = ("a = mmap bar[0:4] wc shared rw", "read a[0]", "munmap a")

#: A step of a program that comes with pfnlab: three mappings, one munmap.
NEIGHBOURS = StepEvidence("unmapping/munmap-neighbours", ["7.2"], "munmap a[0:6]", flushes, "2")


def shows(part: StepPart, expected: str, machine: str = "7.2") -> StepQuestion:
    """A question to a model."""
    return StepQuestion(machine, LINES, part, expected)


def asked(
    monkeypatch: pytest.MonkeyPatch,
    kernel: Machine,
    *questions: StepQuestion | StepEvidence,
    like: str = "7.2",
) -> ClaimComparison:
    """The claims that *kernel* changes, one a question."""
    claims = [
        Claim(
            *("So.", "", "So.", ClaimStatus.CONFIRMED),
            asks=[question] if isinstance(question, StepQuestion) else [],
            kernels=[question] if isinstance(question, StepEvidence) else [],
        )
        for question in questions
    ]
    said = [AuthorClaims(Message("A test", "today", "A. Nobody", "tester"), claims)]
    monkeypatch.setattr(lookup, "discussions", lambda: (Discussion("009", "a test", "", said),))
    return ask_claims(Pair({f"model:{like}": ModelMachine(like), "qemu:tried": kernel}).runs, like)


class Odd(Kernel):
    """Does otherwise than its model, in a way of its own."""

    def __init__(self, **changes: object) -> None:
        super().__init__("7.2")
        self._changes = changes
        self.times = 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        self.times += 1
        return [msgspec.structs.replace(run, **self._changes) for run in super().run(programs)]


def test_a_stock_kernel_changes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every claim was asked."""
    found = asked(monkeypatch, Kernel("7.2"), shows(flushes, "2"), NEIGHBOURS)

    assert ClaimComparison(asked=2, undecided=0, changed=()) == found


def test_a_claim_that_changes_is_named_with_both_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Program and operation, the answer it rests on, and what the kernel shows."""
    found = asked(monkeypatch, Kernel("7.2,flush=none"), shows(flushes, "2"), shows(book, "empty"))

    (changed,) = found.changed
    assert ("009.1", "munmap a", "flushes: 2", "flushes: 1") == (
        changed.number,
        changed.op,
        changed.expected,
        changed.observed,
    )
    assert changed.program.endswith("\n\na = mmap bar[0:4] wc shared rw\nread a[0]\nmunmap a\n")


def test_a_step_of_a_golden_is_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the series that the kernel should be like."""
    found = asked(monkeypatch, Kernel("7.2,flush=end_vma"), NEIGHBOURS)

    (changed,) = found.changed
    assert ("munmap a[0:6]", "flushes: 2", "flushes: 4") == (changed.op, changed.expected, changed.observed)


@pytest.mark.parametrize("other", [shows(flushes, "2", "7.2,flush=end_vma"), shows(flushes, "2", "6.1")])
def test_only_what_a_stock_kernel_of_the_series_shows_is_asked(
    monkeypatch: pytest.MonkeyPatch, other: StepQuestion
) -> None:
    """Not what a design shows, nor another series."""
    assert ClaimComparison(asked=0, undecided=0, changed=()) == asked(
        monkeypatch, Kernel("7.2,flush=none"), other
    )


def test_what_the_stock_kernel_shows_otherwise_now_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration makes the model answer otherwise: the patch did not."""
    assert () == asked(monkeypatch, Kernel("7.2,flush=none"), shows(flushes, "7")).changed


def test_what_a_kernel_cannot_show_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flushes that its channel does not see."""

    class Blind(Kernel):
        def run(self, programs: Sequence[Program]) -> list[Run]:
            return [
                msgspec.structs.replace(
                    run, steps=tuple(msgspec.structs.replace(step, flushes=None) for step in run.steps)
                )
                for run in super().run(programs)
            ]

    assert () == asked(monkeypatch, Blind("7.2"), shows(flushes, "2")).changed


def test_a_lost_run_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is counted."""
    lost = Odd(steps=(), lost="the guest ended")

    assert ClaimComparison(asked=1, undecided=1, changed=()) == asked(monkeypatch, lost, shows(flushes, "2"))


def test_what_does_not_show_again_is_no_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change is seen twice."""

    class Once(Odd):
        def run(self, programs: Sequence[Program]) -> list[Run]:
            runs = super().run(programs)
            return ModelMachine("7.2,flush=none").run(programs) if self.times == 1 else runs

    assert () == asked(monkeypatch, Once(), shows(flushes, "2")).changed
