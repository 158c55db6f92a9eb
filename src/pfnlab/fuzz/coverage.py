"""What programs have reached: pairs of operations, branches of the model's rules, kinds of kernel calls.

Branches are those of functions of ``mm/`` and ``policies/`` (:mod:`pfnlab.branches`), without the model's
checks of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.branches import BranchWatch, branches_of
from pfnlab.fuzz.kinds import pairs_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.events import EVENTS
from pfnlab.programs.runs.observation import Run

#: The folder of the package, which the names of branches leave out.
PACKAGE = Path(__file__).parents[1]

#: The packages whose branches count: what runs while a program does.
WATCHED = ("mm", "policies/trackers", "policies/flushes")

#: Every word an event of a step can begin with.
WORDS = frozenset(word for word, _ in EVENTS.values())


class Coverage(msgspec.Struct):
    """What was reached so far.

    :ivar pairs: pairs of kinds and how many programs had each
    :ivar branches: as ``mm/unmap.py:31 in``, ``past`` for the other way
    :ivar words: the first words of events and how often
    """

    pairs: dict[str, int] = msgspec.field(default_factory=dict)
    branches: set[str] = msgspec.field(default_factory=set)
    words: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, program: Program, runs: Iterable[Run], branches: Iterable[str] = ()) -> bool:
        """Add what one program reached; whether anything of it is new.

        :param branches: what the model reached while it ran
        """
        before = len(self.pairs), len(self.branches), len(self.words)
        for pair in pairs_of(program):
            self.pairs[pair] = self.pairs.get(pair, 0) + 1
        self.branches.update(branches)
        for run in runs:
            for word in _words(run):
                self.words[word] = self.words.get(word, 0) + 1
        return before != (len(self.pairs), len(self.branches), len(self.words))


def _words(run: Run) -> Iterator[str]:
    """The first words of every event of *run*, the longest that is one."""
    for step in run.steps:
        for event in step.events or ():
            parts = event.split()
            two = " ".join(parts[:2])
            yield two if two in WORDS else parts[0]


def watch_rules(reached: Iterable[str] = ()) -> BranchWatch:
    """A watch of the branches of the model's rules.

    :param reached: branches that were seen already
    """
    return BranchWatch(_rules, reached)


def all_branches() -> set[str]:
    """Every branch of the rules there is."""
    return {
        BranchWatch.name(path.relative_to(PACKAGE).as_posix(), branch, way)
        for part in WATCHED
        for path in (PACKAGE / part).rglob("*.py")
        for branch in branches_of(str(path))
        for way in branch.ways
    }


@cache
def _rules(name: str) -> str | None:
    """The path of a source of rules below the package, None for all others."""
    path = Path(name)
    if not path.is_relative_to(PACKAGE):
        return None
    below = path.relative_to(PACKAGE)
    return below.as_posix() if any(below.is_relative_to(part) for part in WATCHED) else None
