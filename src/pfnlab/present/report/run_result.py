"""The result of one program: its runs, the verdict, and both in one word and one line.

Every format prints these results; none decides anew what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from pfnlab.base.result import Outcome
from pfnlab.present.report.verdict import About, statements
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import first_alarm
from pfnlab.programs.runs.cells import ROWS
from pfnlab.programs.runs.compare import Verdict
from pfnlab.programs.runs.observation import Run


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


#: The subject of the statement that says why.
_REASONS = {
    RunStatus.ALARM: About.ALARM,
    RunStatus.UNEXPECTED: About.UNEXPECTED,
    RunStatus.VIOLATES: About.VIOLATES,
    RunStatus.LOST: About.LOST,
    RunStatus.UNDECIDED: About.UNDECIDED,
}


class RunResult(msgspec.Struct, frozen=True):
    """The runs of one program on all machines.

    :param name: what the program is called in the output, as no other of it is
    """

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
            return (
                f"{' | '.join(', '.join(group) for group in self.verdict.groups)}; {self._first_difference}"
            )
        about = _REASONS.get(self.status)
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
    """The runs of all programs that were run together.

    :param of_programs: in the order of the programs
    """

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
