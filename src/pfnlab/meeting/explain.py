"""Which switch explains a difference: the model is run with each one turned, until it does what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import msgspec

from pfnlab.errors import Undecided
from pfnlab.policies.changes import changes_between, is_of, single_changes, source_of
from pfnlab.policies.releases import series_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.observation import Run


class Explanation(msgspec.Struct, frozen=True):
    """Changes of a model with which it does what was seen.

    :param changes: as a machine's name says them, ``fork_opens_first=off``
    :param sources: where each comes from, in the same order
    """

    changes: tuple[str, ...]
    sources: tuple[str, ...]

    def __str__(self) -> str:
        return "; ".join(
            f"{change} ({source})" for change, source in zip(self.changes, self.sources, strict=True)
        )


def explanations(version: str, program: Program, seen: Run) -> list[Explanation]:
    """Every single change of the model of *version* with which it does what *seen* did; where there is none,
    every pair of those that change something. None at all where it does so already.

    Changes that a point release of the same series is known to have made come first.
    """
    before = _run(version, (), program)
    if _same(before, seen):
        return []
    runs = [(change, _run(version, (change,), program)) for change in single_changes(version)]
    found: list[tuple[str, ...]] = [(one,) for one, run in runs if _same(run, seen)]
    if not found:
        moving = [change for change, run in runs if run is not None and not _same(before, run)]
        pairs = (pair for pair in combinations(moving, 2) if len(set(map(_changed, pair))) == 2)
        found = [pair for pair in pairs if _same(_run(version, pair, program), seen)]
    return _explained(version, found)


def explanations_between(one: str, other: str, program: Program, seen: Run) -> list[Explanation]:
    """What of all that distinguishes the models of two versions makes the first do what *seen*, a run of the
    second, did: every single change that suffices, else the fewest that do; else any change at all.
    """
    changes = changes_between(one, other)
    singles: list[tuple[str, ...]] = [
        (change,) for change in changes if _same(_run(one, (change,), program), seen)
    ]
    if not singles and changes and _same(_run(one, changes, program), seen):
        for change in changes:
            fewer = [each for each in changes if each != change]
            if _same(_run(one, fewer, program), seen):
                changes = fewer
        singles = [tuple(changes)] if changes else []
    return _explained(other, singles) if singles else explanations(one, program, seen)


def _explained(version: str, found: Sequence[tuple[str, ...]]) -> list[Explanation]:
    def elsewhere(changes: tuple[str, ...]) -> int:
        return sum(not is_of(change, series_of(version)) for change in changes)

    return [
        Explanation(changes, tuple(source_of(change, version) for change in changes))
        for changes in sorted(found, key=elsewhere)
    ]


def _changed(change: str) -> str:
    """What can be one thing only: a seam or a switch by its name; of commits there may be several."""
    name = change.partition("=")[0]
    return change if name in ("with", "without") else name


def _run(version: str, changes: Sequence[str], program: Program) -> Run | None:
    """None where the model so changed has no rule for it."""
    try:
        return ModelMachine(",".join((version, *changes))).run_one(program)
    except Undecided:
        return None


def _same(one: Run | None, other: Run) -> bool:
    return one is not None and len(one.steps) == len(other.steps) and not differences([one, other])
