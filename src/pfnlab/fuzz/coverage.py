"""What programs have reached: pairs of operations, branches of the model's rules, kinds of kernel calls.

Branches are those of functions of ``mm/`` and ``policies/`` (:mod:`pfnlab.branches`), without the model's
checks of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.branches import BranchWatch, branches_of
from pfnlab.fuzz.conditions import reached_under
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
    :ivar under: by condition, the kinds, pairs and triples of kinds that programs had under it, and how many
    """

    pairs: dict[str, int] = msgspec.field(default_factory=dict)
    branches: set[str] = msgspec.field(default_factory=set)
    words: dict[str, int] = msgspec.field(default_factory=dict)
    under: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)

    def add(self, program: Program, runs: Sequence[Run], branches: Iterable[str] = ()) -> bool:
        """Add what one program reached; whether anything of it is new.

        :param branches: what the model reached while it ran
        """
        before = self._size()
        for pair in pairs_of(program):
            self.pairs[pair] = self.pairs.get(pair, 0) + 1
        self.branches.update(branches)
        for run in runs:
            for word in _words(run):
                self.words[word] = self.words.get(word, 0) + 1
        for condition, row in reached_under(program, runs[0] if runs else None):
            rows = self.under.setdefault(condition, {})
            rows[row] = rows.get(row, 0) + 1
        return before != self._size()

    def reached(self, condition: str) -> tuple[set[str], set[str], set[str]]:
        """The kinds, pairs and triples that were reached under *condition*."""
        rows = self.under.get(condition, {})
        by_length = [{row for row in rows if row.count(" > ") == more} for more in range(3)]
        return by_length[0], by_length[1], by_length[2]

    def _size(self) -> tuple[int, ...]:
        """The numbers that grow with what is new; a triple alone is not."""
        pairs = sum(row.count(" > ") < 2 for rows in self.under.values() for row in rows)
        return len(self.pairs), len(self.branches), len(self.words), pairs


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
