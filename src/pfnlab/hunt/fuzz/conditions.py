"""Conditions under which operations are rarely tried, and a bias towards uncovered combinations.

Pairs and triples of operations are counted under each condition: on leaves, removed devices and claimed
ranges, and during holds.
"""

from collections.abc import Iterable
from itertools import chain

import msgspec

from pfnlab.hunt.fuzz.call_kinds import EVERYWHERE, AreaKinds, areas_of, kind_of, rows_of
from pfnlab.hunt.fuzz.ranges import leaf_level, path_end, touched_level, touches
from pfnlab.programs.lang.ops import Call, Mmap, Op, Program, Release, uses_vfio
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import Run, Step

#: The conditions, as named in the summary.
LEAVES, REMOVED, CLAIMED, HELD = "on leaves", "on removed devices", "on claimed ranges", "under holds"

CONDITIONS = (LEAVES, REMOVED, CLAIMED, HELD)


class Conditions:
    """The conditions that hold at a point in a program, derived from its text."""

    def __init__(self) -> None:
        self._mapped: list[Span] = []
        self._leaves: set[str] = set()
        self._removed = self._claimed = False
        #: The tasks that are held.
        self._held: set[str] = set()

    def of(self, call: Call) -> set[str]:
        """The conditions that hold for *call* if it comes next; a leaf counts if it is in an area that *call*
        names.
        """
        everywhere = kind_of(call) in EVERYWHERE
        on_leaves = bool(self._leaves if everywhere else self._leaves.intersection(areas_of(call)))
        return self.anywhere() - (set() if on_leaves else {LEAVES})

    def anywhere(self) -> set[str]:
        """The conditions that hold in at least one area."""
        holding = (bool(self._leaves), self._removed, self._claimed, bool(self._held))
        return {name for name, holds in zip(CONDITIONS, holding, strict=True) if holds}

    def add(self, op: Op) -> None:
        """Record that *op* was executed."""
        call, kind = op.call, kind_of(op.call)
        if isinstance(call, Mmap) and leaf_level(call) > 1:
            self._mapped.append(path_end(call))
        self._leaves |= {place.name for place in self._mapped if touches(call, place)}
        if kind in ("remove", "unplug"):
            self._removed, self._claimed = True, False
        elif kind in ("rescan", "rescan_moved", "plug"):
            self._removed = False
        elif kind in ("request_mem_region", "bind") or uses_vfio(call):
            self._claimed = True
        elif kind in ("release_mem_region", "unbind"):
            self._claimed = False
        if op.hold is not None:
            self._held.add(op.task)
        elif isinstance(call, Release):
            self._held = set() if call.held is None else self._held - {call.held}


def reached_under(program: Program, run: Run | None = None) -> set[tuple[str, str]]:
    """Every kind, pair and triple of kinds in one area for which the last operation runs under a condition.

    :param run: a model's run; if given, its actual leaves and holds are used
    """
    conditions, kinds = Conditions(), AreaKinds()
    reached: set[tuple[str, str]] = set()
    for at, op in enumerate(program.ops):
        areas = kinds.areas(op.call)
        rows = [kind_of(op.call), *chain.from_iterable(kinds.add(op.call))]
        holding = conditions.of(op.call)
        conditions.add(op)
        if op.hold is not None:
            holding.add(HELD)
        if run is not None:
            holding = {name for name in holding if _holds(name, run, at, op, areas)}
        reached |= {(name, row) for name in holding for row in rows}
    return reached


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


#: The weight factor for a kind that has never followed the last one in its area.
_UNREACHED = 5.0

#: The same factor under one of the :data:`.call_kinds.CONDITIONS`, and the factor if only the triple is new.
_UNREACHED_UNDER, _UNREACHED_TRIPLE = 3.0, 1.5


class Bias(msgspec.Struct, frozen=True):
    """The coverage of earlier programs, used as a bias for the next ones.

    :param pairs: the pairs of kinds reached in one area, e.g. ``munmap > mremap``
    :param under: the kinds, pairs and triples of kinds reached under each condition
    :param prefixes: programs with new coverage; some of the next programs start with one of them
    """

    pairs: frozenset[str] = frozenset()
    prefixes: tuple[Program, ...] = ()
    under: dict[str, frozenset[str]] = {}

    def factor(self, before: Iterable[str], kind: str, conditions: Iterable[str]) -> float:
        """The weight factor for *kind* if it may follow one of *before* under *conditions*."""
        if not self.pairs:
            return 1.0
        rows = [tuple(rows_of(last, kind)) for last in before]
        factor = _UNREACHED if any(pair not in self.pairs for pair, *_ in rows) else 1.0
        for condition in conditions:
            reached = self.under.get(condition, frozenset())
            if any(pair not in reached for pair, *_ in rows):
                factor *= _UNREACHED_UNDER
            elif any(row not in reached for _, *triple in rows for row in triple):
                factor *= _UNREACHED_TRIPLE
        return factor

    def prefixes_of(self, leaves: bool) -> list[Program]:
        """The prefixes with leaves or those without, because a program with leaves needs a large BAR."""
        return [program for program in self.prefixes if (touched_level(program) > 1) is leaves]


#: The coverage before the first program.
NO_BIAS = Bias()
