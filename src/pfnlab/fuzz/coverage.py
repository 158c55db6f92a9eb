"""The coverage of a hunt: pairs of operations, branches of the model's rules, kinds of kernel calls.

Branches are those of functions of ``mm/`` and ``policies/`` (:mod:`pfnlab.branches`), without the model's
checks of itself. Under four conditions operations are seldom tried: on leaves, on removed devices, on claimed
ranges and under holds; so pairs and triples of operations count under each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import msgspec

from pfnlab.branches import BranchWatch, branches_of
from pfnlab.fuzz.call_kinds import EVERYWHERE, areas_of, kind_of, pairs_of
from pfnlab.fuzz.ranges import leaf_level, place_of, touches
from pfnlab.programs.lang.ops import Call, Mmap, Op, Program, Release, uses_vfio
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.events import EVENTS
from pfnlab.programs.runs.observation import Run, Step

#: The conditions, as the summary names them.
LEAVES, REMOVED, CLAIMED, HELD = "on leaves", "on removed devices", "on claimed ranges", "under holds"
CONDITIONS = (LEAVES, REMOVED, CLAIMED, HELD)


class Conditions:
    """The conditions that hold at a point of a program, as far as its text tells."""

    def __init__(self) -> None:
        self._mapped: list[Span] = []
        self._leaves: set[str] = set()
        self._removed = self._claimed = self._held = False

    def of(self, call: Call) -> set[str]:
        """The conditions under which *call* is done if it comes next; a leaf is in an area it names."""
        everywhere = kind_of(call) in EVERYWHERE
        on_leaves = bool(self._leaves if everywhere else self._leaves.intersection(areas_of(call)))
        return self.anywhere() - (set() if on_leaves else {LEAVES})

    def anywhere(self) -> set[str]:
        """The conditions that hold for some area."""
        holding = (bool(self._leaves), self._removed, self._claimed, self._held)
        return {name for name, holds in zip(CONDITIONS, holding, strict=True) if holds}

    def add(self, op: Op) -> None:
        """Note that *op* was done."""
        call, kind = op.call, kind_of(op.call)
        if isinstance(call, Mmap) and leaf_level(call) > 1:
            self._mapped.append(place_of(call))
        self._leaves |= {place.name for place in self._mapped if touches(call, place)}
        if kind in ("remove", "unplug"):
            self._removed, self._claimed = True, False
        elif kind in ("rescan", "rescan_moved", "plug"):
            self._removed = False
        elif kind in ("request_mem_region", "bind") or uses_vfio(call):
            self._claimed = True
        elif kind in ("release_mem_region", "unbind"):
            self._claimed = False
        if op.hold is not None or isinstance(call, Release):
            self._held = op.hold is not None


def reached_under(program: Program, run: Run | None = None) -> set[tuple[str, str]]:
    """Every kind, pair and triple of kinds in one area whose last operation is done under a condition.

    :param run: of a model; then a leaf is one that it has, and a hold one that it reached
    """
    conditions = Conditions()
    last: dict[str, str] = {}
    reached: set[tuple[str, str]] = set()
    for at, op in enumerate(program.ops):
        kind = kind_of(op.call)
        areas = tuple(last) if kind in EVERYWHERE else areas_of(op.call)
        holding = conditions.of(op.call)
        conditions.add(op)
        if op.hold is not None:
            holding.add(HELD)
        if run is not None:
            holding = {name for name in holding if _holds(name, run, at, op, areas)}
        rows = [kind, *(row for name in areas if name in last for row in rows_of(last[name], kind))]
        reached |= {(name, row) for name in holding for row in rows}
        for name in areas:
            previous = last.get(name, "").rpartition(" > ")[2]
            last[name] = f"{previous} > {kind}" if previous else kind
    return reached


def rows_of(before: str, kind: str) -> Iterator[str]:
    """The pair and the triple that *kind* makes with the kinds before it.

    :param before: one or two kinds, ``mmap > fork``
    """
    yield f"{before.rpartition(' > ')[2]} > {kind}"
    if " > " in before:
        yield f"{before} > {kind}"


def _holds(name: str, run: Run, at: int, op: Op, areas: tuple[str, ...]) -> bool:
    if name == LEAVES:
        return 0 < at <= len(run.steps) and _has_leaf(run.steps[at - 1], op.task, areas)
    if name == HELD and op.hold is not None:
        return at < len(run.steps) and run.steps[at].result == "held"
    return at < len(run.steps)


def _has_leaf(step: Step, task: str, areas: tuple[str, ...]) -> bool:
    return any(
        run.task == task and run.span.name in areas and run.table_entry.maps and run.table_entry.level > 1
        for run in step.ptes or ()
    )


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
