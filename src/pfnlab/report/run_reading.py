"""What ``run --json`` printed, read back: the program, its runs and the verdict."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.errors import ProgramError, Why
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Expect, Leaked, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import (
    FIELDS,
    Difference,
    Expectation,
    MachineAlarm,
    SeenValue,
    Verdict,
)
from pfnlab.programs.runs.observation import BookEntry, Reason, Run
from pfnlab.programs.runs.violation import Violation
from pfnlab.report.step_json import BookItem, StepItem, step_of
from pfnlab.result import Made


class ProgramItem(msgspec.Struct, frozen=True):
    """The program; results of earlier versions have no text."""

    name: str
    hash: str
    text: str = ""


class ViolationItem(msgspec.Struct, frozen=True):
    """A property that a machine breaks."""

    property: str
    step: int
    op: str
    says: str
    known: str | None = None


class MachineItem(msgspec.Struct, frozen=True):
    """One machine's run."""

    machine: str
    kernel: str
    lost: str | None
    steps: tuple[StepItem, ...]
    alarm: Alarm | None
    violations: tuple[ViolationItem, ...]
    undecided: str | None = None


class ValueItem(msgspec.Struct, frozen=True):
    """What one machine saw."""

    machine: str
    value: Any


class DifferenceItem(msgspec.Struct, frozen=True):
    """A field of a step in which machines differ."""

    step: Annotated[int, Meta(ge=0)]
    op: str
    field: str
    values: tuple[ValueItem, ...]


class ExpectationItem(msgspec.Struct, frozen=True):
    """An ``expect`` line that was held against a machine."""

    machine: str
    series: str
    first: str
    last: str | None
    leaked: tuple[BookItem, ...]
    left: tuple[BookItem, ...] | None
    holds: bool | None


class RunContent(msgspec.Struct, frozen=True):
    """One program's runs, as printed."""

    program: ProgramItem
    machines: Annotated[tuple[MachineItem, ...], Meta(min_length=1)]
    agree: bool
    differences: tuple[DifferenceItem, ...]
    expectations: tuple[ExpectationItem, ...]
    made: Made = Made("", None)
    compared: tuple[str, ...] = FIELDS


def program_in(content: RunContent) -> Program | None:
    """The program; None where the result has no text, or one that this version does not read."""
    try:
        return load_text(content.program.text) if content.program.text else None
    except ProgramError:
        return None


def runs_in(content: RunContent) -> list[Run]:
    """The runs; what is not printed, as how the machine was looked at, has its default."""
    return [
        Run(
            machine=item.machine,
            kernel=item.kernel,
            steps=tuple(map(step_of, item.steps)),
            lost=Reason.read(item.lost, Why.GUEST),
            undecided=Reason.read(item.undecided),
            alarm=item.alarm,
        )
        for item in content.machines
    ]


def verdict_in(content: RunContent) -> Verdict:
    """The verdict that was printed; nothing is compared anew."""
    return Verdict(
        differences=tuple(
            Difference(
                item.step, item.op, item.field, tuple(SeenValue(v.machine, v.value) for v in item.values)
            )
            for item in content.differences
        ),
        expectations=tuple(map(_expectation, content.expectations)),
        groups=_groups(content),
        lost=tuple(item.machine for item in content.machines if item.lost is not None),
        undecided=tuple(item.machine for item in content.machines if item.undecided is not None),
        alarms=tuple(
            MachineAlarm(item.machine, item.alarm) for item in content.machines if item.alarm is not None
        ),
        violations=tuple(
            Violation(item.machine, broken.property, broken.step, broken.op, broken.says, broken.known or "")
            for item in content.machines
            for broken in item.violations
        ),
        compared=content.compared,
    )


def _groups(content: RunContent) -> tuple[tuple[str, ...], ...]:
    """Machines that saw the same wherever any two differ."""
    groups: dict[str, list[str]] = {}
    for place, machine in enumerate(content.machines):
        seen = [
            item.values[place].value if place < len(item.values) else None for item in content.differences
        ]
        groups.setdefault(repr(seen), []).append(machine.machine)
    return tuple(map(tuple, groups.values()))


def _expectation(item: ExpectationItem) -> Expectation:
    leaked = tuple(Leaked(Span(entry.device, entry.start, entry.end), entry.mode) for entry in item.leaked)
    left = None if item.left is None else tuple(map(_entry, item.left))
    return Expectation(item.machine, item.series, Expect(item.first, item.last, leaked), left)


def _entry(item: BookItem) -> BookEntry:
    return BookEntry(Span(item.device, item.start, item.end), item.mode)
