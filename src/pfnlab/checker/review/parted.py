"""The differences between the two sides of a review, whether both are models or kernels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar, get_args

import msgspec

from pfnlab.base.result import Made
from pfnlab.checker.review.review_result import (
    COST_KINDS,
    Change,
    ChangedField,
    CostKind,
    OperationCost,
    ReviewResult,
    SameViolation,
)
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.runs.kernel_property import KernelProperty


class WithOps(Protocol):
    """A way to a difference: some operations."""

    @property
    def ops(self) -> tuple[Op, ...]:
        """The operations; of two ways, the one with fewer is kept."""
        ...


Way = TypeVar("Way", bound=WithOps)
Key = TypeVar("Key", bound=Hashable)

#: An operation, the part that differs, and its words in base and design.
Difference = tuple[str, ChangedField, str, str]


class Parted(msgspec.Struct, Generic[Way]):
    """All differences between design and base, each with the first of the shortest ways to it.

    :param broken: the design's first violation of each property
    :param repaired: the base's first violation of each property
    :param both: for each property, the number of states in which both violate it
    :param costs: by kind and operation: the cost in the base and in the design, and how many operations cost
        more and less
    :param costly: by kind and operation: the first operation that cost more in the design; *spared*: the
        first that cost less
    :param changed: the differences that are not violations, with their count
    :param asked: the number of states compared
    :param differing: the number of states in which the two differ
    :param unmodelled: the number of operations that were not compared, by message
    """

    broken: dict[str, Way] = {}
    repaired: dict[str, Way] = {}
    both: dict[str, int] = {}
    costs: dict[tuple[CostKind, str], tuple[int, int, int, int]] = {}
    costly: dict[tuple[CostKind, str], Way] = {}
    spared: dict[tuple[CostKind, str], Way] = {}
    changed: dict[Difference, tuple[int, Way]] = {}
    asked: int = 0
    differing: int = 0
    unmodelled: dict[str, int] = {}

    def add(self, other: Parted[Way]) -> None:
        """Add other findings; keep the shorter of two ways, on a tie the existing one."""
        for own, others in ((self.broken, other.broken), (self.repaired, other.repaired)):
            for name, way in others.items():
                _keep(own, name, way)
        for first, others_first in ((self.costly, other.costly), (self.spared, other.spared)):
            for cost, way in others_first.items():
                _keep(first, cost, way)
        for key, (count, way) in other.changed.items():
            self.change(key, way, count)
        for cost, numbers in other.costs.items():
            self._add_cost(cost, numbers)
        for totals, more in ((self.both, other.both), (self.unmodelled, other.unmodelled)):
            for name, count in more.items():
                totals[name] = totals.get(name, 0) + count
        self.asked += other.asked
        self.differing += other.differing

    def change(self, key: Difference, way: Way, times: int = 1) -> None:
        """Count a difference that is not a violation."""
        before, first = self.changed.get(key, (0, way))
        self.changed[key] = (before + times, min(first, way, key=lambda one: len(one.ops)))

    def cost(self, cost: tuple[CostKind, str], base: int, design: int, way: Way) -> None:
        """Count what an operation cost on both."""
        more, fewer = design > base, design < base
        self._add_cost(cost, (base, design, more, fewer))
        if more or fewer:
            _keep(self.costly if more else self.spared, cost, way)

    def _add_cost(self, cost: tuple[CostKind, str], numbers: tuple[int, int, int, int]) -> None:
        old = self.costs.get(cost, (0, 0, 0, 0))
        self.costs[cost] = tuple(map(sum, zip(old, numbers, strict=True)))  # type: ignore[assignment]

    def result(
        self, lines: Callable[[Way], str], meanings: Mapping[str, KernelProperty], **others: Any
    ) -> ReviewResult:
        """The review: the differences without a violation, and *others* of its fields.

        :param lines: the operations of a way, one per line
        :param meanings: the properties by name
        """
        both = sorted(self.both.items())
        return ReviewResult(
            made=Made.now(),
            same=tuple(SameViolation(name, meanings[name].happens, count) for name, count in both),
            costs=tuple(self._costs(lines)),
            changes=tuple(self._changes(lines)),
            states=self.asked,
            left_out=dict(sorted(self.unmodelled.items())),
            **others,
        )

    def _costs(self, lines: Callable[[Way], str]) -> Iterator[OperationCost]:
        """The operations with different costs."""
        ordered = sorted(self.costs.items(), key=lambda row: (COST_KINDS.index(row[0][0]), row[0][1]))
        for cost, (base, design, more, fewer) in ordered:
            if more or fewer:
                first = self.costly.get(cost) or self.spared[cost]
                yield OperationCost(*cost, base, design, more, fewer, lines(first))

    def _changes(self, lines: Callable[[Way], str]) -> Iterator[Change]:
        """Differences without a violation: results first, and within each kind the most frequent first."""
        fields = get_args(ChangedField)
        ordered = sorted(self.changed.items(), key=lambda row: (fields.index(row[0][1]), -row[1][0], row[0]))
        for (word, field, base, design), (times, way) in ordered:
            yield Change(word, field, base, design, times, lines(way))


def _keep(ways: dict[Key, Way], name: Key, way: Way) -> None:
    if name not in ways or len(way.ops) < len(ways[name].ops):
        ways[name] = way
