"""The result of one program: its runs, the verdict, and both in one word and one line.

Every format prints these results and the statements on them; none decides anew what they mean.
"""

import textwrap
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import groupby
from typing import Literal, NamedTuple

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import first_alarm, when
from pfnlab.programs.runs.cells import ROWS
from pfnlab.programs.runs.compare import Expectation, MachineAlarm, Verdict
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation

#: Of a line: ``bad`` for a failed expectation, an alarm or no end, ``lit`` for a difference.
Tone = Literal["", "lit", "bad"]
#: As wide as a statement may be that is not to be wrapped.
_UNWRAPPED = 1 << 20


class About(Enum):
    """The subject of a statement; the value is how its line begins."""

    COMPARED = "compared: "
    DIFFER = "differ: "
    AGREE = "agree: "
    EXPECTED = "as expected, "
    UNEXPECTED = "not as expected, "
    VIOLATES = "violates "
    ALARM = "alarm: "
    LOST = "lost: "
    UNDECIDED = "undecided: "
    #: More of the statement before it: a step that differs.
    STEP = "  "
    #: Likewise: a line of a kernel's log, which is not wrapped.
    LOG = "    "
    KERNEL = ""


class Statement(NamedTuple):
    """One statement of a verdict."""

    about: About
    says: str
    tone: Tone = ""

    @property
    def line(self) -> str:
        """The statement in one line, without breaks that are in it."""
        return next(iter(_wrapped(f"{self.about.value}{self.says}", _UNWRAPPED)), "")

    @property
    def rest(self) -> str:
        """As :attr:`line`, without the words that it begins with."""
        return next(iter(_wrapped(self.says, _UNWRAPPED)), "")


class VerdictLine(NamedTuple):
    """One line and its tone."""

    text: str
    tone: Tone = ""


def verdict_lines(runs: Sequence[Run], verdict: Verdict, width: int = 100) -> list[VerdictLine]:
    """The verdict, one statement a paragraph wrapped to *width*."""
    lines: list[VerdictLine] = []
    for statement in statements(runs, verdict):
        text = f"{statement.about.value}{statement.says}"
        wrapped = [text] if statement.about is About.LOG else _wrapped(text, max(width, 20))
        lines += [VerdictLine(line, statement.tone) for line in wrapped]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False)


def expect_text(expect: Expectation) -> str:
    """An ``expect`` line's content: ``6.1..6.12 leaked bar[0:8] wc``."""
    leaked = ", ".join(map(str, expect.leaked))
    series = expect.first if expect.first == expect.last else f"{expect.first}..{expect.last or ''}"
    return f"{series} {'leaked ' + leaked if leaked else 'nothing left'}"


def statements(runs: Sequence[Run], verdict: Verdict) -> Iterator[Statement]:
    """The statements on *runs*, in the order of a report."""
    if verdict.narrowed:
        yield Statement(About.COMPARED, verdict.narrowed)
    if verdict.differences:
        yield Statement(About.DIFFER, " | ".join(", ".join(group) for group in verdict.groups), "lit")
        for step, members in groupby(verdict.differences, key=lambda one: (one.step, one.op)):
            fields = ", ".join(difference.field for difference in members)
            yield Statement(About.STEP, f"step {step[0] + 1} {step[1]}: {fields}", "lit")
    elif len(runs) > 1 and verdict.agree:
        yield Statement(About.AGREE, ", ".join(run.machine for run in runs))
    yield from _expected(verdict.expectations)
    yield from _violations(verdict.violations)
    for item in verdict.alarms:
        yield from _alarm(item)
    for run in runs:
        reached = f"after step {len(run.steps)}" if run.steps else "before the first step"
        if run.lost is not None:
            yield Statement(About.LOST, f"{run.machine} {reached}: {run.lost}", "bad")
        elif run.undecided is not None:
            yield Statement(About.UNDECIDED, f"{run.machine} {reached}: {run.undecided}", "bad")
    for run in runs:
        yield Statement(About.KERNEL, f"{run.machine} is {run.kernel}")


def _violations(violations: Sequence[Violation]) -> Iterator[Statement]:
    # Machines that break the same properties for the same reason share a line; what nobody knows has its own.
    machines: dict[tuple[tuple[str, int], str, str, str], list[str]] = {}
    for violation in violations:
        broken = (violation.place, violation.op, violation.says, violation.known)
        machines.setdefault(broken, []).append(violation.machine)
    known: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for ((name, step), op, says, why), members in sorted(machines.items(), key=lambda item: item[0][0][1]):
        if why:
            known.setdefault((why, tuple(members)), {}).setdefault(name, []).append(str(step + 1))
            continue
        judged = all(member.startswith("model:") for member in members)
        yield Statement(
            About.VIOLATES,
            f"{name} in step {step + 1}, {op}: {', '.join(members)}: {says}; nobody knows why",
            "" if judged else "bad",
        )
    for (why, names), broken_in in known.items():
        places = ", ".join(
            f"{name} in step{'s' if len(steps) > 1 else ''} {', '.join(steps)}"
            for name, steps in broken_in.items()
        )
        yield Statement(About.VIOLATES, f"{places}: {', '.join(names)}: known, {why}")


def _alarm(item: MachineAlarm) -> Iterator[Statement]:
    says = f"{item.machine} {when(item.alarm)}: {item.alarm.kind}, {item.alarm.title}"
    yield Statement(About.ALARM, says, "bad")
    for line in item.alarm.log:
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
            says = f"{expect_text(expectation)}: {expectation.machine} leaves {left}"
            yield Statement(About.UNEXPECTED, says, "bad")


class RunStatus(Enum):
    """The result of a program in one word, by weight: where several are true, the first is said."""

    ALARM = "alarm"
    DIFFERS = "differs"
    UNEXPECTED = "not as expected"
    VIOLATES = "violates"
    LOST = "lost"
    UNDECIDED = "undecided"
    AGREES = "agrees"
    EXPECTED = "as expected"
    RAN = "ran"

    @property
    def is_good(self) -> bool:
        """True where there is nothing to look at."""
        return self in (RunStatus.AGREES, RunStatus.EXPECTED, RunStatus.RAN)


class RunResult(msgspec.Struct, frozen=True):
    """The runs of one program on all machines; *name* is that in the output, of this one alone."""

    name: str
    program: Program
    runs: tuple[Run, ...]
    verdict: Verdict

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines, as the user named them."""
        return tuple(run.machine for run in self.runs)

    @property
    def status(self) -> RunStatus:
        """The result in one word."""
        verdict = self.verdict
        # What a machine showed before its alarm is the smaller matter.
        if first_alarm(item.alarm for item in verdict.alarms) is not None:
            return RunStatus.ALARM
        if verdict.differences:
            return RunStatus.DIFFERS
        if verdict.alarms:
            return RunStatus.ALARM
        if any(expectation.holds is False for expectation in verdict.expectations):
            return RunStatus.UNEXPECTED
        if verdict.outcome is Outcome.DISCOVERY:
            return RunStatus.VIOLATES
        if verdict.unfinished:
            return RunStatus.LOST if verdict.lost else RunStatus.UNDECIDED
        if len(self.runs) > 1:
            return RunStatus.AGREES
        return RunStatus.EXPECTED if verdict.expectations else RunStatus.RAN

    @property
    def why(self) -> str:
        """The reason to look at it, in one line; empty where there is none."""
        if self.status is RunStatus.DIFFERS:
            groups = " | ".join(", ".join(group) for group in self.verdict.groups)
            return f"{groups}; {self._first_difference}"
        # The subject of the statement that says why.
        about = None if self.status.is_good else About[self.status.name]
        said = statements(self.runs, self.verdict)
        return next((statement.rest for statement in said if statement.about is about), "")

    @property
    def _first_difference(self) -> str:
        """The first step in which machines differ in what every table shows, else in anything."""
        found = self.verdict.differences
        first = next((one for one in found if one.field in ("result", *ROWS)), found[0])
        fields = [one.field for one in found if one.step == first.step]
        return f"step {first.step + 1} {first.op}: {', '.join(fields)}"


class RunResults(msgspec.Struct, frozen=True):
    """The runs of all programs that were run together."""

    of_programs: tuple[RunResult, ...]

    @property
    def outcome(self) -> Outcome:
        """A discovery before what is undecided."""
        return Outcome.of_all(result.verdict.outcome for result in self.of_programs)


def by_weight(results: Sequence[RunResult]) -> list[RunResult]:
    """Results by weight: alarms first, then those that differ, then others; alike in the order given."""
    order = list(RunStatus)
    return sorted(results, key=lambda result: order.index(result.status))


def asked(results: Sequence[RunResult]) -> str:
    """The machines, and the fields that were compared where they are not all."""
    machines = ", ".join(dict.fromkeys(machine for result in results for machine in result.machines))
    narrowed = next((result.verdict.narrowed for result in results if result.verdict.narrowed), "")
    return f"{machines} (compared: {narrowed})" if narrowed else machines


def counts(results: Sequence[RunResult]) -> str:
    """How many came to what: ``3 programs: 1 differs, 2 agree``."""
    found = [result.status for result in results]
    plural = {RunStatus.DIFFERS: "differ", RunStatus.VIOLATES: "violate", RunStatus.AGREES: "agree"}
    said = []
    for status in RunStatus:
        if number := found.count(status):
            said.append(f"{number} {plural.get(status, status.value) if number > 1 else status.value}")
    return f"{len(found)} program{'' if len(found) == 1 else 's'}: {', '.join(said)}"
