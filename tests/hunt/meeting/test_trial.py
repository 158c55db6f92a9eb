"""A trial: a kernel that is a model of other rules differs from the model it should be like."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
import pytest

from pfnlab.base.errors import LostGuest, Misuse
from pfnlab.base.result import Outcome
from pfnlab.checker.review.grounds import KINDS
from pfnlab.checker.review.review import ReviewPiece, review
from pfnlab.discussions import lookup
from pfnlab.discussions.changed_claims import ClaimComparison
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.step_parts import flushes
from pfnlab.hunt.meeting import holding
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.trial import TrialResult, try_kernel
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.mail import mail
from pfnlab.present.document.meeting_part import trial_part
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

LITMUS = {
    "middle": load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"
        "a = mmap bar[0:16] wc shared rw populate\nmunmap a[4:8]\nmunmap a\n"
    )
}


class Kernel:
    """Does what the model of *spec* says."""

    def __init__(self, spec: str) -> None:
        self.model = ModelMachine(spec)
        self.asked = 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        self.asked += len(programs)
        return [self.answer(run) for run in self.model.run(programs)]

    def answer(self, run: Run) -> Run:
        """The model's."""
        return run


class Dead(Kernel):
    """A kernel that panics before anything is asked."""

    def answer(self, run: Run) -> Run:
        """No step."""
        return msgspec.structs.replace(run, steps=(), lost="no hello within 60 s")


class Moody(Kernel):
    """A kernel with a flush too many in the second program it runs."""

    def answer(self, run: Run) -> Run:
        """The model's but for that."""
        if self.asked != 2:
            return run
        first = msgspec.structs.replace(run.steps[0], flushes=99)
        return msgspec.structs.replace(run, steps=(first, *run.steps[1:]))


def tried(kernel: Kernel, *policies: str, random: int = 1, claims: bool = False) -> TrialResult:
    """The trial of *kernel* as 7.2, with as few random programs as there can be."""
    programs = Programs(LITMUS, random)
    return try_kernel(
        *(kernel, "7.2", programs),
        tree="linux",
        built="7.2.13 of linux",
        policies=policies,
        claims=claims,
    )


@pytest.fixture(autouse=True)
def few_walkers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests are about the cells of the walkers' table."""
    monkeypatch.setattr(holding, "walker_programs", dict)


def page(trial: TrialResult) -> str:
    """The report."""
    return mail(document_of([trial_part(trial)]))


def test_a_kernel_that_is_like_it() -> None:
    """Equal: 0, with what was compared."""
    trial = tried(Kernel("7.2"))

    assert Outcome.AS_EXPECTED is trial.outcome
    assert "# linux against model:7.2\n\nlinux against model:7.2: No difference in " in page(trial)
    assert "    random " in page(trial) and "- kernel: 7.2.13 of linux" in page(trial)


def test_a_kernel_that_leaves_out_a_flush() -> None:
    """Differs: 1; one cause, two operations, and the change of the model that does the same."""
    trial = tried(Kernel("7.2,flush=none"), random=12)

    (cause,) = trial.causes
    said = page(trial)
    assert Outcome.DISCOVERY is trial.outcome
    assert 2 == len(load_text(cause.differences[0].program).ops)
    assert "1 cause of " in said and "### 1. m" in said
    assert "- explained by flush=none" in said
    assert "- qemu:kernel: " in said


def test_what_a_policy_describes() -> None:
    """The kernel is equal to the model with it, and the report says what the policy changes."""
    trial = tried(Kernel("7.2,tracker=vm_pat"), "tracker=vm_pat")
    said = page(trial)

    assert Outcome.AS_EXPECTED is trial.outcome
    assert "# linux against model:7.2,tracker=vm_pat" in said
    assert "## Changes by tracker=vm_pat" in said
    assert "## Properties whose verdict changes\n\n- " in said
    assert trial.meant and trial.verdicts


def test_the_review_of_a_policy_comes_first() -> None:
    """Before anything that kernel and model do, with its verdict; a report of the JSON has it too."""
    reviewed = review(
        ModelMachine("7.2"),
        ModelMachine("7.2,flush=end_vma"),
        seconds=240,
        pieces=[ReviewPiece(1, len(KINDS))],
    )
    trial = tried(Kernel("7.2,flush=end_vma"), "flush=end_vma")
    told = msgspec.structs.replace(trial, review=reviewed)

    again = " ".join(page_of_json(told).split())

    title, verdict = (
        "The review of flush=end_vma",
        "nothing is newly broken; other flushes, other needless",
    )
    assert 0 < again.index(title) < again.index(verdict) < again.index("Changes by flush=end_vma")
    assert title not in page(trial)
    assert Outcome.AS_EXPECTED is told.outcome


def page_of_json(trial: TrialResult) -> str:
    """The report that is made of the JSON of a trial."""
    return mail(document_of([part_of(result_of(json.loads(trial.as_json())))]))


def test_a_policy_at_one_place() -> None:
    """As a machine's name has it, in a patch or after --policy."""
    place = "walker.folio_walk_start=early_refusal"

    trial = tried(Kernel(f"7.2,{place}"), place)

    assert Outcome.AS_EXPECTED is trial.outcome
    assert f"# linux against model:7.2,{place}" in page(trial)


def test_the_same_as_data() -> None:
    """A report is made of it, and says the same."""
    trial = tried(Kernel("7.2,tracker=vm_pat"), "tracker=vm_pat")
    said = json.loads(trial.as_json())

    part = part_of(result_of(said))

    assert (Outcome.AS_EXPECTED, True) == (part.outcome, part.says.endswith(trial.says))
    assert len(trial.meant) == len(said["meant"]) and list(trial.verdicts) == said["verdicts"]


def test_a_patch_that_is_not_what_it_says() -> None:
    """The stock kernel differs from the model with the policy."""
    trial = tried(Kernel("7.2"), "flush=none")

    assert Outcome.DISCOVERY is trial.outcome
    assert "## Differences from model:7.2,flush=none" in page(trial)


def test_claims_that_change_are_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the words, the answer on which the claim rests, and that of this kernel."""
    shown = StepQuestion("7.2", ["a = mmap bar[0:4] wc shared rw", "read a[0]", "munmap a"], flushes, "2")
    claim = Claim("So it is.", "", "So.", ClaimStatus.CONFIRMED, asks=[shown])
    said = [AuthorClaims(Message("A test", "today", "A. Nobody", "tester"), [claim])]
    monkeypatch.setattr(lookup, "discussions", lambda: (Discussion("009", "a test", "", said),))

    first, second = (page(tried(Kernel(model), claims=True)) for model in ("7.2,flush=none", "7.2"))

    chapters = [line for line in first.splitlines() if line.startswith("## ")]
    assert "## Claims whose answer changes" == chapters[0]
    assert (
        "- 009.1, A. Nobody: “So it is.”\n  - munmap a: expected flushes: 2\n  - observed flushes: 1\n"
        in first
    )
    assert "## Claims whose answer changes\n\n- none of 1 claim\n" in second


def test_claims_without_an_answer_are_counted() -> None:
    """The rules of the model end, or the kernel lacks something: a claim that was not asked did not hold."""
    trial = msgspec.structs.replace(
        tried(Kernel("7.2")), claims=ClaimComparison(asked=3, undecided=2, changed=())
    )

    assert "- none of 3 claims\n\n2 programs undecided: " in page(trial)


def test_claims_are_asked_only_where_somebody_wants_it() -> None:
    """Then the report does not speak of them."""
    trial = tried(Kernel("7.2"))

    assert trial.claims is None
    assert "Claims" not in page(trial)


def test_a_kernel_that_does_not_come_up() -> None:
    """It is said so, and nothing more is asked of it."""
    kernel = Dead("7.2")

    with pytest.raises(LostGuest, match="the kernel does not come up: no hello within 60 s"):
        tried(kernel)

    assert 1 == kernel.asked


def test_what_did_not_show_again_decides_nothing() -> None:
    """125, which skips a commit."""
    trial = tried(Moody("7.2"))

    assert Outcome.UNDECIDED is trial.outcome
    assert "Undecided: 1 difference in " in page(trial) and "## Differences that did not recur" in page(trial)


def test_an_unknown_policy() -> None:
    """It is misuse before anything runs."""
    kernel = Kernel("7.2")

    with pytest.raises(Misuse):
        tried(kernel, "flush=nowhere")

    assert 0 == kernel.asked
