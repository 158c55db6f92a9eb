"""Searching models whose states are words of 64 bits: less memory, more speed, and compiled where possible.

A packed model writes the successors of a state as words into a buffer, so this compiles to a loop without
objects. The model is written once: it runs everywhere as Python, and compiled with a ``.pxd`` file beside it
(:mod:`.compiling`). :class:`Unpacked` makes an ordinary model of it, for walks and reading.
"""

from __future__ import annotations

import itertools
import sys
import time
from array import array
from collections.abc import Callable, Iterable, MutableSequence, Sequence
from contextlib import nullcontext
from pathlib import Path as File
from typing import Any, Protocol

from pfnlab.checker.search import core
from pfnlab.checker.search.compiling import Inside, fastest
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.frontier import Order
from pfnlab.checker.search.interrupts import interrupts
from pfnlab.checker.search.model import Action
from pfnlab.checker.search.path import Path, path_along
from pfnlab.checker.search.property import Property
from pfnlab.errors import Defect, Misuse
from pfnlab.units import number_of

_STEPS = 20_000
_STRETCH_SECONDS = 0.1
_TELL_SECONDS = 1.0
_MOST_STATES = core.NONE - 1


class PackedModel(Protocol):
    """A transition system over words, at least 0 and below 2⁶⁴. Deterministic, as every model.

    :ivar most: the most successors a state has
    :ivar symmetric: whether :meth:`canonical` changes anything
    :ivar properties: names of properties that must always hold; the first is bit 0 of :meth:`broken`
    """

    @property
    def most(self) -> int: ...

    @property
    def symmetric(self) -> bool: ...

    @property
    def properties(self) -> Sequence[str]: ...

    def initial(self) -> Sequence[int]:
        """The states a run can begin in."""
        ...

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        """Write every state one step from *state* to the beginning of *into*; the number of these states."""
        ...

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Replace each of the first *count* of *states* by the state that stands for its symmetry class."""
        ...

    def broken(self, state: int) -> int:
        """A bit for each property that *state* breaks."""
        ...

    def action(self, before: int, after: int) -> Action:
        """The name of the step."""
        ...


class Unpacked:
    """A packed model as an ordinary one.

    :param inside: gives the context in which each method of the model is called
    """

    def __init__(self, model: PackedModel, inside: Inside = nullcontext) -> None:
        self._model, self._inside = model, inside
        self._into = array("Q", bytes(8 * max(1, model.most)))

    def initial(self) -> Iterable[int]:
        with self._inside():
            return list(self._model.initial())

    def successors(self, state: int) -> list[tuple[Action, int]]:
        with self._inside():
            count = self._model.successors(state, self._into)
            return [(self._model.action(state, after), after) for after in self._into[:count]]

    def key(self, state: int) -> int:
        words = array("Q", [state])
        with self._inside():
            self._model.canonical(words, 1)
        return words[0]


def properties_of(model: PackedModel) -> list[Property[int]]:
    """The properties of a packed model as ordinary ones."""

    def property_of(bit: int, name: str) -> Property[int]:
        return Property(name, "always", lambda state: not model.broken(state) & 1 << bit)

    return [property_of(bit, name) for bit, name in enumerate(model.properties)]


def explore_packed(
    model: PackedModel,
    *,
    order: Order = "breadth",
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    stop_at_first: bool = False,
    progress: Callable[[Exploration[int]], None] | None = None,
    cache: File | None = None,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr),
    inside: Inside = nullcontext,
) -> Exploration[int]:
    """Search a packed model, with the options and the counts of :func:`.explore.explore`.

    With ``depth`` order depths are not counted, and a depth cannot be given.

    :param cache: the folder for compiled modules; None searches in plain Python
    :param say: called with one line about the reason why nothing could be compiled
    :param inside: gives the context in which the model's methods are called, for a short stretch each
    :raises IndexError: a state has more successors than the model's most, or less than none
    :raises ValueError: the model has no initial state, or breaks properties that it does not name
    """
    if depth is not None and order == "depth":
        raise Misuse("a packed search to a depth goes breadth first: leave out the order or the depth")
    module = fastest(File(core.__file__), cache, say) if cache is not None else core
    breadth, plain = order == "breadth", module.__file__ == core.__file__
    begin = last_report = time.monotonic()
    with inside():
        search = Plain(model, breadth) if plain else module.Core(model, model.most, breadth)
        found = Exploration(properties_of(model))
        for state in model.initial():
            search.start(state)
    if not search.count:
        raise ValueError("initial gives no state")
    ends = [0, search.count]  # of the levels: the number of the first state beyond each
    limit = min(states or _MOST_STATES, _MOST_STATES)
    steps = 1
    with interrupts() as interrupted:
        while True:
            _note_broken(model, search, found, inside)
            began = time.monotonic()
            with inside():
                expanded = search.run(ends[-1] if breadth else search.count, limit, steps)
            # As many steps as a stretch has time for, for it can be ended at its end only.
            steps = min(2 * steps, _STEPS) if time.monotonic() - began < _STRETCH_SECONDS else steps // 2 or 1
            if breadth and not search.news and not expanded and search.count > ends[-1]:
                ends.append(search.count)
            _count(search, found, ends, time.monotonic() - begin)
            if not search.waiting() and not search.news:
                break
            if breadth and depth is not None and len(ends) - 2 >= depth and not search.news:
                found.beyond = f"depth: {number_of(search.waiting(), 'state')} at depth {depth} not expanded"
                break
            if reason := _passed(search, found, states, seconds, stop_at_first):
                found.passed.append(reason)
                break
            if interrupted.is_set():
                found.passed.append(f"interrupted: {number_of(search.waiting(), 'state')} not expanded")
                break
            if progress is not None and time.monotonic() - last_report >= _TELL_SECONDS:
                progress(found)
                last_report = time.monotonic()
    _note_broken(model, search, found, inside)
    return found


def _count(search: Any, found: Exploration[int], ends: Sequence[int], seconds: float) -> None:
    found.states, found.transitions = search.count, search.transitions
    found.expanded, found.frontier, found.seconds = search.expanded, search.waiting(), seconds
    if search.breadth:
        bounds = [*ends, search.count] if search.count > ends[-1] else ends
        found.growth = [after - before for before, after in itertools.pairwise(bounds)]
        found.depth = len(found.growth) - 1
    for question in found.properties:
        found.premises[question.name] = search.count


def _passed(
    search: Any, found: Exploration[int], states: int | None, seconds: float | None, first: bool
) -> str | None:
    waiting = f"{number_of(search.waiting(), 'state')} not expanded"
    if first and search.wrong:
        return f"stopped at the first violation: {waiting}"
    if states is not None and found.states >= states:
        return f"states: {found.states:,} found, {waiting}"
    if found.states >= _MOST_STATES:
        return f"states: {found.states:,} found, as many as can be numbered; {waiting}"
    if seconds is not None and found.seconds >= seconds:
        return f"seconds: {seconds:g} passed, {waiting}"
    return None


def _note_broken(model: PackedModel, search: Any, found: Exploration[int], inside: Inside) -> None:
    """Record a way for each property broken since the last call."""
    if not search.news:
        return
    if search.news >> len(found.properties):
        raise ValueError(f"broken gave {search.news}, a bit for a property that is not there")
    way = _way(Unpacked(model, inside), search, search.where)
    for bit, question in enumerate(found.properties):
        if search.news >> bit & 1 and question.name not in found.discoveries:
            found.discoveries[question.name] = way
    search.news = 0


def _way(unpacked: Unpacked, search: Any, number: int) -> Path[int]:
    """The way to state *number*, in real steps: states of the search stand for their symmetry classes."""
    stand_ins = []
    while number != core.NONE:
        stand_ins.append(search.states[number])
        number = search.parents[number]
    *after_first, first = stand_ins
    start = next(at for at, state in enumerate(unpacked.initial()) if unpacked.key(state) == first)
    state = list(unpacked.initial())[start]
    choices = []
    for stand_in in reversed(after_first):
        for choice, (_, after) in enumerate(unpacked.successors(state)):
            if unpacked.key(after) == stand_in:
                choices.append(choice)
                state = after
                break
        else:
            raise Defect("states that stand for each other have different successors: the symmetry is wrong")
    return path_along(unpacked, start, choices)


class Plain:
    """:class:`.core.Core` with Python's own set, which is faster than its table where nothing is compiled."""

    def __init__(self, model: PackedModel, breadth: bool) -> None:
        self.model, self.breadth = model, breadth
        self.states = array("Q")
        self.parents = array("I")
        self.transitions = self.expanded = self.next = self.wrong = self.news = self.where = 0
        self._visited: set[int] = set()
        self._stack: list[int] = []
        self._into = [0] * max(1, model.most)

    @property
    def count(self) -> int:
        return len(self.states)

    def waiting(self) -> int:
        return len(self.states) - self.next if self.breadth else len(self._stack)

    def start(self, state: int) -> None:
        self._into[0] = state
        if self.model.symmetric:
            self.model.canonical(self._into, 1)
        self._admit(core.NONE, 1)

    def run(self, until: int, limit: int, steps: int) -> int:
        successors, canonical, symmetric = self.model.successors, self.model.canonical, self.model.symmetric
        into, states, stack, admit, most = self._into, self.states, self._stack, self._admit, self.model.most
        done = transitions = 0
        while done < steps and len(states) < limit and not self.news:
            if self.breadth:
                if self.next >= until or self.next >= len(states):
                    break
                number = self.next
                self.next += 1
            else:
                if not stack:
                    break
                number = stack.pop()
            found = successors(states[number], into)
            if not 0 <= found <= most:
                raise IndexError(f"successors gave {found} states")
            if symmetric:
                canonical(into, found)
            transitions += found
            admit(number, found)
            done += 1
        self.transitions += transitions
        self.expanded += done
        return done

    def _admit(self, parent: int, found: int) -> None:
        visited, broken = self._visited, self.model.broken
        for state in self._into[:found]:
            if state not in visited:
                visited.add(state)
                self.states.append(state)
                self.parents.append(parent)
                if not self.breadth:
                    self._stack.append(len(self.states) - 1)
                if new := broken(state) & ~self.wrong:
                    self.news |= new
                    self.wrong |= new
                    self.where = len(self.states) - 1
