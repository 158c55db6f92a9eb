"""A search whose states belong to several owners: the answers are those of one process."""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Sequence
from functools import partial
from operator import ne
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from owners_here import OwnersHere
from small_models import Counters, Graph, always, sometimes, told

from pfnlab.base.errors import Defect, Misuse, PfnlabError, Undecided
from pfnlab.checker.search import known_steps
from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.owner import (
    LostPartError,
    Owner,
    OwnerData,
    OwnerProgress,
    Round,
    RoundAnswer,
    part_of,
    states_along,
)
from pfnlab.checker.search.partitioned import explore_partitioned

SIZE = 14

graphs = st.builds(
    partial,
    st.just(Graph),
    st.lists(st.lists(st.integers(0, SIZE - 1), max_size=4), min_size=SIZE, max_size=SIZE),
    st.lists(st.integers(0, SIZE - 1), max_size=4),
    alike=st.sampled_from([5, 9, 1 << 20]),
    registering=st.booleans(),
    failing=st.lists(st.integers(0, SIZE - 1), max_size=1),
)

few = st.frozensets(st.integers(0, SIZE - 1), max_size=5)

limits = st.fixed_dictionaries(
    {},
    optional={
        "depth": st.integers(0, 4),
        "states": st.integers(0, SIZE),
    },
)


def asked(bad: frozenset[int], good: frozenset[int]) -> Sequence[Property[int]]:
    """One question of each kind."""
    return [
        always("not bad", lambda state: state not in bad, lambda state: state % 3 > 0),
        sometimes("good", lambda state: state in good),
        always("nothing", lambda state: False, lambda state: state in bad & good),
        Property("no bad step", "always", lambda state: state not in bad, of_step=True),
    ]


def answer(search: Any, model: Graph, *arguments: Any, **options: Any) -> Any:
    """The result and the counts of the model in their order, or the error."""
    try:
        found = search(model, *arguments, **options)
    except (PfnlabError, ZeroDivisionError) as error:
        # Another process tells of an exception by its text.
        return str(error).rstrip().splitlines()[-1].removeprefix("ZeroDivisionError: ")
    return told(found), list(model.seen.items())


@settings(max_examples=200)
@given(
    graphs,
    few,
    few,
    limits,
    st.integers(1, 4),
    st.integers(1, 6),
    st.dictionaries(st.integers(0, 12), st.lists(st.integers(0, 3), max_size=3), max_size=4),
    st.lists(st.integers(0, 3), max_size=4),
)
def test_the_result_is_that_of_one_process(
    graph: Any,
    bad: frozenset[int],
    good: frozenset[int],
    options: dict[str, Any],
    parts: int,
    round_states: int,
    losses: dict[int, list[int]],
    ahead: list[int],
) -> None:
    """For any graph, in rounds of any size, with owners lost at any time, some of which are ahead.

    States, steps, ways, verdicts, premises, counts in their order, what waits, why it was cut, and errors.
    """
    properties = asked(bad, good)
    owners = OwnersHere(graph, properties, parts, losses, ahead)
    alone = graph()
    # One process knows all that it has made itself.
    alone.known = None

    expected = answer(explore, alone, properties, **options)
    found = answer(explore_partitioned, graph(), properties, owners, round_states=round_states, **options)

    assert expected == found


def the_last_met(self: Owner[int], boxes: Any, end: int) -> RoundAnswer:
    """Broken: a state belongs to the last step met, not to the first one of all."""
    boxes = [pickle.loads(box) for box in boxes]
    own = self._boxes[self._part]
    last = {mark: (tag, mark, *rest) for box in (own, *boxes) for tag, mark, *rest in box}
    self._boxes[self._part] = []
    return settle(self, [pickle.dumps(list(last.values()))], end)


def without_marks(self: Owner[int], round_: int, holding: OwnerData) -> None:
    """Broken: who takes a part over does not know its states."""
    take_over(self, round_, holding._replace(marks=array("Q")))


settle = Owner.settle
take_over = Owner.take_over


@pytest.mark.parametrize(("method", "broken"), [("settle", the_last_met), ("take_over", without_marks)])
def test_owners_that_decide_otherwise_are_found_out(
    method: str, broken: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison with one process fails with each."""
    monkeypatch.setattr(Owner, method, broken)
    graph = partial(Graph, [[(3 * state + step) % 40 for step in (7, 1, 4)] for state in range(40)])
    asked = [always(f"not {bad}", partial(ne, bad)) for bad in range(40)]
    losses = {call: [0, 1] for call in range(0, 20, 3)}
    alone = told(explore(graph(), asked))
    search = partial(explore_partitioned, graph(), asked, round_states=2)

    found = search(OwnersHere(graph, asked, 2, losses))

    assert alone != told(found)
    monkeypatch.undo()
    assert alone == told(search(OwnersHere(graph, asked, 2, losses)))


def test_every_owner_has_a_part_of_the_states() -> None:
    """Neighbouring numbers too, which are their own fingerprints."""
    for parts in (2, 3, 8):
        counts = [0] * parts
        for mark in range(1000):
            counts[part_of(mark, parts)] += 1

        assert min(counts) > 1000 / parts / 2


def test_a_state_is_expanded_once_by_its_owner_alone() -> None:
    """The coordinating process makes no step, and each state's steps are made once."""
    made: list[int] = []

    class Noting(Counters):
        def successors(self, state: Any) -> Any:
            made.append(state)
            return super().successors(state)

    found = explore_partitioned(Counters(), (), OwnersHere(Noting, (), 3))

    assert 36 == found.states == len(made) == len(set(made))


def test_a_state_is_sent_once_by_each_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also in later rounds, except after a while, when what was sent is forgotten."""
    sent: list[int] = []

    class Noting(OwnersHere):
        def settle(self, end: int) -> Any:
            for part, sender in self._owners.items():
                sent.extend(part << 40 | mark for box in sender._boxes for _, mark, *_ in box)
            return super().settle(end)

    dense = partial(Graph, [[(state + step) % 50 for step in range(1, 40)] for state in range(50)])
    search = partial(explore_partitioned, round_states=3)

    whole = search(dense(), (), Noting(dense, (), 3))

    assert len(sent) == len(set(sent))
    sent.clear()
    monkeypatch.setattr(known_steps, "_PLACES", 5)
    assert told(whole) == told(search(dense(), (), Noting(dense, (), 3)))
    assert len(sent) > len(set(sent))


def test_a_part_that_is_lost_again_and_again_ends_the_search() -> None:
    """With one line that says what to do."""
    owners = OwnersHere(Counters, (), 2, {call: [1] for call in range(100)})

    with pytest.raises(Undecided, match="lost 5 times, the last time with 1 part of its states: look into"):
        explore_partitioned(Counters(), (), owners)


def test_only_the_lost_part_is_made_again() -> None:
    """The owner of the other keeps what it has."""
    owners = OwnersHere(Counters, (), 2, {6: [0]})

    found = explore_partitioned(Counters(), (), owners)

    assert told(explore(Counters())) == told(found)
    assert 3 == owners.hosted


def test_an_owner_that_does_not_have_the_round_says_so() -> None:
    """As one that was started again and has nothing, or one that missed a round."""
    fresh = Owner(Counters(), (), 0, 1)
    fresh.take_over(4, OwnerData(array("Q"), {}))
    asked = Round(4, next=0, end=0, decided=set(), seconds=1.0)

    for round_ in (3, 6):
        with pytest.raises(LostPartError):
            fresh.expand(asked._replace(number=round_), [])
    for round_ in (4, 4, 5):
        assert OwnerProgress(0, None) == fresh.expand(asked._replace(number=round_), [])


def test_states_are_made_from_their_ways() -> None:
    """What ways have in common is walked once."""
    made: list[int] = []

    class Noting(Counters):
        def successors(self, state: Any) -> Any:
            made.append(state)
            return super().successors(state)

    model = Noting(3)
    ways = {7: (0, [1, 1]), 3: (0, [0, 0, 1]), 5: (0, [0, 1]), 0: (0, [])}

    states = dict(states_along(model, ways))

    assert {0: (0, 0), 3: (2, 1), 5: (1, 1), 7: (0, 2)} == states
    assert len(made) == len(set(made))
    with pytest.raises(Defect, match="choice 7 of the path 0/1/7 no longer exists"):
        dict(states_along(model, {1: (0, [1, 7])}))


def test_keys_without_a_fingerprint_are_refused() -> None:
    """As by a compact search."""

    class Odd(Counters):
        def key(self, state: Any) -> Any:
            return object()

    with pytest.raises(Misuse, match="fingerprints need keys"):
        explore_partitioned(Odd(), (), OwnersHere(Odd))


def test_the_search_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """After rounds, with growing counts."""
    monkeypatch.setattr("pfnlab.checker.search.explore.TELL_SECONDS", 0.0)
    seen: list[tuple[int, int]] = []

    explore_partitioned(
        Counters(),
        (),
        OwnersHere(Counters),
        progress=lambda found: seen.append((found.states, found.expanded)),
        round_states=7,
    )

    assert seen == sorted(seen)
    assert len(seen) > 5


def test_a_limit_of_time_ends_the_search_between_rounds() -> None:
    """What waits is told."""
    found = explore_partitioned(Counters(), (), OwnersHere(Counters), seconds=0, round_states=4)

    assert ["seconds: 0 passed, 1 state not expanded"] == found.cut
