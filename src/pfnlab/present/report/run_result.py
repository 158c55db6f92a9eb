"""One program's result: its runs, the verdict, and both summarized in one word and one line.

All formats print these results and statements; none of them judges again.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.base.units import number_of
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.checker.scopes.state_judges import no_leak
from pfnlab.present.report.known_reasons import ExplainedReasons, shown_words
from pfnlab.programs.runs.alarm import Alarm, first_alarm, when
from pfnlab.programs.runs.cells import ROWS
from pfnlab.programs.runs.compare import Expectation
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.unjudged import Unjudged, unjudged_steps
from pfnlab.programs.runs.violation import Violation

#: The tone of a line: ``bad`` for a failed expectation, alarm or incomplete run, ``lit`` for a difference.
Tone = Literal["", "lit", "bad"]
#: The fields visible to a user of the kernel: their differences are listed, others are counted.
SHOWN = ("result", *ROWS)


class About(Enum):
    """The subject of a statement; the value is how its line begins."""

    COMPARED = "compared: "
    DIFFER = "differ: "
    INSIDE = "differ inside: "
    AGREE = "agree: "
    LEAK = "LEAK: "
    VIOLATES = "VIOLATION: "
    CLEAN = "no leak, no violation: "
    SHOWS = "known bug "
    UNJUDGED = "not judged in "
    EXPECTED = "as expected, "
    UNEXPECTED = "not as expected, "
    ALARM = "alarm: "
    LOST = "lost: "
    UNDECIDED = "undecided: "
    #: A continuation of the statement before it: a step that differs.
    STEP = "  "
    #: Also a continuation: a kernel log line, which is not wrapped.
    LOG = "    "
    KERNEL = ""


class Statement(NamedTuple):
    """One statement in a verdict."""

    about: About
    says: str
    tone: Tone = ""

    @property
    def line(self) -> str:
        """The statement as one line, without the line breaks in it."""
        return " ".join(f"{self.about.value}{self.says}".split())

    @property
    def rest(self) -> str:
        """The same as :attr:`line`, without the first words."""
        return " ".join(self.says.split())


def expect_text(expect: Expectation) -> str:
    """Return the content of an ``expect`` line: ``6.1..6.12 leaked bar[0:8] wc``."""
    if expect.keeps:
        result = f"keeps {expect.keeps}"
    else:
        result = f"leaked {', '.join(map(str, expect.leaked))}" if expect.leaked else "nothing left"
    series = expect.first if expect.first == expect.last else f"{expect.first}..{expect.last or ''}"
    return f"{series} {result}"


def statements(result: RunResult, fields: Sequence[str] = SHOWN) -> Iterator[Statement]:
    """Yield the statements about *result*, in the order of a report.

    :param fields: the fields whose differences are listed step by step; other differences are only counted
    """
    runs, violations = result.runs, result.violations
    if result.narrowed:
        yield Statement(About.COMPARED, result.narrowed)
    yield from _differences(result, fields)
    if len(runs) > 1 and result.agree:
        yield Statement(About.AGREE, ", ".join(run.machine for run in runs))
    leaked = {run.machine: left for run in runs if (left := leaked_at_end(run, result))}
    reasons = ExplainedReasons(runs)
    yield from _leaks(leaked, violations, reasons)
    yield from _violations(
        [one for one in violations if one.name != no_leak.name or one.machine not in leaked], reasons
    )
    for machine, alarm in result.alarms:
        yield from _alarm(machine, alarm)
    for run in runs:
        reached = f"after step {len(run.steps)}" if run.steps else "before the first step"
        if run.lost is not None:
            yield Statement(About.LOST, f"{run.machine} {reached}: {run.lost}", "bad")
        elif run.undecided is not None:
            yield Statement(About.UNDECIDED, f"{run.machine} {reached}: {run.undecided}", "bad")
    if clean := [run.machine for run in runs if _is_clean(run, result)]:
        yield Statement(About.CLEAN, ", ".join(clean))
    yield from _shown(result)
    yield from _unjudged(runs)
    yield from _expected(result.expectations)
    for run in runs:
        yield Statement(About.KERNEL, f"{run.machine} is {run.kernel}")


def _differences(result: RunResult, fields: Sequence[str]) -> Iterator[Statement]:
    groups = " | ".join(", ".join(group) for group in result.groups)
    shown = [difference for difference in result.differences if difference.field in fields]
    inside = [difference for difference in result.differences if difference.field not in fields]
    if shown:
        yield Statement(About.DIFFER, groups, "lit")
        for step, members in groupby(shown, key=lambda one: (one.step, one.op)):
            names = ", ".join(difference.field for difference in members)
            yield Statement(About.STEP, f"step {step[0] + 1} {step[1]}: {names}", "lit")
    if inside:
        names = ", ".join(sorted({difference.field for difference in inside}))
        steps = number_of(len({difference.step for difference in inside}), "step")
        says = f"{number_of(len(inside), 'difference')} in {steps} ({names})"
        yield Statement(About.INSIDE, says if shown else f"{groups}: {says}")


def leaked_at_end(run: Run, result: RunResult) -> tuple[str, ...]:
    """Return the reservations that remain after all tasks are gone but should not."""
    if not run.steps or run.steps[-1].op != "end":
        return ()
    leaks = any(one.name == no_leak.name for one in run.violations)
    left = any(one.machine == run.machine and one.left and not one.keeps for one in result.expectations)
    return tuple(map(str, run.steps[-1].book or ())) if leaks or left else ()


def _leaks(
    leaked: Mapping[str, tuple[str, ...]], violations: Sequence[Violation], reasons: ExplainedReasons
) -> Iterator[Statement]:
    # Machines that leak the same for the same reason share a line.
    machines: dict[tuple[tuple[str, ...], str | None], list[str]] = {}
    for machine, left in leaked.items():
        known = (one.known for one in violations if (one.machine, one.name) == (machine, no_leak.name))
        machines.setdefault((left, next(filter(None, known), None)), []).append(machine)
    for (left, why), names in machines.items():
        says = f"{', '.join(left)} still reserved, but no longer mapped: {', '.join(names)}"
        yield Statement(About.LEAK, f"{says}{reasons.words(why, names)}", "bad")


def _violations(violations: Sequence[Violation], reasons: ExplainedReasons) -> Iterator[Statement]:
    # Machines with the same violation for the same reason share a line; one without a known reason has its
    # own.
    machines: dict[Violation, list[str]] = {}
    for one in violations:
        machines.setdefault(msgspec.structs.replace(one, machine=""), []).append(one.machine)
    known: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    for one, members in sorted(machines.items(), key=lambda item: item[0].step):
        name, says, why = one.name, one.says, one.known
        declared = PROPERTIES.get(name)
        happens, asks = (declared.happens, declared.asks) if declared is not None else (says, says)
        if why:
            known.setdefault((f"{happens} ({name})", why, tuple(members)), []).append(one.step + 1)
            continue
        judged = all(member.startswith("model:") for member in members)
        seen = "" if says in (happens, asks) else f": {says}"
        predicted = one.predicted and not judged
        unknown = "the model does it too; no reason on file" if predicted else "reason unknown"
        text = f"{happens} ({name}), in step {one.step + 1}, {one.op}: {', '.join(members)}{seen}; {unknown}"
        yield Statement(About.VIOLATES, text, "" if judged else "bad")
    for (happens, why, names), steps in known.items():
        says = f"{happens}, in {_steps(steps)}: {', '.join(names)}{reasons.words(why, names)}"
        yield Statement(About.VIOLATES, says)


def _is_clean(run: Run, result: RunResult) -> bool:
    """Return True if a run reached its end without any problem."""
    # A remaining entry may belong to a driver, so nothing is reported then.
    if run.unfinished is not None or not run.steps or run.steps[-1].book:
        return False
    return not run.violations and run.machine not in dict(result.alarms)


def _shown(result: RunResult) -> Iterator[Statement]:
    machines: dict[str, list[str]] = {}
    for run in result.runs:
        for number in run.bugs:
            machines.setdefault(shown_words(number, run), []).append(run.machine)
    for words, names in machines.items():
        yield Statement(About.SHOWS, f"{words}: {', '.join(names)}")


def _unjudged(runs: Sequence[Run]) -> Iterator[Statement]:
    # Machines with the same steps for the same reason share a line.
    machines: dict[tuple[Unjudged, tuple[int, ...]], list[str]] = {}
    for run in runs:
        reasons = unjudged_steps(run) if run.unfinished is None else []
        for reason in dict.fromkeys(filter(None, reasons)):
            steps = tuple(number for number, found in enumerate(reasons, 1) if found is reason)
            machines.setdefault((reason, steps), []).append(run.machine)
    for (reason, steps), names in machines.items():
        yield Statement(About.UNJUDGED, f"{_steps(steps)}: {', '.join(names)}; {reason.value}")


def _steps(numbers: Sequence[int]) -> str:
    """The numbers of steps: ``step 3``, or ``steps 2, 3``."""
    return f"step{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _alarm(machine: str, alarm: Alarm) -> Iterator[Statement]:
    yield Statement(About.ALARM, f"{machine} {when(alarm)}: {alarm.kind}, {alarm.title}", "bad")
    for line in alarm.log:
        yield Statement(About.LOG, line)


def _expected(expectations: Sequence[Expectation]) -> Iterator[Statement]:
    machines_by_expect: dict[str, list[str]] = {}
    for expectation in expectations:
        if expectation.holds:
            machines_by_expect.setdefault(expect_text(expectation), []).append(expectation.machine)
    for expect, machines in machines_by_expect.items():
        yield Statement(About.EXPECTED, f"{expect}: {', '.join(machines)}")
    for expectation in expectations:
        if expectation.holds is False:
            left = ", ".join(map(str, expectation.left or ())) or "nothing"
            found = "violates it" if expectation.keeps else f"leaves {left}"
            says = f"{expect_text(expectation)}: {expectation.machine} {found}"
            yield Statement(About.UNEXPECTED, says, "bad")


class RunStatus(Enum):
    """A program's result in one word; if several apply, the most severe."""

    ALARM = "alarm"
    DIFFERS = "differs"
    UNEXPECTED = "not as expected"
    VIOLATES = "violates"
    LOST = "lost"
    UNDECIDED = "undecided"
    INSIDE = "differs inside"
    AGREES = "agrees"
    EXPECTED = "as expected"
    RAN = "ran"

    @property
    def is_good(self) -> bool:
        """True if there is nothing to review."""
        return self in (RunStatus.AGREES, RunStatus.EXPECTED, RunStatus.RAN)


def status_of(result: RunResult) -> RunStatus:
    """The result in one word."""
    # A machine's observations before its alarm matter less than the alarm.
    if first_alarm(alarm for _, alarm in result.alarms) is not None:
        return RunStatus.ALARM
    if any(one.field in SHOWN for one in result.differences):
        return RunStatus.DIFFERS
    if result.alarms:
        return RunStatus.ALARM
    if any(expectation.holds is False for expectation in result.expectations):
        return RunStatus.UNEXPECTED
    if any(violation.unknown for violation in result.violations):
        return RunStatus.VIOLATES
    if result.unfinished:
        return RunStatus.LOST if result.lost else RunStatus.UNDECIDED
    if result.differences:
        return RunStatus.INSIDE
    if len(result.runs) > 1:
        return RunStatus.AGREES
    return RunStatus.EXPECTED if result.expectations else RunStatus.RAN


def why_of(result: RunResult) -> str:
    """The reason to review *result*, in one line; empty if there is none."""
    status = status_of(result)
    if status is RunStatus.DIFFERS:
        groups = " | ".join(", ".join(group) for group in result.groups)
        return f"{groups}; {_first_difference(result)}"
    # The subject of the statement that gives the reason.
    about = None if status.is_good else About[status.name]
    return next((statement.rest for statement in statements(result) if statement.about is about), "")


def _first_difference(result: RunResult) -> str:
    """Return the first step at which machines differ in something that a user can see."""
    found = [one for one in result.differences if one.field in SHOWN]
    fields = [one.field for one in found if one.step == found[0].step]
    return f"step {found[0].step + 1} {found[0].op}: {', '.join(fields)}"


class RunResults(msgspec.Struct, frozen=True):
    """The runs of all programs that were run together."""

    of_programs: tuple[RunResult, ...]

    @property
    def outcome(self) -> Outcome:
        """A discovery takes precedence over an undecided result."""
        return Outcome.of_all(result.outcome for result in self.of_programs)


def by_weight(results: Sequence[RunResult]) -> list[RunResult]:
    """Return results by severity: alarms first, then differences, then others; ties in the given order."""
    order = list(RunStatus)
    return sorted(results, key=lambda result: order.index(status_of(result)))


def compared_machines(results: Sequence[RunResult]) -> str:
    """Return the machines, and the fields that were compared if not all were."""
    machines = ", ".join(dict.fromkeys(machine for result in results for machine in result.machines))
    narrowed = next((result.narrowed for result in results if result.narrowed), "")
    return f"{machines} (compared: {narrowed})" if narrowed else machines


def counts(results: Sequence[RunResult]) -> str:
    """Return how many programs have each status: ``3 programs: 1 differs, 2 agree``."""
    found = list(map(status_of, results))
    plural = {
        RunStatus.DIFFERS: "differ",
        RunStatus.INSIDE: "differ inside",
        RunStatus.VIOLATES: "violate",
        RunStatus.AGREES: "agree",
    }
    said = []
    for status in RunStatus:
        if number := found.count(status):
            said.append(f"{number} {plural.get(status, status.value) if number > 1 else status.value}")
    return f"{len(found)} program{'' if len(found) == 1 else 's'}: {', '.join(said)}"
