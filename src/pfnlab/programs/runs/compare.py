"""Compare what machines observed, and check a program's expectations.

Runs are equal if and only if every comparable field of every step is equal. Only three
things are not comparable:

1. a field that the machine's channel cannot observe (None in ``vmas``, ``ptes``, ``flushes``, ``events``),
   and events for which one of the machines has no function (``unobserved``);
2. a kernel message that is printed once per boot, if one of the machines had printed it before;
3. steps after a machine was lost or could not decide. The verdict is then undecided, unless earlier steps
   differ, or the kernel itself reported why it was lost: an alarm is a fact.

A WARN is an alarm if another machine did not log it, because then no rule explains it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.result import Count, Text
from pfnlab.kernel.policies.profiles import exact
from pfnlab.kernel.policies.releases import is_series, series_key, series_of, version_key
from pfnlab.programs.lang.ops import Expect, Program
from pfnlab.programs.runs.alarm import Alarm, warning_line
from pfnlab.programs.runs.kmsg import once_message
from pfnlab.programs.runs.observation import BookEntry, Run, Step

#: The fields of a step that are compared, in the order in which they are reported.
FIELDS = (
    *("result", "value", "log", "levels", "book", "vmas"),
    *("tracked", "prots", "direct_map", "ptes", "flushes", "events"),
)

_ARE = f"fields of observations are {', '.join(FIELDS)}"

#: The fields that are None if the machine cannot observe them; in any other field, None is a value.
CHANNEL_FIELDS = frozenset(FIELDS) - {"result", "value", "log"}


def fields_named(names: Sequence[str]) -> tuple[str, ...]:
    """The fields called *names*, in the order in which they are reported.

    :raises Misuse: if a name is not a field, or there are no names
    """
    wrong = [name for name in names if name not in FIELDS]
    if wrong or not names:
        raise Misuse(f"{f'there is no field {wrong[0]!r}' if wrong else 'no field is named'}: {_ARE}")
    return tuple(field for field in FIELDS if field in names)


def fields_listed(text: str) -> tuple[str, ...]:
    """The fields in a comma-separated list, e.g. ``result,book``.

    :raises Misuse: if a name is not a field, or there are no names
    """
    return fields_named([name.strip() for name in text.split(",") if name.strip()])


class SeenValue(msgspec.Struct, frozen=True):
    """The value that one machine observed in a field.

    :param machine: the machine
    :param value: the field in the machine's step; also null if the machine could not observe it
    """

    machine: Text
    value: Annotated[Any, Meta(extra_json_schema={"type": ["array", "integer", "string", "null"]})]


class Difference(msgspec.Struct, frozen=True):
    """One field in one step in which machines differ.

    :param step: the index of the step, counted from 0
    :param op: the step's operation as a program line
    :param field: the field in the step
    :param values: the value for every machine that got this far
    """

    step: Count
    op: Text
    field: Annotated[str, Meta(extra_json_schema={"enum": list(FIELDS)})]
    values: Annotated[tuple[SeenValue, ...], Meta(extra_json_schema={"minItems": 2})]


_Series = Annotated[str, Meta(extra_json_schema={"pattern": r"^\d+\.\d+"})]


class Expectation(msgspec.Struct, frozen=True):
    """An ``expect`` line compared with a machine; ``left`` and ``holds`` are null if the end is unknown.

    A line about a property is left open here (``holds`` is null) for :mod:`pfnlab.checker.judging` to decide.

    :param machine: the machine that the line was compared with
    :param series: the series of that machine's kernel
    :param first: the first series or version to which the line applies
    :param last: the last series or version to which it applies; null if it applies to all
        later versions of the series
    :param leaked: the entries that must be left in the book; empty for ``nothing left``
    :param left: the entries that were left; null if the end was not observed
    :param holds: true if the two are equal, or if the property was never violated; null if
        the end was not observed
    :param keeps: the property that no step may violate, instead of entries; empty for a line about entries
    """

    machine: Text
    series: _Series
    first: _Series
    last: _Series | None
    leaked: tuple[BookEntry, ...]
    left: tuple[BookEntry, ...] | None
    holds: bool | None
    keeps: str

    @classmethod
    def of(cls, run: Run, series: str, expect: Expect) -> Expectation:
        """The line *expect* compared with *run*, on a kernel in *series*."""
        left = run.steps[-1].book if run.steps and run.steps[-1].op == "end" else None
        leaked = tuple(BookEntry(*leak.span.parts, leak.mode) for leak in expect.leaked)
        holds = None if left is None or expect.keeps else left == leaked
        return cls(run.machine, series, expect.first, expect.last, leaked, left, holds, expect.keeps)


def differences(runs: Sequence[Run], fields: Sequence[str] = FIELDS) -> list[Difference]:
    """All differences in *fields* between *runs* of one program, ordered by step.

    :raises Defect: if the runs are of different programs, or one is short without a reason
    """
    if (said := mismatch(runs)) is not None:
        raise Defect(said)
    runs = common_events(runs)
    spent = spent_messages(runs)
    found = []
    for index in range(max((len(run.steps) for run in runs), default=0)):
        present = [(run.machine, run.steps[index]) for run in runs if index < len(run.steps)]
        for field in fields:
            if _differ([step for _, step in present], field, spent):
                values = tuple(SeenValue(machine, getattr(step, field)) for machine, step in present)
                found.append(Difference(index, present[0][1].op, field, values))
    return found


def common_events(runs: Sequence[Run]) -> Sequence[Run]:
    """*runs* without the events that any of the machines cannot observe."""
    unobserved = frozenset[str]().union(*(run.unobserved for run in runs))

    def seen(step: Step) -> Step:
        if step.events is None:
            return step
        events = (event for event in step.events if event.partition(" ")[0] not in unobserved)
        return replace(step, events=tuple(events))

    return [replace(run, steps=tuple(map(seen, run.steps))) for run in runs] if unobserved else runs


def comparable(step: Step, field: str, spent: frozenset[str] = frozenset()) -> Any:
    """The part of a field that can be compared on every machine.

    :param spent: once-per-boot messages that some machine had printed before
    """
    value = getattr(step, field)
    if field not in ("log", "levels") or value is None or not spent:
        return value
    if len(value) != len(step.log):
        return None
    lines = zip(step.log, value, strict=True)
    return tuple(part for line, part in lines if once_message(line) not in spent)


def spent_messages(runs: Sequence[Run]) -> frozenset[str]:
    """The once-per-boot messages that any of the machines had printed before."""
    return frozenset(once_message(line) or line for run in runs for line in run.once)


def expectations(program: Program, run: Run, series: str | None) -> list[Expectation]:
    """The program's ``expect`` lines that apply to a kernel in *series*, compared with *run*.

    :param series: the series of the machine, real or modelled; None if unknown, in which case no line applies
    """
    if series is None:
        return []
    return [Expectation.of(run, series, expect) for expect in speaking_of(program, series)]


def expectation_failures(program: Program, run: Run, series: str | None) -> list[Expectation]:
    """The results of :func:`expectations` that do not hold; none for a run that did not reach its end."""
    return [expectation for expectation in expectations(program, run, series) if expectation.holds is False]


def speaking_of(program: Program, version: str) -> list[Expect]:
    """The ``expect`` lines in *program* for a kernel: those naming its version, or else
    those naming its series.

    :param version: the version; a series stands for its machine's version
    """
    covering = [expect for expect in program.expects if covers(expect, version)]
    return [expect for expect in covering if not is_series(expect.first)] or covering


def covers(expect: Expect, version: str) -> bool:
    """Return whether an ``expect`` line's range includes *version*, or its series."""
    series = series_of(version)
    if is_series(expect.first):
        last = expect.last or series
        return series_key(expect.first) <= series_key(series) <= series_key(last)
    if series_of(expect.first) != series:
        return False
    key = version_key(exact(version))
    return version_key(expect.first) <= key and (expect.last is None or key <= version_key(expect.last))


def alarms(runs: Sequence[Run]) -> tuple[tuple[str, Alarm], ...]:
    """The machines that raised alarms, each with its first."""
    found = ((run.machine, alarm_of(run, runs)) for run in runs)
    return tuple((machine, alarm) for machine, alarm in found if alarm is not None)


def alarm_of(run: Run, runs: Sequence[Run]) -> Alarm | None:
    """The first alarm of *run*: its own, or a WARN that another of *runs* lacks."""
    return run.alarm or _unexplained_warning(run, runs)


# The first WARN that is more frequent in its step's log than in another machine's.
def _unexplained_warning(run: Run, runs: Sequence[Run]) -> Alarm | None:
    spent = spent_messages(runs)
    for alarm in run.warnings:
        step = alarm.step
        if step is None or step >= len(run.steps):
            continue
        line = warning_line(alarm)
        count = comparable(run.steps[step], "log", spent).count(line)
        others = [other.steps[step] for other in runs if step < len(other.steps)]
        if any(comparable(other, "log", spent).count(line) < count for other in others):
            return alarm
    return None


# True if the machines that can observe a field disagree about it.
def _differ(steps: Sequence[Step], field: str, spent: frozenset[str]) -> bool:
    if field == "levels" and _differ(steps, "log", spent):
        # Levels mean nothing if the lines differ.
        return False
    values = [comparable(step, field, spent) for step in steps]
    if field in CHANNEL_FIELDS:
        values = [value for value in values if value is not None]
    return any(value != values[0] for value in values[1:])


def mismatch(runs: Sequence[Run]) -> str | None:
    """The reason why *runs* cannot be of one program; None if they are, or may be, as far as they got."""
    whole = {len(run.steps) for run in runs if run.unfinished is None}
    if len(whole) > 1:
        counts = ", ".join(f"{run.machine} {len(run.steps)}" for run in runs)
        return f"machines report different numbers of steps without a reason: {counts}"
    for index, steps in enumerate(zip_longest(*(run.steps for run in runs))):
        named = Counter(step.op for step in steps if step is not None)
        if len(named) > 1:
            return f"step {index} is not the same operation on every machine: {', '.join(named)}"
    return None
