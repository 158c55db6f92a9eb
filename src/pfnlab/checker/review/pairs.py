"""Schedules of a review: two operations beside each other, and a reader that remembers, in every order.

What an owner is told while another operation is under way comes first; then every pair of operations that
change mappings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.base.errors import ProgramError
from pfnlab.checker.races.race import RaceModel, RaceState, race_properties
from pfnlab.checker.races.schedules import search
from pfnlab.checker.review.grounds import FAR, KINDS, NEAR, NEIGHBOURS, MappingKind, Neighbour, header, setup
from pfnlab.checker.scopes.properties import RACE_QUESTIONS, STATE_QUESTIONS, Question
from pfnlab.checker.scopes.scope import Race, RaceScope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine

#: All that has to hold of a schedule.
ASKED: tuple[Question, ...] = tuple(
    question for question in (*RACE_QUESTIONS, *STATE_QUESTIONS) if question.kind == "always"
)

#: A schedule is searched for so many states at most.
MOST_STATES = 20_000

#: The operations of the first task.
_FIRST = (
    "munmap a[510:514]",
    f"munmap {NEAR}",
    f"munmap a[506:{FAR + 8}]",
    "munmap a[510:511]",
    "mmap anon[0:2] private rw over a[510:512]",
    "b = mremap a[510:514] 4 pages maymove fixed",
    "mremap a[510:514] 2 pages",
    "madvise a[510:514] dontneed",
    f"madvise {NEAR} dontneed",
    "mprotect a[510:514] none",
    "zap_vma_ptes a[510:514]",
    "c = fork",
    "memory_disable bar",
)

#: The operations beside it: first the owner's, who learns that frames are free.
_OWNER = "unmap_mapping_range bar[0:32]"
_BESIDE = (
    "munmap a[510:514]",
    "read a[510]",
    "zap_vma_ptes a[510:514]",
    "mmap anon[0:2] private rw over a[510:512]",
    "d = mremap a[510:514] 4 pages maymove fixed",
    "madvise a[510:514] dontneed",
    "request_mem_region bar[8:12]",
    "mprotect a[510:514] none",
    "d = fork",
    "memory_disable bar",
)

#: The neighbours that an order of functions may depend on: what is unlinked, flushed and freed together.
_BESIDE_EACH_OTHER = (
    *("alone", "ordinary memory in front", "ordinary memory behind", "a page table away"),
    *("behind it, touching", "in front of it"),
)
_NEIGHBOURS = tuple(
    neighbour for name in _BESIDE_EACH_OTHER for neighbour in NEIGHBOURS if neighbour.name == name
)


class OperationPair(NamedTuple):
    """Two operations beside each other on a ground.

    :param reader: a page that a third task read before and reads beside them; None without one
    """

    kind: MappingKind
    neighbour: Neighbour
    first: str
    second: str
    reader: int | None

    @property
    def name(self) -> str:
        """The pair in words."""
        return f"{self.first} beside {self.second}; {self.kind.name}, {self.neighbour.name}"

    def race(self) -> Race | None:
        """The pair to be searched; None where it is no program."""
        before = [*setup(self.kind, self.neighbour), "t = thread"]
        beside = [self.first, f"t: {self.second}"]
        if self.reader is not None:
            before += ["s = thread", f"s: read a[{self.reader}]"]
            beside.append(f"s: read a[{self.reader}]")
        try:
            program = parse(header(self.kind) + "\n".join([*before, *beside]) + "\n", "review")
        except ProgramError:
            return None
        return Race(program, program.ops[: len(before)], program.ops[len(before) :])


def owners() -> Iterator[OperationPair]:
    """An owner's revocation beside every operation, with a reader that remembers."""
    for neighbour in _NEIGHBOURS:
        for kind in KINDS:
            if kind.revoked:
                for first in _FIRST:
                    for reader in _readers(neighbour):
                        yield OperationPair(kind, neighbour, first, _OWNER, reader)


def pairs() -> Iterator[OperationPair]:
    """Every pair of other operations."""
    for neighbour in _NEIGHBOURS:
        for kind in KINDS:
            for first in _FIRST:
                yield from (OperationPair(kind, neighbour, first, second, None) for second in _BESIDE)


def _readers(neighbour: Neighbour) -> tuple[int, ...]:
    """The pages that a reader remembers: the subject's first and last, and its neighbour's."""
    if neighbour.area and not neighbour.line:
        return 510, 513, int(neighbour.area.partition("[")[2].partition(":")[0])
    return 510, 513


def searched(
    machine: ModelMachine, race: Race, seconds: float | None = None
) -> tuple[RaceModel, Exploration[RaceState]]:
    """The schedules of a pair on one model: all of them, or as far as the limits allow."""
    model = RaceModel(machine, RaceScope("review", "", (race,)))
    return model, search(model, list(race_properties(ASKED)), states=MOST_STATES, seconds=seconds)
