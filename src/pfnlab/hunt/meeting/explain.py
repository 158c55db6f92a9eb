"""Finds the switch that explains a difference: each model switch is flipped until the model agrees.

The difference is shown as in results: its program, and the observations of each machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Undecided
from pfnlab.base.result import ALWAYS
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.filing import own_lines
from pfnlab.hunt.meeting.bisect import least
from pfnlab.hunt.meeting.holding import KernelDifference
from pfnlab.kernel.policies.changes import changes_between, is_of, single_changes, source_of
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import when
from pfnlab.programs.runs.compare import alarms, differences
from pfnlab.programs.runs.observation import Run


class Explanation(msgspec.Struct, frozen=True):
    """Changes that make a model reproduce the observed run.

    :param changes: the changes, as in a machine's name: ``fork_opens_first=off``
    :param sources: the source of each, in the same order
    """

    changes: tuple[str, ...]
    sources: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.changes) != len(self.sources):
            raise ValueError("sources does not have one entry for each change")

    def __str__(self) -> str:
        return "; ".join(
            f"{change} ({source})" for change, source in zip(self.changes, self.sources, strict=True)
        )


def explanations(version: str, program: Program, target: Run) -> list[Explanation]:
    """Every single change to the model of *version* that makes its run equal to *target*.

    If there are none, every pair of changes, each with an effect, that does so. Empty if the unchanged model
    already agrees. Changes that a point release in the same series is known to contain come first.
    """
    before = _run(version, (), program, target)
    if _equal_runs(before, target):
        return []
    runs = [(change, _run(version, (change,), program, target)) for change in single_changes(version)]
    change_sets: list[tuple[str, ...]] = [(change,) for change, run in runs if _equal_runs(run, target)]
    if not change_sets:
        effective_changes = [
            change for change, run in runs if run is not None and not _equal_runs(before, run)
        ]
        pairs = (pair for pair in combinations(effective_changes, 2) if len(set(map(_identity, pair))) == 2)
        change_sets = [pair for pair in pairs if _equal_runs(_run(version, pair, program, target), target)]
    return _as_explanations(version, change_sets)


def explanations_between(
    version: str, other_version: str, program: Program, target: Run
) -> list[Explanation]:
    """The changes between two versions' models that make the first one give *target*, a run of the second.

    These are all single changes that suffice, otherwise a minimal set, otherwise any other change.
    """
    changes = changes_between(version, other_version)

    def suffice(some: Sequence[str]) -> bool:
        return _equal_runs(_run(version, some, program, target), target)

    change_sets: list[tuple[str, ...]] = [(change,) for change in changes if suffice([change])]
    if not change_sets and changes and suffice(changes):
        change_sets = [tuple(least(changes, suffice))]
    if not change_sets:
        return explanations(version, program, target)
    return _as_explanations(other_version, change_sets)


def _as_explanations(version: str, change_sets: Sequence[tuple[str, ...]]) -> list[Explanation]:
    def elsewhere(changes: tuple[str, ...]) -> int:
        return sum(not is_of(change, series_of(version)) for change in changes)

    return [
        Explanation(changes, tuple(source_of(change, version) for change in changes))
        for changes in sorted(change_sets, key=elsewhere)
    ]


def _identity(change: str) -> str:
    """The key that two changes in a pair must not share: the name of a seam or switch, or for a commit the
    whole change.
    """
    name = change.partition("=")[0]
    return change if name in ("with", "without") else name


def _run(version: str, changes: Sequence[str], program: Program, target: Run) -> Run | None:
    """The run of *program* on the changed model, observed and configured like *target*; None if no rule."""
    model = ModelMachine(",".join((version, *changes)), target.look, target.configuration)
    try:
        return model.run_one(program)
    except Undecided:
        return None


def _equal_runs(left: Run | None, right: Run) -> bool:
    return left is not None and len(left.steps) == len(right.steps) and not differences([left, right])


#: The maximum number of fields shown for one program.
_FIELDS = 6


class ShownDifference(msgspec.Struct, frozen=True):
    """A difference, without its runs.

    :param says: the difference, a sentence
    :param shown_by: the programs that show it
    :param program: the shortest of them, as text
    :param explanations: changes of the model that explain it
    :param seen: the first fields that differ, and how machines ended; after each field its values, one line
        per machine
    """

    says: str
    shown_by: tuple[str, ...]
    program: str
    explanations: Annotated[tuple[Explanation, ...], ALWAYS] = ()
    seen: Annotated[tuple[Annotated[tuple[str, ...], Meta(min_length=1)], ...], ALWAYS] = ()

    @classmethod
    def of(cls, difference: KernelDifference, explanations: Iterable[Explanation]) -> ShownDifference:
        """The shown part of a difference."""
        return cls(
            *(str(difference.signature), difference.shown_by, format_program(difference.program)),
            *(tuple(explanations), tuple(_seen(difference))),
        )


def _seen(difference: KernelDifference) -> Iterator[tuple[str, ...]]:
    runs = difference.runs
    fields = differences(runs)
    for field in fields[:_FIELDS]:
        own = own_lines(difference.program, runs, field.step, field.field)
        yield (f"step {field.step + 1} {field.op}, {field.field}:", *map(": ".join, own.items()))
    for machine, alarm in alarms(runs):
        yield (f"{machine} raised an alarm {when(alarm)}: {alarm.kind}, {alarm.title}",)
    if not fields and difference.signature.field:
        # Once-per-boot messages are compared separately.
        yield (str(difference.signature),)
    if len(fields) > _FIELDS:
        yield (f"and {number_of(len(fields) - _FIELDS, 'field')} more",)
    for run in runs:
        if run.unfinished is not None and run.alarm is None:
            yield (f"{run.machine} is {run.unfinished}",)
