"""The result of one program: its runs, compared; as ``run --json`` prints it, and as it is read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Annotated, Any, Self, get_type_hints

import msgspec
from msgspec import UNSET, Meta, field
from msgspec.structs import replace

from pfnlab.base.errors import ProgramError
from pfnlab.base.result import ALWAYS, UNPRINTED, Made, Outcome, Result, Text
from pfnlab.programs.lang.load import load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import (
    CHANNEL_FIELDS,
    FIELDS,
    Difference,
    Expectation,
    alarm_of,
    alarms,
    differences,
    expectations,
    mismatch,
)
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation

#: A value in a difference is the value of a field in a step.
_AS_IN_STEPS = Meta(
    extra_json_schema={
        "allOf": [
            {
                "if": {"properties": {"field": {"const": name}}},
                "then": {"properties": {"values": {"items": {"properties": {"value": {"$ref": place}}}}}},
            }
            for name in FIELDS
            for place in (f"#/$defs/Step/properties/{name}",)
        ]
    }
)


class ProgramText(msgspec.Struct, frozen=True, dict=True):
    """The program that was run.

    :param name: the name of its file, without the extension
    :param hash: a hash of its canonical form; comments and layout do not matter
    :param text: the program in canonical form
    """

    name: str
    hash: Text
    text: Annotated[Text, ALWAYS] = ""

    @classmethod
    def of(cls, name: str, program: Program) -> Self:
        """The text of *program*."""
        made = cls(name, program_hash(program), format_program(program))
        made.__dict__["program"] = program
        return made

    @cached_property
    def program(self) -> Program | None:
        """The program; None if there is no text, or one that this version cannot read."""
        try:
            return load_text(self.text) if self.text else None
        except ProgramError:
            return None


class RunResult(Result, frozen=True, kw_only=True, tag="pfnlab-run/1"):
    """The runs of one program.

    :param source: the program that was run
    :param runs: each machine's run, in the order of ``--on``
    :param compared: which observation fields were compared: all, or those in ``--compare``
    :param agree: whether all machines reached the end with the same values in these fields after every step
    :param differences: the differences, in step order; empty if the machines agree
    :param expectations: every expect line in the program, compared with every machine in its series
    """

    source: ProgramText = field(name="program")
    runs: Annotated[tuple[Run, ...], Meta(min_length=1)] = field(name="machines")
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
        if (said := mismatch(self.runs)) is not None:
            raise ValueError(said)

    @classmethod
    def of(
        cls,
        program: Program,
        runs: Sequence[Run],
        series: Mapping[str, str | None],
        fields: tuple[str, ...] = FIELDS,
        name: str | None = None,
    ) -> Self:
        """The result of one program's *runs*, which are compared here, but not judged.

        :param series: the kernel series of each machine by name, if known
        :param fields: the observation fields to compare; this does not affect expectations and alarms
        :param name: the program's name in the output; its title if None
        """
        found = tuple(differences(runs, fields))
        whole = all(run.unfinished is None for run in runs)
        return cls(
            made=Made.now(),
            source=ProgramText.of(program.title if name is None else name, program),
            runs=tuple(runs),
            compared=fields,
            agree=whole and not found and not alarms(runs),
            differences=found,
            expectations=tuple(
                expected for run in runs for expected in expectations(program, run, series.get(run.machine))
            ),
        )

    def as_json(self, indent: int | None = None) -> str:
        """The result as ``--json`` prints it: on one line, or in ASCII with *indent* spaces per level."""
        runs = [
            _printed(run, alarm=alarm_of(run, self.runs), violations=tuple(map(_printed, run.violations)))
            for run in self.runs
        ]
        return super(RunResult, replace(self, runs=tuple(runs))).as_json(indent)

    @property
    def name(self) -> str:
        """The program's name in the output."""
        return self.source.name

    @property
    def program(self) -> Program:
        """The program; one without operations if this version cannot read its text."""
        return self.source.program or Program(title="", asks="", devices=(), ops=())

    @property
    def machines(self) -> tuple[str, ...]:
        """The machines, as the user named them."""
        return tuple(run.machine for run in self.runs)

    @property
    def alarms(self) -> tuple[tuple[str, Alarm], ...]:
        """The machines that raised alarms, each with its first."""
        return alarms(self.runs)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The properties that machines violate."""
        return tuple(replace(one, machine=run.machine) for run in self.runs for one in run.violations)

    @property
    def lost(self) -> tuple[str, ...]:
        """The machines whose guest or process was lost."""
        return tuple(run.machine for run in self.runs if run.lost is not None)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The machines that cannot answer because a rule or a tool is missing."""
        return tuple(run.machine for run in self.runs if run.undecided is not None)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The machines that did not reach the end."""
        return (*self.lost, *self.undecided)

    @property
    def narrowed(self) -> str:
        """The fields that were compared, unless all were; otherwise empty."""
        return "" if self.compared == FIELDS else ", ".join(self.compared)

    @property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """Groups of machines with equal observations, in the given order."""
        groups: list[list[int]] = []
        apart = {pair for found in self.differences for pair in self._apart(found)}
        for place in range(len(self.runs)):
            for group in groups:
                if not any((other, place) in apart for other in group):
                    group.append(place)
                    break
            else:
                groups.append([place])
        return tuple(tuple(self.machines[place] for place in group) for group in groups)

    def _apart(self, found: Difference) -> Iterator[tuple[int, int]]:
        """The pairs of machines that differ, by their places."""
        reached = (place for place, run in enumerate(self.runs) if found.step < len(run.steps))
        seen = list(zip(reached, (one.value for one in found.values), strict=False))
        if found.field in CHANNEL_FIELDS:
            seen = [(place, value) for place, value in seen if value is not None]
        return ((place, other) for place, value in seen for other, theirs in seen if value != theirs)

    @property
    def outcome(self) -> Outcome:
        """A difference, an alarm, a failed expectation, or a real kernel's unexplained violation counts even
        if another machine did not finish.
        """
        failed = any(expectation.holds is False for expectation in self.expectations)
        unknown = any(violation.unknown for violation in self.violations)
        if self.differences or self.alarms or failed or unknown:
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if self.unfinished else Outcome.AS_EXPECTED


def _printed(one: Any, **changes: Any) -> Any:
    """*one* without the fields that are not printed."""
    kind: type[msgspec.Struct] = type(one)
    return replace(one, **_unprinted(kind), **changes)


@cache
def _unprinted(kind: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: UNSET for name, hint in hints.items() if UNPRINTED in getattr(hint, "__metadata__", ())}
