"""Searches every state reachable from the initial ones, breadth or depth first."""

import signal
import threading
import time
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import chain
from pathlib import Path as File
from types import FrameType
from typing import Any, TypedDict, Unpack

from pfnlab.base.errors import Misuse
from pfnlab.base.units import number_of
from pfnlab.checker.search.checkpoint import Checkpoint, Progress, Settings
from pfnlab.checker.search.exploration import Exploration, Property, broken_by_step, judgement
from pfnlab.checker.search.frontier import Frontier, Order, Waiting, storage
from pfnlab.checker.search.model import Model, State, kind
from pfnlab.checker.search.path import path_along
from pfnlab.checker.search.scratch import scratch
from pfnlab.checker.search.trail import Trail
from pfnlab.checker.search.visited import Fingerprints, NumberedFingerprints, VisitedStates

#: The prefix of folders for states that do not fit into memory.
FOLDERS = "pfnlab-spilled-"

#: The seconds between progress reports, and between saves.
TELL_SECONDS, SAVE_SECONDS = 1.0, 60.0


class SearchOptions(TypedDict, total=False):
    """Options common to all searches; any may be omitted.

    :ivar depth: maximum number of steps from an initial state
    :ivar states: approximate maximum number of distinct states; once it is reached, no more states are
        expanded
    :ivar seconds: maximum time
    :ivar stop_at_first: end as soon as an ``always`` property is violated
    :ivar progress: called about once a second with the result so far
    :ivar save: the file to which the search is written every minute and when it is cut off
    :ivar resume: the file of a saved search to resume; limits may differ
    """

    depth: int | None
    states: int | None
    seconds: float | None
    stop_at_first: bool
    progress: Callable[[Exploration[Any]], None] | None
    save: File | None
    resume: File | None


def explore(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    order: Order = "breadth",
    memory: int | None = None,
    **options: Unpack[SearchOptions],
) -> Exploration[State]:
    """Search *model*, judging every state found by *properties*.

    Only a fingerprint of each key is stored (:func:`.visited.fingerprint`). An interrupt (SIGINT) ends the
    search like a limit; a second one raises.

    :param order: ``breadth`` finds shortest paths; ``depth`` keeps fewer waiting states
    :param memory: approximate maximum size of fingerprints and waiting states in memory, in bytes; the rest
        goes to disk. Paths take another six bytes per state
    :raises Misuse: if options exclude each other, the saved search is of something else, or states cannot be
        saved (:class:`.model.Storable`)
    :raises Undecided: if there is no room on disk
    """
    depth = options.get("depth")
    numbered = order == "depth" and depth is not None
    if numbered and memory is not None:
        raise Misuse("memory does not go with depth-first order to a depth: leave one out")
    with nullcontext() if memory is None else scratch(FOLDERS) as folder:
        search = _Search(model, properties, order, depth)
        if numbered:
            search.visited = search.numbers = NumberedFingerprints()
        else:
            search.visited, search.frontier = storage(model, order, memory, folder)
        settings: Settings = {"order": order}
        if order == "depth":
            settings["depth"] = depth
        return search.searched(settings, options)


class SearchLimits:
    """The limits that end a search before it is complete.

    :param first: whether to end at the first violation
    :param interrupted: set when the user wants the search to end
    """

    def __init__(
        self, states: int | None, seconds: float | None, first: bool, interrupted: threading.Event
    ) -> None:
        self._states, self._seconds, self._first = states, seconds, first
        self._interrupted = interrupted

    def passed(self, found: Exploration[State]) -> str | None:
        """The reason to end now; None to continue."""
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


class RunningSearch(Progress[State], ABC):
    """A search in progress, which can be saved and resumed."""

    model: Model[State]
    properties: Sequence[Property[State]]
    checkpoint: Checkpoint[State] | None = None

    def searched(self, settings: Settings, options: SearchOptions) -> Exploration[State]:
        """Run the search until no state waits or a limit is exceeded; return its result."""
        if unknown := options.keys() - SearchOptions.__annotations__.keys():
            raise TypeError(f"a search has no option {min(unknown)}")
        save, resume = options.get("save"), options.get("resume")
        if save is not None or resume is not None:
            self.checkpoint = Checkpoint(self.model, self.properties, settings)
            if save is not None:
                self.checkpoint.prepare(save)
        if resume is None:
            self._begin()
        else:
            self._resume(resume)
        with interrupts() as interrupted:
            first = options.get("stop_at_first", False)
            self.limits = SearchLimits(options.get("states"), options.get("seconds"), first, interrupted)
            self._run(options.get("progress"), save)
        if save is not None and self.found.cut:
            self._write(save)
        return self.found

    def _run(self, progress: Callable[[Exploration[Any]], None] | None, save: File | None) -> None:
        last_report = last_save = begin = time.monotonic()
        before = self.found.seconds
        while True:
            now = time.monotonic()
            self.found.seconds = before + now - begin
            if not self._goes_on():
                break
            if progress is not None and now - last_report >= TELL_SECONDS:
                progress(self.found)
                last_report = now
            if save is not None and now - last_save >= SAVE_SECONDS:
                self._write(save)
                last_save = now
            self._go_on()

    def _write(self, file: File) -> None:
        assert self.checkpoint is not None
        self.checkpoint.write(file, self, self._waiting())

    @abstractmethod
    def _begin(self) -> None:
        """Find the initial states."""

    @abstractmethod
    def _resume(self, file: File) -> None:
        """Load a saved search."""

    @abstractmethod
    def _waiting(self) -> Iterator[Waiting[State]]:
        """The waiting states, by ascending number."""

    @abstractmethod
    def _goes_on(self) -> bool:
        """True if another waiting state should be expanded; otherwise, record the reason."""

    @abstractmethod
    def _go_on(self) -> None:
        """Expand the next state."""


class _Search(RunningSearch[State]):
    """A search by this process."""

    #: Breadth first, the first path to a state is a shortest one. Depth first, a later path may be shorter,
    #: which may bring states after it within the depth after all. So states are numbered and can be reopened.
    numbers: NumberedFingerprints | None = None

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], order: Order, depth: int | None
    ) -> None:
        self.model, self.properties, self.depth = model, properties, depth
        self.of_steps = [question for question in properties if question.of_step]
        self.found = Exploration(properties)
        self.frontier: Frontier[State] = Frontier(order)
        self.visited: VisitedStates = Fingerprints()
        self.trail = Trail()
        self.breadth = order == "breadth"
        self.depths = array("I")
        self.closed = bytearray()
        self.beyond: dict[int, tuple[int, State]] = {}

    def _begin(self) -> None:
        for choice, state in enumerate(self.model.initial()):
            if self.visited.add(self.model.key(state), len(self.trail)):
                self._admit(self.trail.start(choice), 0, state)

    def _resume(self, file: File) -> None:
        assert self.checkpoint is not None
        self.checkpoint.read(file, self, self.frontier.add)

    def _waiting(self) -> Iterator[Waiting[State]]:
        beyond = ((number, at, state) for number, (at, state) in self.beyond.items())
        return chain(self.frontier.everything(), beyond)

    def _goes_on(self) -> bool:
        found = self.found
        found.states, found.frontier = len(self.trail), len(self.frontier)
        # Breadth first, every waiting state is at least as deep as the next one.
        deepest = self.depth if self.breadth else None
        if self.frontier and (deepest is None or self.frontier.first_depth() < deepest):
            if (reason := self.limits.passed(found)) is None:
                return True
            found.passed.append(reason)
        self._note_depth_cut()
        return False

    def _go_on(self) -> None:
        self._expand(*self.frontier.take())

    def _note_depth_cut(self) -> None:
        waiting = sum(not self.closed[number] for number in self.beyond)
        if self.frontier and not self.found.cut:
            waiting = len(self.frontier)
        if waiting:
            self.found.beyond = f"depth: {number_of(waiting, 'state')} at depth {self.depth} not expanded"

    def _expand(self, number: int, at: int, state: State) -> None:
        if self.numbers is not None:
            at = self.depths[number]
            if self.depth is not None and at >= self.depth:
                self.beyond[number] = at, state
                return
        reopened = self._close(number)
        # Take them one by one, so that each state is judged while the model still has it.
        for choice, (action, after) in enumerate(self.model.successors(state)):
            if not reopened:
                self.found.transitions += 1
                self.found.fired[kind(action)] += 1
            key = self.model.key(after)
            new = len(self.trail)
            if self.visited.add(key, new):
                self._admit(self.trail.step(number, choice), at + 1, after)
                continue
            for name in broken_by_step(self.of_steps, after, self.found.discoveries):
                # Such a property is decided by the step, whether or not it leads to a new state.
                self.found.discoveries[name] = path_along(self.model, *self.trail.way_by(number, choice))
            if self.numbers is not None:
                earlier = self.numbers.peek(key)
                if earlier is not None and at + 1 < self.depths[earlier]:
                    self.trail.move(earlier, number, choice)
                    self.depths[earlier] = at + 1
                    self.frontier.add(earlier, at + 1, after)

    def _close(self, number: int) -> bool:
        """Mark a state as expanded; return whether it already was."""
        reopened = False
        if self.numbers is not None:
            reopened = bool(self.closed[number])
            self.closed[number] = 1
        self.found.expanded += not reopened
        return reopened

    def _admit(
        self, number: int, at: int, state: State, judged: Iterable[tuple[str, bool]] | None = None
    ) -> None:
        """Count a new state, judge it unless it is already *judged*, and queue it."""
        if judged is None:
            judged = judgement(self.properties, state, self.found.discoveries)
        if self.numbers is not None:
            self.closed.append(0)
            self.depths.append(at)
        self.found.reached(at, judged, lambda: path_along(self.model, *self.trail.way_to(number)))
        self.frontier.add(number, at, state)


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """An event set by the first SIGINT; a second one has its usual effect."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
