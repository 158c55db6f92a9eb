"""Sequences of a review: a ground, one operation or two behind it, and the end, on design and base.

Both do the same operations. What one violates and the other keeps at the same step is what a review tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.checker.review.grounds import ground
from pfnlab.checker.review.judged import END, JudgedKernel, StepVerdict, other_walkers
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.model.model_machine import ModelMachine

_RANGE = re.compile(r"\[mem [^]]*\]")


class Sequel(msgspec.Struct, frozen=True):
    """Operations behind the setup of a ground."""

    ground: int
    ops: tuple[Op, ...]


#: By operation and what base and design answer: how often, and the first way to it.
Differing = dict[tuple[str, str, str], tuple[int, Sequel]]


class FlushCount(NamedTuple):
    """The flushes of one kind of operation: of base and design, and how many operations had more or fewer.

    :param base_needless: of those of the base, how many nothing needed; *needless*: of the design
    """

    base: int = 0
    design: int = 0
    more: int = 0
    fewer: int = 0
    base_needless: int = 0
    needless: int = 0

    def plus(self, other: FlushCount) -> FlushCount:
        """Both counted together."""
        return FlushCount(*map(sum, zip(self, other, strict=True)))


class Parted(msgspec.Struct):
    """All that design and base did otherwise, each with the first and shortest way to it.

    :param broken: by property: what the design violates first
    :param repaired: by property: what the base violates first
    :param both: how many states violate a property in both, by property
    :param flushes: by operation
    :param costly: by operation: the first that took more flushes in the design
    :param results: by operation, result of the base and of the design
    :param logs: by operation, the last message of the base and of the design
    :param asked: how many states were compared
    :param differing: in how many of them the two differ
    :param unmodelled: how many operations the model has no rule for, by its message
    """

    broken: dict[str, Sequel] = {}
    repaired: dict[str, Sequel] = {}
    both: dict[str, int] = {}
    flushes: dict[str, FlushCount] = {}
    costly: dict[str, Sequel] = {}
    results: Differing = {}
    logs: Differing = {}
    asked: int = 0
    differing: int = 0
    unmodelled: dict[str, int] = {}

    def add(self, other: Parted) -> None:
        """Take the findings of other grounds too; of two ways the shorter stays, of equal ones the own."""
        for own, others in ((self.broken, other.broken), (self.repaired, other.repaired)):
            for name, way in others.items():
                _keep(own, name, way)
        for key, way in other.costly.items():
            self.costly.setdefault(key, way)
        for counted, others_counted in ((self.results, other.results), (self.logs, other.logs)):
            for key_of, (count, way) in others_counted.items():
                before, first = counted.get(key_of, (0, way))
                counted[key_of] = (before + count, first)
        for key, numbers in other.flushes.items():
            self.flushes[key] = self.flushes.get(key, FlushCount()).plus(numbers)
        for totals, more in ((self.both, other.both), (self.unmodelled, other.unmodelled)):
            for key, count in more.items():
                totals[key] = totals.get(key, 0) + count
        self.asked += other.asked
        self.differing += other.differing


class SideBySideModels:
    """Design and base on one ground."""

    def __init__(self, base: ModelMachine, design: ModelMachine, number: int) -> None:
        self._ground, self._number = ground(number), number
        everything = self._ground.program_of(
            [op for part in (*self._ground.firsts, *self._ground.seconds) for op in part], "", ""
        )
        walkers = other_walkers(base, design)
        self._kernels = tuple(JudgedKernel(machine, everything, walkers) for machine in (base, design))
        self.parted = Parted()
        self._violated: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        #: The states, with what was violated on the way, behind which every operation was tried.
        self._tried: set[object] = set()

    def try_all(self, pairs: bool, deadline: float) -> bool:
        """Try every operation, and with *pairs* every second one behind it; False where time ran out."""
        try:
            for op in self._ground.program.ops:
                self._both(op, ())
        except Undecided as unknown:
            self._without_rule(unknown)
            return True
        self._is_new()
        return self._branch(self._ground.firsts, (), 2 if pairs else 1, deadline)

    def _branch(
        self, parts: Sequence[tuple[Op, ...]], before: tuple[Op, ...], more: int, deadline: float
    ) -> bool:
        marks, violated = [kernel.mark() for kernel in self._kernels], self._violated
        for part in parts:
            if time.monotonic() > deadline:
                return False
            complete = self._try(part, before, more, deadline)
            for mark in marks:
                mark.restore()
            self._violated = violated
            if not complete:
                return False
        return True

    def _try(self, part: tuple[Op, ...], before: tuple[Op, ...], more: int, deadline: float) -> bool:
        ops = before
        try:
            for op in part:
                ops = (*ops, op)
                self._both(op, ops)
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
        """True where nothing was yet tried behind this state of both; from now on it counts as tried."""
        states = [kernel.state() for kernel in self._kernels]
        key = (*states, self._violated)
        if None not in states and key in self._tried:
            return False
        self._tried.add(key)
        return True

    def _both(self, op: Op | None, ops: tuple[Op, ...]) -> None:
        base, design = (kernel.step(op) for kernel in self._kernels)
        found, way = self.parted, Sequel(self._number, ops)
        found.asked += 1
        base_before, design_before = self._violated
        for name in design.broken - design_before - base_before - base.broken:
            _keep(found.broken, name, way)
        for name in base.broken - base_before - design_before - design.broken:
            _keep(found.repaired, name, way)
        for name in base.broken & design.broken:
            found.both[name] = found.both.get(name, 0) + 1
        self._violated = (base_before | base.broken, design_before | design.broken)
        word = END if op is None else str(type(op.call).__struct_config__.tag)
        if base.result != design.result:
            _count(found.results, (word, base.result, design.result), way)
        if base.log != design.log:
            _count(found.logs, (word, _last(base), _last(design)), way)
        more, fewer = design.flushes > base.flushes, design.flushes < base.flushes
        count = FlushCount(base.flushes, design.flushes, more, fewer, base.needless, design.needless)
        found.flushes[word] = found.flushes.get(word, FlushCount()).plus(count)
        if more:
            _keep(found.costly, word, way)
        found.differing += base != design

    def _without_rule(self, unknown: Undecided) -> None:
        reasons = self.parted.unmodelled
        reasons[str(unknown)] = reasons.get(str(unknown), 0) + 1


def _last(step: StepVerdict) -> str:
    """The last message, whatever range it is about."""
    return _RANGE.sub("[mem ...]", step.log[-1]) if step.log else ""


def _keep(ways: dict[str, Sequel], name: str, way: Sequel) -> None:
    if name not in ways or len(way.ops) < len(ways[name].ops):
        ways[name] = way


def _count(counted: Differing, key: tuple[str, str, str], way: Sequel) -> None:
    before, first = counted.get(key, (0, way))
    counted[key] = (before + 1, first)
