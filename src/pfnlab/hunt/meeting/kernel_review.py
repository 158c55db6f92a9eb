"""Reviews a patch without a policy: the same questions to the kernel with it and without it, both judged.

A property is newly broken if a program violates it on the patched kernel and not on the other, twice. A
violation on both is the base's, and is only counted.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

import msgspec

from pfnlab.checker.judging.judge import violations
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.checker.review.grounds import ops_text
from pfnlab.checker.review.kernel_questions import CORE, STAGES, KernelQuestion, kernel_questions
from pfnlab.checker.review.parted import Difference, Parted
from pfnlab.checker.review.review_result import Broken, ChangedField, ReviewResult, ReviewStage
from pfnlab.checker.review.sequences import last_message
from pfnlab.checker.scopes.step_judges import no_warning
from pfnlab.hunt.meeting.holding import runs_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.runs.compare import comparable, spent_messages
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run, Step

#: The number of programs that both machines run before either is judged.
_BATCH = 48


class ReviewedMachine(NamedTuple):
    """One of the two machines.

    :param name: its name for people
    :param series: the kernel series whose known violations apply
    """

    name: str
    machine: Machine
    series: str


class _Answer(NamedTuple):
    """The judged run of a program on one machine; *first* has the first step of each violated property."""

    run: Run
    first: dict[str, int]

    @property
    def decided(self) -> bool:
        """False if the run ended for a reason that says nothing of the kernel."""
        return self.run.undecided is None and (self.run.lost is None or self.run.alarm is not None)


def kernel_review(
    base: ReviewedMachine,
    design: ReviewedMachine,
    *,
    seconds: float,
    questions: Iterable[KernelQuestion] | None = None,
    done: Callable[[int], None] = lambda programs: None,
) -> ReviewResult:
    """Run the questions on both machines, judge every run, and compare the verdicts.

    :param seconds: the time after which no new programs are started
    :param questions: the questions; all of :func:`kernel_questions` if None
    :param done: called with the number of programs that both have run since the last call
    """
    return _KernelReview(base, design).result(
        kernel_questions() if questions is None else questions, seconds, done
    )


class _KernelReview:
    def __init__(self, base: ReviewedMachine, design: ReviewedMachine) -> None:
        self._base, self._design = base, design
        self._broken: dict[str, tuple[KernelQuestion, float]] = {}
        self._repaired: dict[str, tuple[KernelQuestion, float]] = {}
        self._parted = Parted[Program]()
        self._differs = Counter[str]()
        self._begin = time.monotonic()

    def result(
        self, questions: Iterable[KernelQuestion], seconds: float, done: Callable[[int], None]
    ) -> ReviewResult:
        """The review, cut after *seconds*."""
        asked, schedules = Counter[int](), 0
        waiting = iter(questions)
        while self._seconds < seconds and (batch := list(islice(waiting, _BATCH))):
            for question, answers in zip(batch, self._asked([one.program for one in batch]), strict=True):
                asked[question.stage] += 1
                if self._compare(question, *answers):
                    schedules += question.form == "schedule"
                    self._parted.asked += min(len(answer.run.steps) for answer in answers)
            done(len(batch))
        planned = asked + Counter(question.stage for question in waiting)
        return self._parted.result(
            lambda program: ops_text(program.ops),
            PROPERTIES,
            design=self._design.name,
            base=self._base.name,
            broken=self._told(self._broken),
            repaired=self._told(self._repaired),
            bytes_per_vma=None,
            stages=tuple(
                ReviewStage(name, at < CORE, asked[at], planned[at]) for at, name in enumerate(STAGES)
            ),
            differs=dict(self._differs),
            schedules=schedules,
            seconds=self._seconds,
        )

    @property
    def _seconds(self) -> float:
        return round(time.monotonic() - self._begin, 3)

    def _asked(self, programs: Sequence[Program]) -> list[tuple[_Answer, _Answer]]:
        """The judged runs of each program on base and design."""
        both = [_answers(one, programs) for one in (self._base, self._design)]
        return list(zip(*both, strict=True))

    def _compare(self, question: KernelQuestion, base: _Answer, design: _Answer) -> bool:
        """Keep what differs; return False if one of the two gives no answer."""
        if not (base.decided and design.decided):
            reason = next(str(one.run.unfinished) for one in (base, design) if not one.decided)
            self._parted.add(Parted(unmodelled={reason: 1}))
            return False
        apart = _first_apart(base.run, design.run)
        newly = set(design.first) - set(base.first)
        gone = {name for name, step in base.first.items() if name not in design.first and step <= apart}
        sides = (newly - self._broken.keys(), self._broken), (gone - self._repaired.keys(), self._repaired)
        if any(names for names, _ in sides):
            base_again, design_again = self._asked([question.program])[0]
            at = self._seconds
            orders = (design_again, base_again), (base_again, design_again)
            for (names, kept), (violating, other) in zip(sides, orders, strict=True):
                if other.decided:
                    again = violating.first.keys() - other.first.keys()
                    kept.update((name, (question, at)) for name in names & again)
        self._parted.add(Parted(both=dict.fromkeys(base.first.keys() & design.first.keys(), 1)))
        self._differ(question, base.run, design.run, judged=bool(newly or gone))
        return True

    def _differ(self, question: KernelQuestion, base: Run, design: Run, *, judged: bool) -> None:
        """Keep the first step's difference, and what its operations cost."""
        program = question.program
        spent = spent_messages((base, design))
        for at, (one, other) in enumerate(zip(base.steps, design.steps, strict=False)):
            word = "end" if at >= len(program.ops) else str(type(program.ops[at].call).__struct_config__.tag)
            if one.flushes is not None and other.flushes is not None and one.result == other.result:
                self._parted.cost(("flushes", word), one.flushes, other.flushes, program)
            found = None if judged else _difference(word, one, other, spent)
            if found is not None:
                self._parted.change(found, program)
            if found is not None or one.result != other.result:
                self._differs[question.where] += 1
                return

    def _told(self, found: dict[str, tuple[KernelQuestion, float]]) -> tuple[Broken, ...]:
        return tuple(
            Broken(
                *(name, question.form, one.happens, one.noticed, question.where, at),
                text=program_text(_titled(question.program, name, self._design.name)),
            )
            for name, one in PROPERTIES.items()
            if name in found
            for question, at in (found[name],)
        )


def _answers(one: ReviewedMachine, programs: Sequence[Program]) -> list[_Answer]:
    """The judged runs of programs; a program that lost its guest without an alarm is run again."""
    runs = runs_of(one.machine, programs)
    return [_judged(program, run, one.series) for program, run in zip(programs, runs, strict=True)]


def _judged(program: Program, run: Run, series: str) -> _Answer:
    first: dict[str, int] = {}
    for violation in violations(program, run, series):
        first.setdefault(violation.name, violation.step)
    if run.alarm is not None:
        first.setdefault(no_warning.name, len(run.steps))
    return _Answer(run, first)


def _first_apart(base: Run, design: Run) -> int:
    """The first step at which one performed what the other refused; beyond it they are not comparable."""
    for at, (one, other) in enumerate(zip(base.steps, design.steps, strict=False)):
        results = {one.result, other.result}
        # An errno is in capitals; "waits" and "held" are no refusals.
        if "ok" in results and any(map(str.isupper, results)):
            return at
    return max(len(base.steps), len(design.steps)) + 1


def _difference(word: str, base: Step, design: Step, spent: frozenset[str]) -> Difference | None:
    """The first field in which two steps differ without a violation, or None.

    :param spent: once-per-boot messages that one of the kernels had printed before
    """
    pairs: tuple[tuple[ChangedField, str, str], ...] = (
        ("result", _result(base), _result(design)),
        ("log", _last(base, spent), _last(design, spent)),
        ("book", _book(base), _book(design)),
        ("entries", _entries(base), _entries(design)),
    )
    return next(((word, field, one, other) for field, one, other in pairs if one != other), None)


def _last(step: Step, spent: frozenset[str]) -> str:
    return last_message(comparable(step, "log", spent))


def _result(step: Step) -> str:
    return step.result if step.value is None else f"{step.result} {step.value}"


def _book(step: Step) -> str:
    return ", ".join(map(str, step.book or ()))


def _entries(step: Step) -> str:
    return ", ".join(f"{one.task} {one.area}[{one.start}:{one.end}] {one.entry}" for one in step.ptes or ())


def _titled(program: Program, name: str, machine: str) -> Program:
    asks = f"Which step violates {name}?"
    return msgspec.structs.replace(program, title=f"{name} on {machine}", asks=asks)
