"""Which switch explains a difference: the model is run with each one turned, until it does what was seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from pfnlab.errors import PfnlabError
from pfnlab.policies.changes import source_of
from pfnlab.policies.flushes import FLUSHES
from pfnlab.policies.profiles import SWITCHES, profile_of
from pfnlab.policies.trackers import TRACKERS
from pfnlab.programs.compare import differences
from pfnlab.programs.model import ModelMachine
from pfnlab.programs.observation import Run
from pfnlab.programs.ops import Program


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
    every pair of those that change something.
    """
    changes = list(_changes(version))
    before = _run(version, (), program)
    runs = [(change, _run(version, (change,), program)) for change in changes]
    found: list[tuple[str, ...]] = [(one,) for one, run in runs if run is not None and _same(run, seen)]
    if not found:
        moving = [change for change, run in runs if run is not None and not (before and _same(run, before))]
        found = [
            pair
            for pair in combinations(moving, 2)
            if (run := _run(version, pair, program)) is not None and _same(run, seen)
        ]
    return [Explanation(pair, tuple(source_of(change, version) for change in pair)) for pair in found]


def _changes(version: str) -> Iterator[str]:
    profile = profile_of(version)
    for name in (switch.name for switch in SWITCHES):
        yield f"{name}={'off' if getattr(profile, name) else 'on'}"
    yield from (f"tracker={name}" for name in TRACKERS if name != profile.tracker)
    yield from (f"flush={name}" for name in FLUSHES if name != profile.flushes)


def _run(version: str, changes: Sequence[str], program: Program) -> Run | None:
    try:
        return ModelMachine(",".join((version, *changes))).run_one(program)
    except PfnlabError:
        return None


def _same(one: Run, other: Run) -> bool:
    # The model says anew what a kernel says once per boot.
    return len(one.steps) == len(other.steps) and not differences([one, other])
