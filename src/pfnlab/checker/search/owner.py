"""One owner of part of a search's states: it stores the keys in its part and expands the states.

A state's fingerprint determines which part it belongs to. A search with owners proceeds in rounds
(:mod:`.partitioned`). In each round, every owner expands some of its states in numerical order, and sorts the
steps by the owners of the states they lead to. Then every owner takes the states sent to it, and decides
which are new, up to the progress of the slowest owner. If several steps lead to one state, the first of them
counts, as in a search by one process. The first is the one with the lowest tag: the number of the preceding
state, then the number of the choice.
"""

from __future__ import annotations

import marshal
import pickle
import time
import traceback
from array import array
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import chain, takewhile
from operator import itemgetter
from typing import Any, Generic, NamedTuple, TypeVar

from pfnlab.base.errors import Defect, PfnlabError
from pfnlab.checker.search.exploration import Property, broken_by_step, judgement
from pfnlab.checker.search.frontier import Frontier, Waiting
from pfnlab.checker.search.known_steps import KnownSteps, spread
from pfnlab.checker.search.model import ComposedModel, CountingModel, Model, State, UnmetError, kind
from pfnlab.checker.search.path import path_along
from pfnlab.checker.search.visited import fingerprint

#: The number of an initial state and the choices from there.
ChoiceWay = tuple[int, Sequence[int]]

#: The judgement of a state; see :func:`.exploration.judgement`.
Judged = tuple[tuple[str, bool], ...]

#: The steps from one state: how many there are of each kind, the model's counts for them, and for each
#: property they violate, the first choice that does so.
StepCounts = tuple[tuple[tuple[str, int], ...], tuple[Any, ...] | None, tuple[tuple[str, int], ...]]

#: A state on its way to its owner: the tag of the step that leads to it, the fingerprint of its key, the
#: state or its parts (:class:`.model.ComposedModel`), and its judgement.
SentState = tuple[int, int, Any, Judged]

Value = TypeVar("Value", bound=Hashable)

#: The number of bits in a tag that hold the choice.
_CHOICE_BITS = 32


def part_of(mark: int, parts: int) -> int:
    """The part, counted from 0, that the state with fingerprint *mark* belongs to."""
    return spread(mark) % parts


def tag_of(parent: int, choice: int) -> int:
    """The position of a step in the order in which one process would take all steps."""
    return parent << _CHOICE_BITS | choice


def step_of(tag: int) -> tuple[int, int]:
    """The number of the state before the step, and the choice."""
    return tag >> _CHOICE_BITS, tag & ((1 << _CHOICE_BITS) - 1)


class Round(NamedTuple):
    """A request to all owners to expand states.

    :param number: the number of the round, counted from 0
    :param next: the number of the first state whose steps the search has not taken yet
    :param end: states from this number on are not expanded yet
    :param decided: properties decided before this round; they are not judged again
    :param seconds: the time after which an owner stops at its current state
    :param states: the maximum number of states each owner expands; None for no limit
    """

    number: int
    next: int
    end: int
    decided: Set[str]
    seconds: float
    states: int | None = None


class OwnerProgress(NamedTuple):
    """The progress of an owner.

    :param end: the owner has expanded all its states with lower numbers, in this or an earlier round
    :param unmet: the number of a state that refers to something unknown to this process, or None; if set,
        call :meth:`Owner.go_on`
    """

    end: int
    unmet: int | None


class RoundAnswer(NamedTuple):
    """One owner's answer in one round.

    :param tags: the tags of the new states in its part, in order
    :param marks: their fingerprints
    :param judged: their judgements
    :param numbers: the numbers of the states whose steps belong to this round, in order
    :param counts: the counts from each state's steps
    :param error: the number of a state whose steps could not be generated, and the reason; no later state was
        expanded
    """

    tags: array[int]
    marks: array[int]
    judged: list[Judged]
    numbers: array[int]
    counts: list[StepCounts]
    error: tuple[int, Exception] | None


class OwnerData(NamedTuple):
    """All the data an owner needs to adopt its part.

    :param marks: the fingerprints of its states
    :param ways: the path to each waiting state, by state number
    """

    marks: array[int]
    ways: Mapping[int, ChoiceWay]


class LostPartError(Exception):
    """An owner was asked for a round, but its part is not in the state that the previous round left."""


class Owner(Generic[State]):
    """Owns one part of the states.

    :param met: the steps met by owners in forked processes; None for only this owner's steps
    """

    def __init__(
        self,
        model: Model[State],
        properties: Sequence[Property[State]],
        part: int,
        parts: int,
        met: KnownSteps | None = None,
    ) -> None:
        self._model, self._properties = model, properties
        self._of_steps = [question for question in properties if question.of_step]
        self._part, self._parts = part, parts
        self._met = KnownSteps() if met is None else met
        self._composed = model if isinstance(model, ComposedModel) else None
        self._same: dict[Any, Any] = {}
        self._take_nothing_over(-1)

    def take_over(self, round_: int, holding: OwnerData) -> None:
        """Adopt a part as it is at the beginning of a round, replacing any earlier one."""
        self._take_nothing_over(round_)
        self._visited.update(holding.marks)
        for number, state in sorted(states_along(self._model, holding.ways), key=itemgetter(0)):
            self._waiting.add(number, 0, state)
        self._drop_counts()

    def _take_nothing_over(self, round_: int) -> None:
        self._round = round_
        self._request: Round | None = None
        self._visited, self._waiting = set[int](), Frontier(self._model)
        #: States whose steps the search has not taken yet.
        self._expanded_states = deque[Waiting[State]]()
        self._settled: list[SentState] = []
        self._begin_again()

    def _begin_again(self) -> None:
        """Put all states whose steps the search has not taken back in the queue."""
        for waiting in reversed(self._expanded_states):
            self._waiting.put_back(waiting)
        self._expanded_states.clear()
        self._unmet: int | None = None
        self._error: tuple[int, Exception] | None = None
        self._counts = deque[tuple[int, StepCounts]]()
        # The findings from now on, those from the last round, and those for this part that came too early.
        self._found, self._boxes = self._no_boxes(), self._no_boxes()
        self._early: list[SentState] = []

    def expand(self, request: Round, numbers: Sequence[int]) -> OwnerProgress:
        """Begin or restart a round: expand waiting states.

        :param numbers: the numbers assigned to the new states from the previous round; fewer if the search
            left out the last ones
        :raises LostPartError: if this owner's part is not in the state that the round starts from
        """
        if self._round == request.number - 1:
            self._close(numbers, request.next)
        elif self._round == request.number:
            self._begin_again()
        else:
            raise LostPartError
        self._round, self._request = request.number, request
        return self._expand_round(request)

    def go_on(self, way: ChoiceWay) -> OwnerProgress:
        """Continue expanding, after following the path to the state named by :meth:`expand`."""
        path_along(self._model, *way)
        self._drop_counts()
        assert self._request is not None
        return self._expand_round(self._request, just_walked=True)

    def run_ahead(self) -> bool:
        """Expand one more state from the last round ahead of the next; return False after the last one."""
        return self._unmet is None and self._expand_next()

    def box(self, part: int) -> bytes:
        """The states in *part* found in this round, in tag order."""
        # Marshal is faster, and supports the types that parts use.
        dumps = pickle.dumps if self._composed is None else marshal.dumps
        return dumps(self._boxes[part])

    def boxes(self) -> dict[int, bytes]:
        """The boxes of states for all other parts."""
        return {part: self.box(part) for part in range(self._parts) if part != self._part}

    def settle(self, boxes: Iterable[bytes], end: int) -> RoundAnswer:
        """Decide which states are new.

        :param boxes: every other owner's box for this part
        :param end: all owners have expanded their states with numbers below this
        """
        first: dict[int, SentState] = {}
        early, behind = [], tag_of(end, 0)
        loads = pickle.loads if self._composed is None else marshal.loads
        for sent in chain(self._early, self._boxes[self._part], *map(loads, boxes)):
            tag, mark, *_ = sent
            if tag >= behind:
                early.append(sent)
            elif mark not in self._visited:
                other = first.get(mark)
                if other is None or tag < other[0]:
                    first[mark] = sent
        self._early = early
        self._settled = sorted(first.values(), key=itemgetter(0))
        numbers, counts = array("I"), []
        while self._counts and self._counts[0][0] < end:
            number, counted = self._counts.popleft()
            numbers.append(number)
            counts.append(counted)
        return RoundAnswer(
            array("Q", [tag for tag, *_ in self._settled]),
            array("Q", [mark for _, mark, *_ in self._settled]),
            [judged for *_, judged in self._settled],
            numbers,
            counts,
            self._error if self._error is not None and self._error[0] < end else None,
        )

    def _close(self, numbers: Sequence[int], next_: int) -> None:
        """Adopt the findings of the previous round."""
        while self._expanded_states and self._expanded_states[0][0] < next_:
            self._expanded_states.popleft()
        # If the search left out some numbers, it has ended.
        for number, (_, mark, content, _) in zip(numbers, self._settled, strict=False):
            self._visited.add(mark)
            state = content if self._composed is None else self._composed.composed(content)
            self._waiting.add(number, 0, state)
        self._settled, self._boxes = [], self._no_boxes()

    def _no_boxes(self) -> list[list[SentState]]:
        return [[] for _ in range(self._parts)]

    def _end(self) -> int:
        """The number below which all requested states have been expanded."""
        assert self._request is not None
        if self._error is not None:
            return self._error[0] + 1
        end = self._request.end
        return min(end, self._waiting.first()[0]) if self._waiting else end

    def _expand_round(self, request: Round, *, just_walked: bool = False) -> OwnerProgress:
        until, count = time.monotonic() + request.seconds, 0
        # Expanding states ahead may have met one that is unknown here.
        if just_walked or self._unmet is None:
            while self._expand_next(just_walked=just_walked and not count):
                count += 1
                if count == request.states or time.monotonic() >= until:
                    break
        for box, found in zip(self._boxes, self._found, strict=True):
            box.extend(found)
        self._found = self._no_boxes()
        return OwnerProgress(self._end(), self._unmet)

    def _expand_next(self, *, just_walked: bool = False) -> bool:
        """Expand the next state, if that is allowed."""
        self._unmet = None
        if self._request is None or self._error is not None or not self._waiting:
            return False
        number = self._waiting.first()[0]
        if number >= self._request.end:
            return False
        waiting = self._waiting.take()
        found = [len(box) for box in self._found]
        try:
            self._counts.append((number, self._expanded(number, waiting[2])))
        except UnmetError:
            if not just_walked:
                # Findings from this state on will be found again.
                for box, length in zip(self._found, found, strict=True):
                    del box[length:]
                self._waiting.put_back(waiting)
                self._unmet = number
                return False
            self._error = number, Defect(f"the way to state {number} does not make the state known")
        except PfnlabError as error:
            self._error = number, error
        except Exception:
            self._error = number, Defect(traceback.format_exc())
        self._expanded_states.append(waiting)
        return True

    def _expanded(self, number: int, state: State) -> StepCounts:
        model, fired, broken = self._model, Counter[str](), dict[str, int]()
        decided = self._decided()
        for choice, (action, after) in enumerate(model.successors(state)):
            fired[kind(action)] += 1
            for name in broken_by_step(self._of_steps, after, decided):
                broken.setdefault(name, choice)
            key = model.key(after)
            mark, tag = fingerprint(key), tag_of(number, choice)
            part = part_of(mark, self._parts)
            if self._met.known(mark, tag) or (part == self._part and mark in self._visited):
                continue
            # Do this here, while the model still has the state.
            judged = tuple(judgement(self._properties, after, decided))
            content = after if self._composed is None else self._composed.parts(after)
            self._found[part].append((tag, mark, content, self._one(judged)))
        counts = model.take_counts() if isinstance(model, CountingModel) else None
        steps: StepCounts = (tuple(fired.items()), counts, tuple(broken.items()))
        return self._one(steps)

    def _decided(self) -> Set[str]:
        return frozenset() if self._request is None else self._request.decided

    def _one(self, value: Value) -> Value:
        """Return the same object for equal values, so that a value is sent only once."""
        same: Value = self._same.setdefault(value, value)
        return same

    def _drop_counts(self) -> None:
        """Do not count steps followed only to register something."""
        if isinstance(self._model, CountingModel):
            self._model.take_counts()


def states_along(model: Model[State], ways: Mapping[int, ChoiceWay]) -> Iterator[tuple[int, State]]:
    """The states that *ways* lead to, with the numbers of the ways. Common beginnings are followed only once.

    :raises Defect: if the model has no such step
    """
    words = sorted((start, *choices) for start, choices in ways.values())
    numbers = {(start, *choices): number for number, (start, choices) in ways.items()}
    before: tuple[int, ...] = ()
    states: list[State] = []
    # Not yet examined: the initial states, and the steps out of each state of the word.
    steps: list[Iterator[tuple[int, State]]] = [enumerate(model.initial())]
    for word in words:
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, before, strict=False)))
        del states[common:], steps[common + 1 :]
        for choice in word[common:]:
            state = next((state for number, state in steps[-1] if number == choice), None)
            if state is None:
                raise Defect(f"choice {choice} of the path {'/'.join(map(str, word))} no longer exists")
            states.append(state)
            steps.append(_after(model, state))
        yield numbers[word], states[-1]
        before = word


def _after(model: Model[State], state: State) -> Iterator[tuple[int, State]]:
    for choice, (_, after) in enumerate(model.successors(state)):
        yield choice, after
