"""One owner of a part of the states of a search: it stores the keys of its part and expands their states.

A state belongs to the part that its fingerprint says. A search with owners goes in rounds
(:mod:`.partitioned`). In a round every owner expands some of its states in the order of their numbers, and
sorts the steps by the owners of the states they lead to. Then every owner takes what is meant for it, and
decides which states are new. A state that several steps lead to belongs to the first of them, as in a search
by one process: the first by its tag, which is the number of the state before and the number of the choice.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import takewhile
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

from pfnlab.checker.search.exploration import judgement
from pfnlab.checker.search.model import Counting, Model, State, UnmetError, kind
from pfnlab.checker.search.path import path_along
from pfnlab.checker.search.property import Property
from pfnlab.checker.search.visited import fingerprint
from pfnlab.errors import Defect, PfnlabError

#: The number of an initial state, and the choices from there.
ChoiceWay = tuple[int, Sequence[int]]

#: The judgement of a state, see :func:`.exploration.judgement`.
Judged = tuple[tuple[str, bool], ...]

#: The steps out of one state: how many there are of each kind, and what the model has counted meanwhile.
StepCounts = tuple[tuple[tuple[str, int], ...], tuple[Any, ...] | None]

Value = TypeVar("Value", bound=Hashable)

#: Bits of a tag that are the choice.
_CHOICE_BITS = 32

#: An owner forgets the states it has sent when there are so many; it sends some of them once more then.
_MOST_SENT = 1 << 19

# Fibonacci hashing: small ints, which are their own fingerprints, are spread over the parts too.
_SPREAD, _WORD = 0x9E37_79B9_7F4A_7C15, (1 << 64) - 1


def part_of(mark: int, parts: int) -> int:
    """The part to which the state with fingerprint *mark* belongs, counted from 0."""
    return ((mark * _SPREAD & _WORD) >> 32) % parts


def tag_of(parent: int, choice: int) -> int:
    """The place of a step in the order in which one process would take all steps."""
    return parent << _CHOICE_BITS | choice


def step_of(tag: int) -> tuple[int, int]:
    """The number of the state before the step, and the choice."""
    return tag >> _CHOICE_BITS, tag & ((1 << _CHOICE_BITS) - 1)


class SentState(NamedTuple, Generic[State]):
    """A state on its way to its owner.

    :param tag: the step that leads to it
    :param mark: the fingerprint of its key
    """

    tag: int
    mark: int
    state: State
    judged: Judged


class NewState(NamedTuple):
    """A state that an owner has not seen before, without the state itself."""

    tag: int
    mark: int
    judged: Judged


class Settled(NamedTuple):
    """The answer of one owner in one round.

    :param found: the new states of its part, in the order of their tags
    :param counts: of each state it has expanded, the number and what its steps counted, in order
    :param error: the number of the state whose steps could not be made, and why; it expanded none after it
    """

    found: list[NewState]
    counts: list[tuple[int, StepCounts]]
    error: tuple[int, Exception] | None


class LostPartError(Exception):
    """An owner is asked for a round, and its part is not that of the round before."""


class Owner(Generic[State]):
    """The owner of one part of the states.

    :param part: the number of its part
    :param parts: the number of all parts
    """

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], part: int, parts: int
    ) -> None:
        self._model, self._properties = model, properties
        self._part, self._parts = part, parts
        self._round = -1
        self._marks: set[int] = set()
        #: The states not expanded, by their numbers, in order.
        self._waiting: dict[int, State] = {}
        self._settled: list[SentState[State]] = []
        self._boxes: list[list[SentState[State]]] = []
        self._counts: list[tuple[int, StepCounts]] = []
        self._error: tuple[int, Exception] | None = None
        self._decided: Set[str] = frozenset()
        self._same: dict[Any, Any] = {}
        self._forget()

    def take_over(self, round_: int, marks: Iterable[int], ways: Mapping[int, ChoiceWay]) -> None:
        """Have the part as it is at the beginning of a round, whatever was here before.

        :param marks: the fingerprints of all its states
        :param ways: for the number of each state that waits, the way to it
        """
        self._round, self._marks = round_, set(marks)
        self._waiting = dict(sorted(states_along(self._model, ways)))
        self._settled, self._counts = [], []
        self._forget()

    def expand(self, round_: int, numbers: Sequence[int], end: int, decided: Set[str]) -> int | None:
        """Begin a round, or begin it once more: expand the waiting states whose number is less than *end*.

        :param numbers: of the states that were new in the round before, the numbers that they have got; fewer
            where the search left the last ones out
        :param decided: the properties decided before this round; they are not asked again
        :return: None when all are expanded; else the number of a state that refers to what this process does
            not know: call :meth:`go_on`
        :raises LostPartError: this owner does not have the part as it is in that round
        """
        if self._round == round_ - 1:
            self._close(numbers)
        elif self._round == round_:
            # What was sent before may have been lost.
            self._forget()
        else:
            raise LostPartError
        self._round = round_
        self._todo = list(takewhile(lambda number: number < end, self._waiting))
        self._todo.reverse()
        self._boxes = [[] for _ in range(self._parts)]
        self._counts, self._error, self._decided = [], None, decided
        return self._expand_all()

    def go_on(self, way: ChoiceWay) -> int | None:
        """Continue to expand, after a walk along the way to the state that :meth:`expand` has named."""
        path_along(self._model, *way)
        return self._expand_all(just_walked=True)

    def box(self, part: int) -> list[SentState[State]]:
        """The states found in this round that belong to *part*, in the order of their tags."""
        return self._boxes[part]

    def settle(self, boxes: Iterable[Iterable[SentState[State]]]) -> Settled:
        """Decide which states are new.

        :param boxes: the box for this part of every owner, with its own
        """
        first: dict[int, SentState[State]] = {}
        for box in boxes:
            for sent in box:
                if sent.mark in self._marks:
                    continue
                other = first.get(sent.mark)
                if other is None or sent.tag < other.tag:
                    first[sent.mark] = sent
        self._settled = sorted(first.values(), key=attrgetter("tag"))
        found = [NewState(sent.tag, sent.mark, sent.judged) for sent in self._settled]
        return Settled(found, self._counts, self._error)

    def _close(self, numbers: Sequence[int]) -> None:
        """Take over what the round before has found."""
        for number, _ in self._counts:
            del self._waiting[number]
        # Where the search left some out, it has ended.
        for number, sent in zip(numbers, self._settled, strict=False):
            self._marks.add(sent.mark)
            self._waiting[number] = sent.state
        self._settled = []

    def _forget(self) -> None:
        """Forget what was sent, so that it is sent again."""
        self._sent = set[int]()

    def _expand_all(self, *, just_walked: bool = False) -> int | None:
        self._drop_counts()
        while self._todo and self._error is None:
            number = self._todo[-1]
            sent = [len(box) for box in self._boxes]
            try:
                self._counts.append((number, self._expanded(number)))
            except UnmetError:
                if not just_walked:
                    # What was found from this state on is found again.
                    for box, length in zip(self._boxes, sent, strict=True):
                        del box[length:]
                    self._forget()
                    return number
                self._error = number, Defect(f"the way to state {number} does not make the state known")
            except PfnlabError as error:
                self._error = number, error
            except Exception:
                self._error = number, Defect(traceback.format_exc())
            self._todo.pop()
            just_walked = False
        return None

    def _expanded(self, number: int) -> StepCounts:
        model, fired = self._model, Counter[str]()
        if len(self._sent) > _MOST_SENT:
            self._forget()
        for choice, (action, after) in enumerate(model.successors(self._waiting[number])):
            fired[kind(action)] += 1
            mark = fingerprint(model.key(after))
            if mark in self._sent or mark in self._marks:
                continue
            self._sent.add(mark)
            # Here, where the model has the state still at hand.
            judged = tuple(judgement(self._properties, after, self._decided))
            box = self._boxes[part_of(mark, self._parts)]
            box.append(SentState(tag_of(number, choice), mark, after, self._one(judged)))
        counts = model.take_counts() if isinstance(model, Counting) else None
        steps: StepCounts = (tuple(fired.items()), counts)
        return self._one(steps)

    def _one(self, value: Value) -> Value:
        """The same object for equal values: it is sent once then, however often it occurs."""
        same: Value = self._same.setdefault(value, value)
        return same

    def _drop_counts(self) -> None:
        """Steps walked to make something known do not count."""
        if isinstance(self._model, Counting):
            self._model.take_counts()


def states_along(model: Model[State], ways: Mapping[int, ChoiceWay]) -> Iterator[tuple[int, State]]:
    """The states to which *ways* lead, with the numbers of the ways. What several have in common is walked
    once.

    :raises Defect: the model has no such step
    """
    words = sorted((start, *choices) for start, choices in ways.values())
    numbers = {(start, *choices): number for number, (start, choices) in ways.items()}
    before: tuple[int, ...] = ()
    states: list[State] = []
    # The steps out of the initial state's place, and out of each state of the word: those not yet looked at.
    steps: list[Iterator[tuple[int, State]]] = [enumerate(model.initial())]
    for word in words:
        common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(word, before, strict=False)))
        del states[common:], steps[common + 1 :]
        for choice in word[common:]:
            state = next((state for number, state in steps[-1] if number == choice), None)
            if state is None:
                raise Defect(f"choice {choice} of the way {'/'.join(map(str, word))} is not there any more")
            states.append(state)
            steps.append(_after(model, state))
        yield numbers[word], states[-1]
        before = word


def _after(model: Model[State], state: State) -> Iterator[tuple[int, State]]:
    for choice, (_, after) in enumerate(model.successors(state)):
        yield choice, after
