"""Review sequences: a ground, one or two operations, and the end of the program, on design and base.

Both perform the same operations. A review reports properties that, at the same step, one violates and the
other satisfies.
"""

from __future__ import annotations

import re
import time
from collections.abc import Hashable, Sequence
from typing import TypeVar

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.checker.review.grounds import ground
from pfnlab.checker.review.judged import END, STUCK, JudgedKernel, StepVerdict, newly_broken, other_walkers
from pfnlab.checker.review.review_result import COST_KINDS, ChangedField, CostKind
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.model.model_machine import ModelMachine

Key = TypeVar("Key", bound=Hashable)

_RANGE = re.compile(r"\[mem [^]]*\]")


class Sequel(msgspec.Struct, frozen=True):
    """Operations after a ground's setup."""

    ground: int
    ops: tuple[Op, ...]


#: For each operation, with the part that differs and its words in base and design: the count, and the first
#: path to it.
Differing = dict[tuple[str, ChangedField, str, str], tuple[int, Sequel]]

#: The parts of a state to compare; each is compared until it differs.
_SEEN: tuple[ChangedField, ...] = ("book", "entries", "walks")


class Parted(msgspec.Struct):
    """All differences between design and base, each with the first of the shortest paths to it.

    :param broken: the design's first violation of each property
    :param repaired: the base's first violation of each property
    :param both: for each property, the number of states in which both violate it
    :param costs: by kind and operation: the cost in the base and in the design, and how many operations cost
        more and less
    :param costly: by kind and operation: the first operation that cost more in the design; *spared*: the
        first that cost less
    :param changed: the differences that are not violations
    :param asked: the number of states compared
    :param differing: the number of states in which the two differ
    :param unmodelled: the number of operations that the model has no rule for, by message
    """

    broken: dict[str, Sequel] = {}
    repaired: dict[str, Sequel] = {}
    both: dict[str, int] = {}
    costs: dict[tuple[CostKind, str], tuple[int, int, int, int]] = {}
    costly: dict[tuple[CostKind, str], Sequel] = {}
    spared: dict[tuple[CostKind, str], Sequel] = {}
    changed: Differing = {}
    asked: int = 0
    differing: int = 0
    unmodelled: dict[str, int] = {}

    def add(self, other: Parted) -> None:
        """Add the findings from other grounds; keep the shorter of two paths, on a tie the existing one."""
        for own, others in ((self.broken, other.broken), (self.repaired, other.repaired)):
            for name, way in others.items():
                _keep(own, name, way)
        for first, others_first in ((self.costly, other.costly), (self.spared, other.spared)):
            for cost, way in others_first.items():
                _keep(first, cost, way)
        for key, (count, way) in other.changed.items():
            _count(self.changed, key, way, count)
        for cost, numbers in other.costs.items():
            old = self.costs.get(cost, (0, 0, 0, 0))
            self.costs[cost] = tuple(map(sum, zip(old, numbers, strict=True)))  # type: ignore[assignment]
        for totals, more in ((self.both, other.both), (self.unmodelled, other.unmodelled)):
            for name, count in more.items():
                totals[name] = totals.get(name, 0) + count
        self.asked += other.asked
        self.differing += other.differing


class SideBySideModels:
    """Design and base on one ground."""

    def __init__(self, base: ModelMachine, design: ModelMachine, number: int) -> None:
        self._ground, self._number = ground(number), number
        everything = self._ground.program_of(
            [op for part in (*self._ground.firsts, *self._ground.seconds) for op in part], "", ""
        )
        self._machines, self._walkers = (base, design), other_walkers(base, design)
        self._kernels = tuple(JudgedKernel(machine, everything, self._walkers) for machine in self._machines)
        self.parted = Parted()
        self._violated: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        self._apart: frozenset[str] = frozenset()
        #: True if, on the path to this state, one of the two refused an operation that the other performed.
        self._refused = False
        #: The states from which every operation was tried, with the violations on the way there.
        self._tried: set[object] = set()

    def try_all(self, pairs: bool, deadline: float) -> bool:
        """Try every operation and, if *pairs* is set, every second one after it; return False if time ran
        out.
        """
        try:
            for op in self._ground.program.ops:
                if not self._both(op, ()):
                    return True
        except Undecided as unknown:
            self._without_rule(unknown)
            return True
        self._is_new()
        return self._branch(self._ground.firsts, (), 2 if pairs else 1, deadline)

    def _branch(
        self, parts: Sequence[tuple[Op, ...]], before: tuple[Op, ...], more: int, deadline: float
    ) -> bool:
        marks = [kernel.mark() for kernel in self._kernels]
        before_it = self._violated, self._apart, self._refused
        for part in parts:
            if time.monotonic() > deadline:
                return False
            complete = self._try(part, before, more, deadline)
            for mark in marks:
                mark.restore()
            self._violated, self._apart, self._refused = before_it
            if not complete:
                return False
        return True

    def _try(self, part: tuple[Op, ...], before: tuple[Op, ...], more: int, deadline: float) -> bool:
        ops = before
        try:
            for op in part:
                ops = (*ops, op)
                if not self._both(op, ops):
                    return True
        except Undecided as unknown:
            self._without_rule(unknown)
            return True
        if more > 1 and self._is_new() and not self._branch(self._ground.seconds, ops, more - 1, deadline):
            return False
        try:
            self._both(None, ops)
        except Undecided as unknown:
            self._without_rule(unknown)
        return True

    def _is_new(self) -> bool:
        """True if nothing has been tried from this joint state yet; from now on it counts as tried."""
        states = [kernel.state() for kernel in self._kernels]
        key = (*states, self._violated, self._apart, self._refused)
        if None not in states and key in self._tried:
            return False
        self._tried.add(key)
        return True

    def _both(self, op: Op | None, ops: tuple[Op, ...]) -> bool:
        """Perform *op* on both and compare; return False if it never returns on one."""
        base, design = (kernel.step(op) for kernel in self._kernels)
        found, way = self.parted, Sequel(self._number, ops)
        found.asked += 1
        base_before, design_before = self._violated
        self._refused |= "ok" in (base.result, design.result) and base.result != design.result
        for name in design.broken - design_before - base_before - base.broken:
            self._broken(found.broken, name, way, *reversed(self._machines))
        for name in base.broken - base_before - design_before - design.broken:
            self._broken(found.repaired, name, way, *self._machines)
        for name in base.broken & design.broken:
            found.both[name] = found.both.get(name, 0) + 1
        self._violated = (base_before | base.broken, design_before | design.broken)
        word = END if op is None else str(type(op.call).__struct_config__.tag)
        found.differing += base != design
        if base.result != design.result:
            _count(found.changed, (word, "result", base.result, design.result), way)
        if base.log != design.log:
            _count(found.changed, (word, "log", last_message(base.log), last_message(design.log)), way)
        if base.seen != design.seen and STUCK not in (base.result, design.result):
            self._seen(base, design, word, way)
        for kind, one, other in zip(COST_KINDS, base.costs, design.costs, strict=True):
            if one or other:
                more, fewer = other > one, other < one
                old = found.costs.get((kind, word), (0, 0, 0, 0))
                found.costs[kind, word] = (old[0] + one, old[1] + other, old[2] + more, old[3] + fewer)
                if more or fewer:
                    _keep(found.costly if more else found.spared, (kind, word), way)

        return STUCK not in (base.result, design.result)

    def _broken(
        self, ways: dict[str, Sequel], name: str, way: Sequel, machine: ModelMachine, other: ModelMachine
    ) -> None:
        """Keep a path on which *machine* violates a property that *other* satisfies, if it is shorter than
        before.
        """
        if name in ways and len(ways[name].ops) <= len(way.ops):
            return
        program = self._ground.program_of(way.ops, "", "")
        if not self._refused or newly_broken(name, machine, other, program, self._walkers):
            ways[name] = way

    def _seen(self, base: StepVerdict, design: StepVerdict, word: str, way: Sequel) -> None:
        """Count the parts of the state that differ now but did not before."""
        for part in _SEEN:
            if part not in self._apart and getattr(base.seen, part) != getattr(design.seen, part):
                self._apart |= {part}
                words = base.seen.words(part), design.seen.words(part)
                if words[0] == words[1]:
                    words = words[0], f"{words[0]}, others"
                _count(self.parted.changed, (word, part, *words), way)

    def _without_rule(self, unknown: Undecided) -> None:
        reasons = self.parted.unmodelled
        reasons[str(unknown)] = reasons.get(str(unknown), 0) + 1


def last_message(log: Sequence[str]) -> str:
    """The last message, without its range; empty for an empty log."""
    return _RANGE.sub("[mem ...]", log[-1]) if log else ""


def _keep(ways: dict[Key, Sequel], name: Key, way: Sequel) -> None:
    if name not in ways or len(way.ops) < len(ways[name].ops):
        ways[name] = way


def _count(counted: Differing, key: tuple[str, ChangedField, str, str], way: Sequel, times: int = 1) -> None:
    before, first = counted.get(key, (0, way))
    counted[key] = (before + times, min(first, way, key=lambda one: len(one.ops)))
