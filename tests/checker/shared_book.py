"""The small specification that many checkers were measured on.

A BAR, at most three VMAs in two processes, and a book of counted reservations. Rules: map, munmap whole,
head, tail or middle, shrink, fork, exit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import NamedTuple, TypeVar

from small_models import always

from pfnlab.checker.search.exploration import Property

Slot = TypeVar("Slot")

SLOTS = 3


class Vma(NamedTuple):
    """A VMA of process 1 or 2: its pages, half-open, and the slot of its reservation."""

    task: int
    start: int
    end: int
    entry: int


class Entry(NamedTuple):
    """A reservation: its pages, half-open, its cache mode, and the number of its VMAs."""

    start: int
    end: int
    mode: int
    users: int


class State(NamedTuple):
    """Slots of VMAs and of reservations, None where one is free, and whether process 2 lives."""

    vmas: tuple[Vma | None, ...] = (None,) * SLOTS
    book: tuple[Entry | None, ...] = (None,) * SLOTS
    alive: bool = False


class Book:
    """The specification for a BAR of *pages*.

    :param symmetric: states that differ only in the order of VMAs and of reservations count as one
    """

    def __init__(self, pages: int, symmetric: bool = False) -> None:
        self.symmetric = symmetric
        self.ranges = [(start, end) for start in range(pages) for end in range(start + 1, pages + 1)]

    def initial(self) -> list[State]:
        return [State()]

    def successors(self, state: State) -> Iterator[tuple[str, State]]:
        if None in state.vmas:
            yield from self._maps(state)
        for slot, vma in enumerate(state.vmas):
            if vma is not None:
                yield from self._cuts(state, slot, vma)
        if state.alive:
            yield "exit 2", _exited(state, 2)._replace(alive=False)
        elif (forked := _forked(state)) is not None:
            yield "fork", forked
        if any(vma is not None and vma.task == 1 for vma in state.vmas):
            yield "exit 1", _exited(state, 1)

    def key(self, state: State) -> Hashable:
        if not self.symmetric:
            return state
        users: list[list[tuple[int, int, int]]] = [[] for _ in state.book]
        for vma in state.vmas:
            if vma is not None:
                users[vma.entry].append(vma[:3])
        pairs = zip(state.book, users, strict=True)
        return state.alive, tuple(sorted((entry, *sorted(of)) for entry, of in pairs if entry is not None))

    def _maps(self, state: State) -> Iterator[tuple[str, State]]:
        slot, entry = state.vmas.index(None), state.book.index(None)
        for start, end in self.ranges:
            for mode in (0, 1):
                if any(_overlap(other, start, end) and other.mode != mode for other in state.book if other):
                    continue
                book = _with(state.book, entry, Entry(start, end, mode, 1))
                for task in (1, 2) if state.alive else (1,):
                    vmas = _with(state.vmas, slot, Vma(task, start, end, entry))
                    yield f"map {task} {start} {end} {mode}", State(vmas, book, state.alive)

    def _cuts(self, state: State, slot: int, vma: Vma) -> Iterator[tuple[str, State]]:
        entry = state.book[vma.entry]
        assert entry is not None
        for start, end in self.ranges:
            if start < vma.start or end > vma.end:
                continue
            vmas, book = state.vmas, state.book
            if (start, end) == (vma.start, vma.end):
                vmas, book = _with(vmas, slot, None), _counted(book, vma.entry, -1)
            elif start == vma.start:
                vmas = _with(vmas, slot, vma._replace(start=end))
            elif end == vma.end:
                vmas = _with(vmas, slot, vma._replace(end=start))
            elif None in vmas:
                vmas = _with(vmas, slot, vma._replace(end=start))
                vmas = _with(vmas, vmas.index(None), vma._replace(start=end))
                book = _counted(book, vma.entry, 1)
            else:
                continue
            yield f"munmap {slot} {start} {end}", State(vmas, book, state.alive)
        for end in range(vma.start + 1, vma.end):
            vmas, book = _with(state.vmas, slot, vma._replace(end=end)), state.book
            if entry.users == 1 and entry.end == vma.end:
                book = _with(book, vma.entry, entry._replace(end=end))
            yield f"shrink {slot} {end}", State(vmas, book, state.alive)


def _forked(state: State) -> State | None:
    """The state with a copy of process 1; None where there is no room."""
    vmas, book = state.vmas, state.book
    for vma in state.vmas:
        if vma is not None and vma.task == 1:
            if None not in vmas:
                return None
            vmas = _with(vmas, vmas.index(None), vma._replace(task=2))
            book = _counted(book, vma.entry, 1)
    return State(vmas, book, True)


def _exited(state: State, task: int) -> State:
    """The state without the VMAs of *task*."""
    vmas, book = state.vmas, state.book
    for slot, vma in enumerate(vmas):
        if vma is not None and vma.task == task:
            vmas, book = _with(vmas, slot, None), _counted(book, vma.entry, -1)
    return State(vmas, book, state.alive)


def _with(slots: tuple[Slot | None, ...], at: int, content: Slot | None) -> tuple[Slot | None, ...]:
    return (*slots[:at], content, *slots[at + 1 :])


def _counted(book: tuple[Entry | None, ...], at: int, change: int) -> tuple[Entry | None, ...]:
    entry = book[at]
    assert entry is not None
    users = entry.users + change
    return _with(book, at, entry._replace(users=users) if users else None)


def _overlap(entry: Entry, start: int, end: int) -> bool:
    return entry.start < end and start < entry.end


def _inside(state: State) -> bool:
    entries = ((vma, state.book[vma.entry]) for vma in state.vmas if vma is not None)
    return all(entry and entry.start <= vma.start and vma.end <= entry.end for vma, entry in entries)


def _right_counts(state: State) -> bool:
    users = [vma.entry for vma in state.vmas if vma is not None]
    return all((entry.users if entry else 0) == users.count(at) for at, entry in enumerate(state.book))


def _one_mode(state: State) -> bool:
    entries = [entry for entry in state.book if entry is not None]
    return not any(
        one.mode != other.mode and _overlap(one, other.start, other.end)
        for one in entries
        for other in entries
    )


RULES: list[Property[State]] = [
    always("a VMA lies inside its reservation", _inside),
    always("counts are right", _right_counts),
    always("overlaps have one mode", _one_mode),
]
