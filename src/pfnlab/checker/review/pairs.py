"""Review schedules: concurrent operations, and a reader with cached translations, in every order.

First come operations that run while an owner is told that frames are free, then another process's requests
for the same frames in a different mode, and finally all pairs of operations that change mappings.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.checker.races.race import RaceModel, RaceState, race_properties
from pfnlab.checker.races.schedules import search
from pfnlab.checker.races.turns import SetUpKernels
from pfnlab.checker.review.grounds import (
    KINDS,
    LEAVES,
    SUBJECT,
    TABLES,
    MeetingOperations,
    ReviewedMapping,
    can_follow,
    parsed,
    setup,
)
from pfnlab.checker.scopes.properties import ALL_OF_RACES
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.scope import Race, RaceScope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS
from pfnlab.programs.cases.neighbours import NEIGHBOURS, Neighbour

#: All properties that a schedule must satisfy.
ASKED: tuple[Question, ...] = tuple(question for question in ALL_OF_RACES if question.kind == "always")

#: The maximum number of states to search per schedule.
MOST_STATES = 20_000

#: The kind of mapping with which another process claims frames.
_CLAIMS = MAPPING_KINDS["UC-"]

#: The operation that tells the owner that frames are free.
_OWNER = "t: unmap_mapping_range bar[0:32]"


#: Operations that have the same effect on a range as on each mapped part of it.
_BY_RANGE = frozenset({"munmap", "madvise"})

_NEIGHBOURS = tuple(
    neighbour for name in TABLES.beside_each_other for neighbour in NEIGHBOURS if neighbour.name == name
)


class OperationPair(NamedTuple):
    """Two concurrent operations on a ground.

    :param second: the operation with its task: thread ``t`` or process ``p``
    :param reader: a page that a third task has read before and now reads concurrently, or None
    :param third: a third task's concurrent operation, or an empty string
    """

    kind: ReviewedMapping
    neighbour: Neighbour
    first: str
    second: str
    reader: int | None
    third: str = ""

    @property
    def name(self) -> str:
        """The pair in words."""
        others = f"{self.second} and {self.third}" if self.third else self.second
        return f"{self.first} beside {others}; {self.where}"

    @property
    def where(self) -> str:
        """The ground in words."""
        return f"{self.kind.name}, {self.neighbour.name}"

    def lines(self) -> tuple[list[str], list[str]]:
        """The lines of the setup, and of the concurrent operations."""
        mapped = setup(self.kind, self.neighbour)
        # A child forked earlier does not have this mapping.
        before = ["p = fork", *mapped] if self.second.startswith("p: ") else [*mapped, "t = thread"]
        beside = [self.first, self.second]
        if self.reader is not None:
            before += ["s = thread", f"s: read a[{self.reader}]"]
            beside.append(f"s: read a[{self.reader}]")
        if self.third:
            before.append("w = thread")
            beside.append(f"w: {self.third}")
        return before, beside

    def race(self) -> Race | None:
        """The pair as a race to search; None if it cannot be written as a program."""
        before, beside = self.lines()
        program = parsed(self.kind, [*before, *beside])
        if program is None:
            return None
        return Race(program, program.ops[: len(before)], program.ops[len(before) :])


def owners() -> Iterator[OperationPair]:
    """An owner's revocation concurrent with each operation, plus a reader with cached translations."""
    # The plainest kind with every neighbour comes first, because neighbours differ more than kinds do.
    for kind in KINDS:
        if kind.kind.revoked:
            for neighbour in _NEIGHBOURS:
                for first in _firsts(kind, neighbour):
                    for reader in _readers(kind, neighbour):
                        yield OperationPair(kind, neighbour, first, _OWNER, reader)


def claims() -> Iterator[OperationPair]:
    """A request for frames in a different mode while they are released, plus a reader with the old mode
    cached.

    The request comes from a process without the mapping, so it shares no lock.
    """
    for kind in KINDS:
        if kind.kind.frames and kind.area == SUBJECT:
            for freed in TABLES.frees:
                claim = f"p: d = {_CLAIMS.mapped(freed.device)}"
                yield OperationPair(kind, NEIGHBOURS[0], freed.operation, claim, freed.reader)


def meetings(tables: tuple[MeetingOperations, ...] = TABLES.meetings) -> Iterator[OperationPair]:
    """Pairs of operations, one of which reads or inserts entries while the other removes them; also with a
    third task.
    """
    kinds = {kind.name: kind for kind in (*KINDS, *LEAVES)}
    for found in tables:
        for name in found.kinds:
            for first, second, third in itertools.product(found.first, found.beside, found.thirds):
                yield OperationPair(kinds[name], NEIGHBOURS[0], first, f"t: {second}", None, third)


def triples() -> Iterator[OperationPair]:
    """Two operations concurrent with a page walker, or with a writer waiting for mmap_lock."""
    return meetings(TABLES.triples)


def pairs() -> Iterator[OperationPair]:
    """Every pair of other operations."""
    for neighbour in _NEIGHBOURS:
        for kind in KINDS:
            for first in _firsts(kind, neighbour):
                beside = (f"t: {second}" for second in TABLES.beside if can_follow(kind, second))
                yield from (OperationPair(kind, neighbour, first, second, None) for second in beside)


def _firsts(kind: ReviewedMapping, neighbour: Neighbour) -> Iterator[str]:
    """The first operations, except any that affect all mapped pages in the same way as an earlier one."""
    done = set[tuple[object, ...]]()
    mapped = [span.parts[1:] for span in (kind.area, neighbour.place(SUBJECT)) if span is not None]
    for first in TABLES.first:
        word, *rest = first.split()
        does: tuple[object, ...] = (first,)
        if word in _BY_RANGE:
            low, high = map(int, rest.pop(0).removesuffix("]").partition("[")[2].split(":"))
            parts = [(max(low, start), min(high, end)) for start, end in mapped if start < high and low < end]
            does = (word, *parts, *rest)
        if does not in done and can_follow(kind, first):
            done.add(does)
            yield first


def _readers(kind: ReviewedMapping, neighbour: Neighbour) -> tuple[int, ...]:
    """The pages that a reader has cached: the subject's first and last, and its neighbour's."""
    first, last = max(SUBJECT.start, kind.area.start), min(SUBJECT.end, kind.area.end) - 1
    place = None if neighbour.kind else neighbour.place(SUBJECT)
    return (first, last) if place is None else (first, last, place.start)


def searched(
    kernels: SetUpKernels,
    race: Race,
    seconds: float | None = None,
    other: tuple[RaceModel, frozenset[str]] | None = None,
) -> tuple[RaceModel, Exploration[RaceState]]:
    """Search a pair's schedules on one model: all of them, or as many as the limits allow.

    :param kernels: the model, with kernels left over from other pairs
    :param other: see :class:`RaceModel`
    """
    model = RaceModel(kernels.machine, RaceScope("review", "", (race,)), kernels, other)
    return model, search(model, list(race_properties(ASKED)), states=MOST_STATES, seconds=seconds)
