"""The last lines of a report: agreement, expectations, alarms, machines without an end, and the kernels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from pfnlab.programs.lang.ops import Expect
from pfnlab.programs.runs.alarm import when
from pfnlab.programs.runs.compare import Expectation, MachineAlarm, Verdict
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation


class VerdictLine(NamedTuple):
    """One line and its tone: ``bad`` for a failed expectation, an alarm or no end, ``lit`` for a difference.

    :param whole: it is not wrapped, as lines of a kernel's log are not
    """

    text: str
    tone: Literal["", "lit", "bad"] = ""
    whole: bool = False


def verdict_lines(runs: Sequence[Run], verdict: Verdict, width: int = 100) -> list[VerdictLine]:
    """The verdict, one statement a paragraph wrapped to *width*."""
    lines: list[VerdictLine] = []
    for line in _statements(runs, verdict):
        if line.whole:
            lines.append(line)
            continue
        wrapped = textwrap.wrap(
            line.text, max(width, 20), subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
        )
        lines += [VerdictLine(text, line.tone) for text in wrapped]
    return lines


def expect_text(expect: Expect) -> str:
    """An ``expect`` line's content: ``6.1..6.12 leaked bar[0:8] wc``."""
    leaked = ", ".join(f"{leak.span} {leak.mode}" for leak in expect.leaked)
    series = expect.first if expect.first == expect.last else f"{expect.first}..{expect.last or ''}"
    return f"{series} {'leaked ' + leaked if leaked else 'nothing left'}"


def _statements(runs: Sequence[Run], verdict: Verdict) -> Iterator[VerdictLine]:
    if verdict.narrowed:
        yield VerdictLine(f"compared: {verdict.narrowed}")
    if verdict.differences:
        yield VerdictLine(f"differ: {' | '.join(', '.join(group) for group in verdict.groups)}", "lit")
        for step, members in groupby(
            verdict.differences, key=lambda difference: (difference.step, difference.op)
        ):
            yield VerdictLine(
                f"  step {step[0] + 1} {step[1]}: {', '.join(difference.field for difference in members)}",
                "lit",
            )
    elif len(runs) > 1 and verdict.agree:
        yield VerdictLine(f"agree: {', '.join(run.machine for run in runs)}")
    yield from _expected(verdict.expectations)
    yield from _violations(verdict.violations)
    for item in verdict.alarms:
        yield from _alarm(item)
    for run in runs:
        if run.unfinished is not None:
            word, _, reason = run.unfinished.partition(": ")
            reached = f"after step {len(run.steps)}" if run.steps else "before the first step"
            yield VerdictLine(f"{word}: {run.machine} {reached}: {reason}", "bad")
    for run in runs:
        yield VerdictLine(f"{run.machine} is {run.kernel}")


def _violations(violations: Sequence[Violation]) -> Iterator[VerdictLine]:
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
        yield VerdictLine(
            f"violates {name} in step {step + 1}, {op}: {', '.join(members)}: {says}; nobody knows why",
            "" if judged else "bad",
        )
    for (why, names), broken_in in known.items():
        places = ", ".join(
            f"{name} in step{'s' if len(steps) > 1 else ''} {', '.join(steps)}"
            for name, steps in broken_in.items()
        )
        yield VerdictLine(f"violates {places}: {', '.join(names)}: known, {why}")


def _alarm(item: MachineAlarm) -> Iterator[VerdictLine]:
    yield VerdictLine(
        f"alarm: {item.machine} {when(item.alarm)}: {item.alarm.kind}, {item.alarm.title}", "bad"
    )
    for line in item.alarm.log:
        yield VerdictLine(f"    {line}", whole=True)


def _expected(expectations: Sequence[Expectation]) -> Iterator[VerdictLine]:
    machines_by_expect: dict[Expect, list[str]] = {}
    for expectation in expectations:
        if expectation.holds:
            machines_by_expect.setdefault(expectation.expect, []).append(expectation.machine)
    for expect, machines in machines_by_expect.items():
        yield VerdictLine(f"as expected, {expect_text(expect)}: {', '.join(machines)}")
    for expectation in expectations:
        if expectation.holds is False:
            left = ", ".join(map(str, expectation.left or ())) or "nothing"
            yield VerdictLine(
                f"not as expected, {expect_text(expectation.expect)}: {expectation.machine} leaves {left}",
                "bad",
            )
