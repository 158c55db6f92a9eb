"""``pfnlab run --json``: one program's runs, as printed and read back; one line per program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.base.errors import ProgramError, Why
from pfnlab.base.result import ALWAYS, Made, Outcome, Result, Text
from pfnlab.present.report.run_result import RunResult
from pfnlab.programs.lang.load import load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import (
    FIELDS,
    Difference,
    Expectation,
    MachineAlarm,
    RunProgress,
    Verdict,
    mismatch,
)
from pfnlab.programs.runs.observation import Reason, Run, Step
from pfnlab.programs.runs.violation import Violation

#: A value in a difference is the value of a field in a step.
_AS_IN_STEPS = Meta(
    extra_json_schema={
        "allOf": [
            {
                "if": {"properties": {"field": {"const": field}}},
                "then": {"properties": {"values": {"items": {"properties": {"value": {"$ref": place}}}}}},
            }
            for field in FIELDS
            for place in (f"#/$defs/Step/properties/{field}",)
        ]
    }
)


class PrintedProgram(msgspec.Struct, frozen=True):
    """The program that was run.

    :param name: the name of its file, without the extension
    :param hash: a hash of its canonical form; comments and layout do not matter
    :param text: the program in canonical form
    """

    name: str
    hash: Text
    text: Annotated[Text, ALWAYS] = ""


class PrintedAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """A problem that the kernel reported about itself.

    :param kind: its kind, as listed in docs/alarms.md
    :param title: the kernel's own title, without addresses and numbers
    :param step: the index of the operation during which it appeared, from 0; null if it came
        before the first operation
    :param op: that operation
    :param log: the kernel's output, with the call trace
    """

    kind: Text
    title: Text
    step: Annotated[int | None, ALWAYS, Meta(extra_json_schema={"minimum": 0})] = None
    op: Annotated[str, ALWAYS] = ""
    log: Annotated[tuple[str, ...], ALWAYS] = ()


class PrintedViolation(msgspec.Struct, frozen=True):
    """A property that the machine violates in a step.

    :param property: its name, as used in ``pfnlab check --property``
    :param step: the index of the step, from 0
    :param op: the operation of that step
    :param says: what was observed, or, if there is no observation, what should hold
    :param known: the reason why kernels of this version do this; null if unknown
    """

    property: Text
    step: Annotated[int, Meta(extra_json_schema={"minimum": 0})]
    op: Text
    says: Text
    known: Annotated[str | None, ALWAYS] = None


class PrintedMachine(msgspec.Struct, frozen=True, kw_only=True):
    """One machine's run.

    :param machine: the machine as the user named it, e.g. ``qemu:6.1``
    :param kernel: package and version of a real kernel, or a model's profile
    :param lost: how the guest or its process was lost; ``steps`` has the observations made until then
    :param undecided: why the machine has no result although nothing was lost: the model has no rule,
        or a tool is missing
    :param steps: the observations after each operation, and at the end, when all tasks are gone
    :param alarm: the kernel's first alarm; null if there was none
    :param violations: the properties that this machine violates, judged without the others
    """

    machine: Text
    kernel: str
    lost: str | None
    undecided: Annotated[str | None, ALWAYS] = None
    steps: tuple[Step, ...]
    alarm: PrintedAlarm | None
    violations: tuple[PrintedViolation, ...]


class PrintedRun(Result, frozen=True, kw_only=True, tag="pfnlab-run/1"):
    """The runs of one program.

    :param program: the program that was run
    :param machines: each machine's run, in the order of ``--on``
    :param compared: which observation fields were compared: all, or those in ``--compare``
    :param agree: whether all machines reached the end with the same values in these fields after every step
    :param differences: the differences, in step order; empty if the machines agree
    :param expectations: every expect line in the program, compared with every machine in its series
    """

    program: PrintedProgram
    machines: Annotated[tuple[PrintedMachine, ...], Meta(min_length=1)]
    compared: Annotated[
        tuple[Annotated[str, Meta(extra_json_schema={"enum": list(FIELDS)})], ...],
        ALWAYS,
        Meta(extra_json_schema={"minItems": 1}),
    ] = FIELDS
    agree: bool
    differences: tuple[Annotated[Difference, _AS_IN_STEPS], ...]
    expectations: tuple[Expectation, ...]

    def __post_init__(self) -> None:
        """Raise ValueError if the machines' steps are not the same operations."""
        ran = [
            RunProgress(
                one.machine, [step.op for step in one.steps], one.lost is None and one.undecided is None
            )
            for one in self.machines
        ]
        if (said := mismatch(ran)) is not None:
            raise ValueError(said)

    @classmethod
    def of(cls, result: RunResult) -> PrintedRun:
        """Return a result in its printed form."""
        program, verdict = result.program, result.verdict
        return cls(
            made=Made.now(),
            program=PrintedProgram(result.name, program_hash(program), format_program(program)),
            machines=tuple(_machine(run, verdict) for run in result.runs),
            compared=verdict.compared,
            agree=verdict.agree,
            differences=verdict.differences,
            expectations=verdict.expectations,
        )

    @property
    def read_program(self) -> Program | None:
        """Return the program; None if the result has no text, or one that this version cannot read."""
        try:
            return load_text(self.program.text) if self.program.text else None
        except ProgramError:
            return None

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs; values that are not printed, e.g. how the machine was observed, have their defaults."""
        return tuple(map(_run, self.machines))

    @property
    def verdict(self) -> Verdict:
        """The printed verdict; nothing is compared again."""
        machines = self.machines
        return Verdict(
            differences=self.differences,
            expectations=self.expectations,
            groups=_groups(machines, self.differences),
            lost=tuple(one.machine for one in machines if one.lost is not None),
            undecided=tuple(one.machine for one in machines if one.undecided is not None),
            alarms=tuple(
                MachineAlarm(one.machine, Alarm(**_fields(one.alarm)))
                for one in machines
                if one.alarm is not None
            ),
            violations=tuple(
                Violation(one.machine, bad.property, bad.step, bad.op, bad.says, bad.known or "")
                for one in machines
                for bad in one.violations
            ),
            compared=self.compared,
        )

    @property
    def outcome(self) -> Outcome:
        """The verdict's outcome."""
        return self.verdict.outcome


def _machine(run: Run, verdict: Verdict) -> PrintedMachine:
    # A machine may be named twice.
    own = [item.alarm for item in verdict.alarms if item.machine == run.machine]
    alarm = next((alarm for alarm in own if alarm in (run.alarm, *run.warnings)), None)
    return PrintedMachine(
        machine=run.machine,
        kernel=run.kernel,
        lost=None if run.lost is None else run.lost.says,
        undecided=None if run.undecided is None else run.undecided.says,
        steps=run.steps,
        alarm=None if alarm is None else PrintedAlarm(**_fields(alarm)),
        violations=tuple(
            PrintedViolation(one.name, one.step, one.op, one.says, one.known or None)
            for one in verdict.violations
            if one.machine == run.machine
        ),
    )


def _run(printed: PrintedMachine) -> Run:
    return Run(
        machine=printed.machine,
        kernel=printed.kernel,
        steps=printed.steps,
        lost=Reason.read(printed.lost, Why.GUEST),
        undecided=Reason.read(printed.undecided),
        alarm=None if printed.alarm is None else Alarm(**_fields(printed.alarm)),
    )


def _fields(alarm: Alarm | PrintedAlarm) -> dict[str, Any]:
    return {name: getattr(alarm, name) for name in alarm.__struct_fields__}


def _groups(
    machines: Sequence[PrintedMachine], differences: Sequence[Difference]
) -> tuple[tuple[str, ...], ...]:
    """Group the machines that have the same values wherever any two machines differ."""
    groups: dict[str, list[str]] = {}
    for place, machine in enumerate(machines):
        seen = [one.values[place].value if place < len(one.values) else None for one in differences]
        groups.setdefault(repr(seen), []).append(machine.machine)
    return tuple(map(tuple, groups.values()))
