"""The differences between the two sides of a review, whether both are models or kernels."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from functools import cache
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
Value = TypeVar("Value")

#: A kind of cost, and the operation.
Cost = tuple[CostKind, str]

#: An operation, the part that differs, and its words in base and design.
Difference = tuple[str, ChangedField, str, str]


class Parted(msgspec.Struct, Generic[Way], omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """All differences between design and base, each with the first of the shortest ways to it.

    In JSON, keys are texts, so those of several words are JSON here.

    :param broken: the design's first violation of each property
    :param repaired: the base's first violation of each property
    :param both: for each property, the number of states in which both violate it
    :param costs: by :data:`Cost`: the cost in the base and in the design, and how many operations cost more
        and less
    :param costly: by :data:`Cost`: the first operation that cost more in the design; *spared*: the first
        that cost less
    :param changed: by :data:`Difference`: the count of those that are not violations
    :param asked: the number of states compared
    :param differing: the number of states in which the two differ
    :param unmodelled: the number of operations that were not compared, by message
    """

    broken: dict[str, Way] = {}
    repaired: dict[str, Way] = {}
    both: dict[str, int] = {}
    costs: dict[str, tuple[int, int, int, int]] = {}
    costly: dict[str, Way] = {}
    spared: dict[str, Way] = {}
    changed: dict[str, tuple[int, Way]] = {}
    asked: int = 0
    differing: int = 0
    unmodelled: dict[str, int] = {}

    def add(self, other: Parted[Way]) -> None:
        """Add other findings; keep the shorter of two ways, on a tie the existing one."""
        for name in ("broken", "repaired", "costly", "spared"):
            _merge(getattr(self, name), getattr(other, name), _shorter)
        for name in ("both", "unmodelled"):
            _merge(getattr(self, name), getattr(other, name), operator.add)
        _merge(self.costs, other.costs, _sums)
        _merge(self.changed, other.changed, _counted)
        self.asked += other.asked
        self.differing += other.differing

    def change(self, difference: Difference, way: Way) -> None:
        """Count a difference that is not a violation."""
        _merge(self.changed, {_key(difference): (1, way)}, _counted)

    def cost(self, cost: Cost, base: int, design: int, way: Way) -> None:
        """Count what an operation cost on both."""
        more, fewer, key = design > base, design < base, _key(cost)
        _merge(self.costs, {key: (base, design, int(more), int(fewer))}, _sums)
        if more or fewer:
            _merge(self.costly if more else self.spared, {key: way}, _shorter)

    @property
    def differences(self) -> list[Difference]:
        """The differences that are not violations, in the order of :attr:`changed`."""
        return [msgspec.json.decode(key, type=Difference) for key in self.changed]

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
        found = ((msgspec.json.decode(key, type=Cost), key, numbers) for key, numbers in self.costs.items())
        for cost, key, numbers in sorted(found, key=lambda row: (COST_KINDS.index(row[0][0]), row[0][1])):
            if (first := self.costly.get(key) or self.spared.get(key)) is not None:
                yield OperationCost(*cost, *numbers, lines(first))

    def _changes(self, lines: Callable[[Way], str]) -> Iterator[Change]:
        """Differences without a violation: results first, and within each kind the most frequent first."""
        fields = get_args(ChangedField)
        rows = zip(self.differences, self.changed.values(), strict=True)
        ordered = sorted(rows, key=lambda row: (fields.index(row[0][1]), -row[1][0], row[0]))
        for difference, (times, way) in ordered:
            yield Change(*difference, times, lines(way))


# Each step of a review asks for a few of the same.
@cache
def _key(words: tuple[str, ...]) -> str:
    return msgspec.json.encode(words).decode()


def _merge(own: dict[str, Value], more: Mapping[str, Value], join: Callable[[Value, Value], Value]) -> None:
    for name, value in more.items():
        own[name] = join(own[name], value) if name in own else value


def _shorter(one: Way, other: Way) -> Way:
    return min(one, other, key=lambda way: len(way.ops))


def _sums(one: tuple[int, ...], other: tuple[int, ...]) -> Any:
    return tuple(map(sum, zip(one, other, strict=True)))


def _counted(one: tuple[int, Way], other: tuple[int, Way]) -> tuple[int, Way]:
    return one[0] + other[0], _shorter(one[1], other[1])
