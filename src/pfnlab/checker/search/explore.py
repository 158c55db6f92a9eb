"""The search: every state reachable from the initial ones, breadth or depth first."""

from __future__ import annotations

import pickle
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from itertools import chain
from pathlib import Path as File

from pfnlab.checker.search.checkpoint import Checkpoint, Progress, Settings
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.frontier import Frontier, Order
from pfnlab.checker.search.interrupts import interrupts
from pfnlab.checker.search.model import Model, State, kind
from pfnlab.checker.search.path import path_along
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.reduction import Ample
from pfnlab.checker.search.scratch import scratch
from pfnlab.checker.search.trail import Trail
from pfnlab.checker.search.visited import Keeping, Keys, Numbered, Spilling
from pfnlab.errors import Misuse
from pfnlab.units import number_of

#: How the names of folders begin in which searches keep what does not go into memory.
FOLDERS = "pfnlab-spilled-"

_TELL_SECONDS, _SAVE_SECONDS = 1.0, 60.0


def explore(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    order: Order = "breadth",
    depth: int | None = None,
    states: int | None = None,
    seconds: float | None = None,
    stop_at_first: bool = False,
    progress: Callable[[Exploration[State]], None] | None = None,
    ample: Ample[State] | None = None,
    keep: Keeping = "exact",
    memory: int | None = None,
    save: File | None = None,
    resume: File | None = None,
) -> Exploration[State]:
    """Search *model* and hold *properties* against every state found.

    An interrupt (SIGINT) ends the search as a limit does; a second one raises.

    :param order: ``breadth`` finds shortest ways; ``depth`` holds fewer states at a time
    :param depth: steps from an initial state at most
    :param states: distinct states, about; none is expanded once there are as many
    :param seconds: time at most
    :param stop_at_first: end when an ``always`` property is broken
    :param progress: called about once a second with what there is so far
    :param ample: partial-order reduction; ways found with it are not always shortest
    :param keep: ``compact`` keeps a 64-bit fingerprint of each key, see :func:`.visited.fingerprint`
    :param memory: bytes that fingerprints and waiting states may take, about; what is more goes to disk.
        Implies ``compact``. Six bytes a state for the ways come on top
    :param save: write the search here every minute, and when it is cut
    :param resume: go on with the search written here; limits may differ
    :raises Misuse: options that do not go together, a saved search of something else, or states that cannot
        be saved (:class:`.model.Kept`)
    :raises Undecided: there is no room on disk
    """
    numbered = ample is not None or (order == "depth" and depth is not None)
    if numbered and memory is not None:
        raise Misuse("memory goes with neither ample nor depth-first order to a depth: leave one out")
    with nullcontext() if memory is None else scratch(FOLDERS) as folder:
        search = _Search(model, properties, order, depth, ample)
        if memory is not None and folder is not None:
            keep = "compact"
            search.visited = Spilling(memory * 3 // 4, folder)
            search.frontier = Frontier(order, folder, part=_part(model, memory // 4))
        else:
            search.visited = search.numbers = Numbered(keep)
            if not numbered:
                search.visited, search.numbers = Keys(keep), None
        settings: Settings = {"order": order, "keep": keep, "reduced": ample is not None}
        if order == "depth":
            settings["depth"] = depth
        if save is not None or resume is not None:
            search.checkpoint = Checkpoint(model, properties, settings)
            if save is not None:
                search.checkpoint.prepare(save)
        search.begin(resume)
        with interrupts() as interrupted:
            limits = SearchLimits(states, seconds, stop_at_first, interrupted)
            search.run(limits, progress, save)
        if save is not None and search.found.cut:
            search.write(save)
        return search.found


class SearchLimits:
    """When to end a search that could go on.

    :param states: distinct states, about
    :param seconds: time at most
    :param first: end with the first violation
    :param interrupted: set when the user wants it to end
    """

    def __init__(
        self, states: int | None, seconds: float | None, first: bool, interrupted: threading.Event
    ) -> None:
        self._states, self._seconds, self._first = states, seconds, first
        self._interrupted = interrupted

    def passed(self, found: Exploration[State]) -> str | None:
        """Why to end now; None to go on."""
        waiting = f"{number_of(found.frontier, 'state')} not expanded"
        if self._first and found.violated:
            return f"stopped at the first violation: {waiting}"
        if self._states is not None and found.states >= self._states:
            return f"states: {found.states:,} found, {waiting}"
        if self._seconds is not None and found.seconds >= self._seconds:
            return f"seconds: {self._seconds:g} passed, {waiting}"
        if self._interrupted.is_set():
            return f"interrupted: {waiting}"
        return None


class _Search(Progress[State]):
    """A search under way."""

    numbers: Numbered | None = None
    checkpoint: Checkpoint[State] | None = None

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        order: Order,
        depth: int | None,
        ample: Ample[State] | None,
    ) -> None:
        self.model, self.properties, self.depth, self.ample = model, properties, depth, ample
        self.found = Exploration(properties)
        self.frontier: Frontier[State] = Frontier(order)
        self.trail = Trail()
        # Breadth first, the first way to a state is a shortest one; depth first, a later way may be shorter,
        # and what lies behind the state then is within the depth after all.
        self.reopens = order == "depth" and depth is not None
        self.breadth = order == "breadth"
        self.depths = array("I")
        self.closed = bytearray()
        self.beyond: dict[int, tuple[int, State]] = {}

    def begin(self, resume: File | None) -> None:
        """Find the initial states, or take over a saved search."""
        if resume is None:
            for choice, state in enumerate(self.model.initial()):
                if self.visited.add(self.model.key(state), len(self.trail)):
                    self._admit(self.trail.start(choice), 0, state)
            return
        assert self.checkpoint is not None
        self.checkpoint.read(resume, self, self.frontier.add)

    def write(self, file: File) -> None:
        """Save the search."""
        assert self.checkpoint is not None
        beyond = ((number, at, state) for number, (at, state) in self.beyond.items())
        self.checkpoint.write(file, self, chain(self.frontier.everything(), beyond))

    def run(
        self,
        limits: SearchLimits,
        progress: Callable[[Exploration[State]], None] | None,
        save: File | None,
    ) -> None:
        """Expand what waits until nothing does or a limit passes."""
        found, frontier = self.found, self.frontier
        told = saved = begin = time.monotonic()
        before = found.seconds
        while True:
            now = time.monotonic()
            found.seconds = before + now - begin
            found.states, found.frontier = len(self.trail), len(frontier)
            if not frontier or self._at_depth():
                break
            if (why := limits.passed(found)) is not None:
                found.cut.append(why)
                break
            if progress is not None and now - told >= _TELL_SECONDS:
                progress(found)
                told = now
            if save is not None and now - saved >= _SAVE_SECONDS:
                self.write(save)
                saved = now
            self._expand(*frontier.take())
        self._say_what_lies_beyond()

    def _at_depth(self) -> bool:
        # Breadth first, all that waits is as deep as what is next.
        return self.breadth and self.depth is not None and self.frontier.first_depth() >= self.depth

    def _say_what_lies_beyond(self) -> None:
        waiting = sum(not self.closed[number] for number in self.beyond)
        if self.frontier and not self.found.cut:
            waiting = len(self.frontier)
        if waiting:
            self.found.cut.append(f"depth: {number_of(waiting, 'state')} at depth {self.depth} not expanded")

    def _expand(self, number: int, at: int, state: State) -> None:
        if self.reopens:
            at = self.depths[number]
            if self.depth is not None and at >= self.depth:
                self.beyond[number] = at, state
                return
        again = self._close(number)
        # One by one, so that a state can be judged while the model still has it at hand.
        steps: Iterable[tuple[int, tuple[object, State]]] = enumerate(self.model.successors(state))
        if self.ample is not None:
            steps = self._picked(state, list(steps))
        for choice, (action, after) in steps:
            if not again:
                self.found.transitions += 1
                self.found.fired[kind(action)] += 1
            key = self.model.key(after)
            new = len(self.trail)
            if self.visited.add(key, new):
                self._admit(self.trail.step(number, choice), at + 1, after)
            elif self.reopens and self.numbers is not None:
                known = self.numbers.peek(key)
                if known is not None and at + 1 < self.depths[known]:
                    self.trail.move(known, number, choice)
                    self.depths[known] = at + 1
                    self.frontier.add(known, at + 1, after)

    def _close(self, number: int) -> bool:
        """Mark a state as expanded; whether it was before."""
        again = False
        if self.numbers is not None:
            again = bool(self.closed[number])
            self.closed[number] = 1
        self.found.expanded += not again
        return again

    def _picked(
        self, state: State, steps: list[tuple[int, tuple[object, State]]]
    ) -> list[tuple[int, tuple[object, State]]]:
        assert self.ample is not None and self.numbers is not None
        picked = self.ample(state, [step for _, step in steps])
        if not picked:
            return steps
        few = [steps[number] for number in picked]
        for _, (_, after) in few:
            known = self.numbers.peek(self.model.key(after))
            if known is None or not self.closed[known]:
                return few
        # All lead back: were only they taken, the others might be put off for ever.
        return steps

    def _admit(self, number: int, at: int, state: State) -> None:
        """Count a new state, hold the properties against it, and let it wait."""
        if self.numbers is not None:
            self.closed.append(0)
        if self.reopens:
            self.depths.append(at)
        self.found.reached(at, state, lambda: path_along(self.model, *self.trail.way_to(number)))
        self.frontier.add(number, at, state)


def _part(model: Model[State], limit: int) -> int:
    """How many states go in one part of a frontier so that four parts take *limit* bytes, about."""
    size = max((len(pickle.dumps(state)) for state in model.initial()), default=64)
    # In memory a state takes a few times what it takes pickled.
    return max(64, limit // (4 * 4 * size))
