"""Searches every state reachable from the initial ones, breadth first."""

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Generic, TypedDict, Unpack

from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration, Property, broken_by_step, judgement
from pfnlab.checker.search.frontier import Frontier
from pfnlab.checker.search.model import Model, State, kind
from pfnlab.checker.search.path import path_along
from pfnlab.checker.search.trail import Trail
from pfnlab.checker.search.visited import fingerprint

#: The seconds between progress reports.
TELL_SECONDS = 1.0


class SearchOptions(TypedDict, total=False):
    """Options common to all searches; any may be omitted.

    :ivar depth: maximum number of steps from an initial state
    :ivar states: approximate maximum number of distinct states; once it is reached, no more states are
        expanded
    :ivar seconds: maximum time
    :ivar progress: called about once a second with the result so far
    """

    depth: int | None
    states: int | None
    seconds: float | None
    progress: Callable[[Exploration[Any]], None] | None


def explore(
    model: Model[State], properties: Sequence[Property[State]] = (), **options: Unpack[SearchOptions]
) -> Exploration[State]:
    """Search *model*, judging every state found by *properties*.

    Only a fingerprint of each key is stored (:func:`.visited.fingerprint`). An interrupt (SIGINT) ends the
    search like a limit; a second one raises.
    """
    return _Search(model, properties, options).searched()


class RunningSearch(ABC, Generic[State]):
    """A search in progress: the one loop of all searches, wherever their states are kept."""

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], options: SearchOptions
    ) -> None:
        if unknown := options.keys() - SearchOptions.__annotations__.keys():
            raise TypeError(f"a search has no option {min(unknown)}")
        self.model, self._options = model, options
        self.found = Exploration(properties)
        self.trail = Trail()

    def searched(self) -> Exploration[State]:
        """Run the search until no state waits or a limit is exceeded; return its result."""
        progress = self._options.get("progress")
        self._begin()
        with _interrupts() as self._interrupted:
            begin = last_report = time.monotonic()
            while True:
                now = time.monotonic()
                self.found.seconds = now - begin
                if not self._goes_on():
                    return self.found
                if progress is not None and now - last_report >= TELL_SECONDS:
                    progress(self.found)
                    last_report = now
                self._go_on()

    def _goes_on(self) -> bool:
        """True if the next waiting state should be expanded; if a limit prevents that, record the reason."""
        found, options = self.found, self._options
        found.frontier, at = self._waiting()
        depth, states, seconds = options.get("depth"), options.get("states"), options.get("seconds")
        if not found.frontier:
            return False
        # Every waiting state is at least as deep as the next one.
        if depth is not None and at >= depth:
            found.beyond = f"depth: {number_of(found.frontier, 'state')} at depth {depth} not expanded"
            return False
        if states is not None and found.states >= states:
            reason = f"states: {found.states:,} found,"
        elif seconds is not None and found.seconds >= seconds:
            reason = f"seconds: {seconds:g} passed,"
        elif self._interrupted.is_set():
            reason = "interrupted:"
        else:
            return True
        found.passed.append(f"{reason} {number_of(found.frontier, 'state')} not expanded")
        return False

    @abstractmethod
    def _begin(self) -> None:
        """Find the initial states."""

    @abstractmethod
    def _waiting(self) -> tuple[int, int]:
        """The number of states to expand, and the depth of the next one."""

    @abstractmethod
    def _go_on(self) -> None:
        """Expand the next state."""


class _Search(RunningSearch[State]):
    """A search by this process."""

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], options: SearchOptions
    ) -> None:
        super().__init__(model, properties, options)
        self._of_steps = [question for question in properties if question.of_step]
        self._frontier: Frontier[State] = Frontier(model)
        self._seen: set[int] = set()

    def _begin(self) -> None:
        for choice, state in enumerate(self.model.initial()):
            if self._is_new(state):
                self._admit(self.trail.start(choice), 0, state)

    def _waiting(self) -> tuple[int, int]:
        return len(self._frontier), self._frontier.first()[1] if self._frontier else 0

    def _go_on(self) -> None:
        number, at, state = self._frontier.take()
        found = self.found
        found.expanded += 1
        # Take them one by one, so that each state is judged while the model still has it.
        for choice, (action, after) in enumerate(self.model.successors(state)):
            found.transitions += 1
            found.fired[kind(action)] += 1
            if self._is_new(after):
                self._admit(self.trail.step(number, choice), at + 1, after)
                continue
            for name in broken_by_step(self._of_steps, after, found.discoveries):
                # Such a property is decided by the step, whether or not it leads to a new state.
                found.discoveries[name] = path_along(self.model, *self.trail.way_by(number, choice))

    def _is_new(self, state: State) -> bool:
        before = len(self._seen)
        self._seen.add(fingerprint(self.model.key(state)))
        return len(self._seen) > before

    def _admit(self, number: int, at: int, state: State) -> None:
        """Count a new state, judge it, and queue it."""
        judged = judgement(self.found.properties, state, self.found.discoveries)
        self.found.reached(at, judged, lambda: path_along(self.model, *self.trail.way_to(number)))
        self._frontier.add(number, at, state)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
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
