"""Two kernels answer the questions of a review: what only the second violates, twice, is newly broken."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import msgspec
import pytest

from pfnlab.base.result import Outcome
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.review.kernel_questions import KernelQuestion, kernel_questions
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.hunt.meeting.kernel_review import ReviewedMachine, kernel_review
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run

STALE = KernelQuestion(
    1,
    load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"
        "a = mmap bar[0:4] driver remap wc shared rw\nt = thread\ns = thread\ns: read a[0]\n"
        "hold flush_tlb_mm_range: munmap a\nt: unmap_mapping_range bar[0:4]\ns: read a[0]\nrelease\n"
    ),
    "a driver's remap",
    "schedule",
)
PLAIN = KernelQuestion(
    0,
    load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"
        "a = mmap bar[0:4] wc shared rw\nmunmap a[1:2]\nmunmap a\n"
    ),
    "a PCI file",
)

_ONCE = "cgroup: fork rejected by pids controller in /t"


class Kernel:
    """Does what a model says; *changed* gets each run and the number of runs before it."""

    def __init__(self, spec: str) -> None:
        self.model, self.runs = ModelMachine(spec), 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        found = []
        for run in self.model.run(programs):
            found.append(self.changed(run, self.runs))
            self.runs += 1
        return found

    def changed(self, run: Run, before: int) -> Run:
        """The model's."""
        return run


def reviewed(
    base: str | Kernel, design: str | Kernel, *questions: KernelQuestion, seconds: float = 60
) -> ReviewResult:
    """The review of these questions."""
    machines = [Kernel(one) if isinstance(one, str) else one for one in (base, design)]
    first, second = (ReviewedMachine(one.model.spec, one, "7.2") for one in machines)
    return kernel_review(first, second, seconds=seconds, questions=questions)


def test_a_lost_flush_is_newly_broken() -> None:
    """With the program, which violates the property there and not on the base."""
    result = reviewed("7.2", "7.2,flush=none", PLAIN, STALE)

    assert (Outcome.DISCOVERY, ["told_free"]) == (result.outcome, [one.name for one in result.broken])
    program = load_text(result.broken[0].text or "")
    broken = [
        {one.name for one in violations(program, ModelMachine(spec).run([program])[0], "7.2")}
        for spec in ("7.2", "7.2,flush=none")
    ]
    assert ["told_free" in names for names in broken] == [False, True]


def test_the_other_way_round_it_is_repaired() -> None:
    """And nothing is broken."""
    result = reviewed("7.2,flush=none", "7.2", STALE)

    assert ((), ["told_free"]) == (result.broken, [one.name for one in result.repaired])


def test_a_kernel_against_itself_has_no_difference() -> None:
    """Also where it violates a property: that is the base's."""
    result = reviewed("7.2,flush=none", "7.2,flush=none", PLAIN, STALE)

    assert (True, ["told_free"]) == (result.is_unchanged, [one.name for one in result.same])


def test_other_flushes_are_a_cost() -> None:
    """By operation, with its program."""
    result = reviewed("7.2", "7.2,flush=end_vma", PLAIN)

    assert ("clean", {"munmap"}) == (result.verdict, {one.operation for one in result.costs})


def test_other_results_are_a_change() -> None:
    """A tracker that unmaps no part refuses the second operation, and breaks nothing."""
    result = reviewed("7.2", "7.2,tracker=no_partial", PLAIN)

    assert ("clean", [("munmap", "result", "ok")]) == (
        result.verdict,
        [(one.operation, one.field, one.base) for one in result.changes][:1],
    )


class Once(Kernel):
    """Violates the property in its first run only."""

    def changed(self, run: Run, before: int) -> Run:
        """The model's, then the stock model's."""
        return run if not before else ModelMachine("7.2").run([STALE.program])[0]


def test_what_does_not_recur_accuses_nobody() -> None:
    """The program is run again on both."""
    assert "clean" == reviewed("7.2", Once("7.2,flush=none"), STALE).verdict


class Lost(Kernel):
    """Loses every guest, *alarm* or not."""

    alarm: Alarm | None = None

    def changed(self, run: Run, before: int) -> Run:
        """Nothing after the first step."""
        return msgspec.structs.replace(run, steps=run.steps[:1], lost="the guest is gone", alarm=self.alarm)


class Oops(Lost):
    """Its guest prints an alarm first."""

    alarm = Alarm("BUG", "BUG: unable to handle page fault", log=())


def test_a_guest_lost_without_a_word_is_left_out() -> None:
    """It says nothing of the patch."""
    result = reviewed("7.2", Lost("7.2"), PLAIN)

    assert ((), 1) == (result.broken, sum(result.left_out.values()))


def test_an_alarm_is_newly_broken() -> None:
    """Although the run has no step to judge."""
    assert ["no_warning"] == [one.name for one in reviewed("7.2", Oops("7.2"), PLAIN).broken]


class Later(Kernel):
    """Has printed a message before, which it prints once a boot."""

    spent = True

    def changed(self, run: Run, before: int) -> Run:
        """The model's, with the message if it is the first."""
        if self.spent:
            return msgspec.structs.replace(run, once=(_ONCE,))
        steps = (msgspec.structs.replace(run.steps[0], log=(_ONCE,), levels=("info",)), *run.steps[1:])
        return msgspec.structs.replace(run, steps=steps)


class First(Later):
    """Prints it in this program."""

    spent = False


def test_a_message_of_once_a_boot_is_no_change() -> None:
    """A kernel that ran other programs before lacks it; one that never prints it has changed."""
    assert () == reviewed(First("7.2"), Later("7.2"), PLAIN).changes
    assert ["log"] == [one.field for one in reviewed(First("7.2"), "7.2", PLAIN).changes]


def test_no_time_decides_nothing() -> None:
    """The core was cut."""
    assert Outcome.UNDECIDED is reviewed("7.2", "7.2", PLAIN, seconds=0).outcome


@pytest.mark.parametrize("stage", range(3))
def test_every_core_stage_has_questions_that_models_answer(stage: int) -> None:
    """Two of each, on the newest model."""
    asked = list(islice((one for one in kernel_questions() if one.stage == stage), 2))
    runs = ModelMachine("7.3").run([one.program for one in asked])

    assert [None, None] == [run.lost for run in runs]
