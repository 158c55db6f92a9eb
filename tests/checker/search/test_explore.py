"""The search: what it counts, finds, and leaves out."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator

import pytest
from shared_race import PROPERTIES, Race
from small_models import Counters, Forgetful, Graph, Grid, always, sometimes

from pfnlab.base.errors import Defect
from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.explore import explore

SMALL = always("the sum stays below 7", lambda state: sum(state) < 7)
FULL = sometimes("both are full", lambda state: state == (5, 5))


def test_every_state_and_step_is_counted_once() -> None:
    """Six by six states, and from each a step for every counter that is not full."""
    found = explore(Counters())

    assert (36, 60) == (found.states, found.transitions)
    assert not found.cut


def test_a_step_to_a_known_state_is_judged() -> None:
    """Where the property asks of the step; others have answered for that state."""
    # 5 and 0 are one state, and the step to 5 comes later.
    model = Graph([[1], [0, 5], [], [], [], []], alike=5)
    of_state = always("never 5", lambda state: state != 5)
    of_step = Property("no step to 5", "always", lambda state: state != 5, of_step=True)

    found = explore(model, [of_state, of_step])

    assert ["no step to 5"] == [*found.discoveries]
    assert "0/0/1" == found.discoveries["no step to 5"].encode()
    assert 2 == found.states


def test_levels_are_the_distances_from_the_start() -> None:
    """The diagonals of the grid."""
    found = explore(Counters())

    assert [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1] == found.growth
    assert 10 == found.depth


def test_symmetric_states_count_once() -> None:
    """Pairs without an order."""
    assert 21 == explore(Counters(symmetric=True)).states


@pytest.mark.parametrize("symmetric", [False, True])
def test_symmetry_leaves_the_verdicts_alone(symmetric: bool) -> None:
    """Found is what a search of all states finds."""
    found = explore(Counters(symmetric=symmetric), [SMALL, FULL])

    assert {SMALL.name, FULL.name} == found.discoveries.keys()


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_first_counterexample_is_a_shortest_one(symmetric: bool) -> None:
    """Seven steps make a sum of seven."""
    assert 7 == len(explore(Counters(symmetric=symmetric), [SMALL]).discoveries[SMALL.name])


def test_a_path_under_symmetry_is_one_of_the_model_itself() -> None:
    """Its states are not renamed: each is a real successor of the one before, to the violation."""
    model = Counters(symmetric=True)

    states = explore(model, [SMALL]).discoveries[SMALL.name].states(model)

    assert all(
        after in [to for _, to in model.successors(before)] for before, after in itertools.pairwise(states)
    )
    assert 7 == sum(states[-1])


def test_a_property_that_holds_everywhere_holds() -> None:
    """Nothing is left out, so it can be said."""
    found = explore(Counters(), [always("few", lambda state: sum(state) < 11)])

    assert ({}, [], 36) == (found.discoveries, found.cut, found.premises["few"])


def test_a_property_whose_premise_never_is_true_is_vacuous() -> None:
    """It holds, but nobody learns anything."""
    asked = always("odd", lambda state: False, lambda state: sum(state) > 100)

    found = explore(Counters(), [asked])

    assert ({}, 0) == (found.discoveries, found.premises["odd"])


def test_what_no_state_satisfies_is_never() -> None:
    """The guard against a search that looked at nothing goes off."""
    found = explore(Counters(), [sometimes("far", lambda state: sum(state) > 10)])

    assert ({}, []) == (found.discoveries, found.cut)


def test_premises_are_counted() -> None:
    """In how many states the question arose."""
    asked = always("odd", lambda state: True, lambda state: state[0] == 0)

    assert 6 == explore(Counters(), [asked]).premises["odd"]


def test_kinds_of_action_are_counted() -> None:
    """By the first item of each action."""
    assert {"up": 60} == explore(Counters()).fired


def test_a_depth_cuts_and_says_so() -> None:
    """Ten states are within three steps; the four furthest are not expanded."""
    found = explore(Counters(), depth=3)

    assert 10 == found.states
    assert ["depth: 4 states at depth 3 not expanded"] == found.cut


def test_a_depth_that_cuts_nothing_leaves_the_search_complete() -> None:
    """The deepest state has no successors, but a search that stops before it cannot know."""
    assert explore(Counters(), depth=10).cut
    assert not explore(Counters(), depth=11).cut


def test_a_limit_of_states_cuts() -> None:
    """No state is expanded once there are as many."""
    found = explore(Counters(), states=10)

    assert 10 <= found.states <= 12
    assert found.cut[0].startswith("states: ")


def test_a_limit_of_time_cuts() -> None:
    """No time: nothing but the initial state."""
    found = explore(Counters(), seconds=0)

    assert (1, ["seconds: 0 passed, 1 state not expanded"]) == (found.states, found.cut)


def test_a_model_that_is_not_deterministic_is_found_out() -> None:
    """Replaying a discovery meets another step."""
    model = Forgetful()
    found = explore(model, [sometimes("three", lambda state: state == 3)])

    with pytest.raises(Defect, match="the same steps in the same order"):
        found.discoveries["three"].states(model)


class Interrupting(Counters):
    """Sends this process a SIGINT when asked for the successors of one state."""

    def successors(self, state: Grid) -> Iterator[tuple[tuple[str, int], Grid]]:
        if state == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)
        return super().successors(state)


def test_an_interrupt_cuts_the_search() -> None:
    """The state at work is still expanded; the others wait."""
    found = explore(Interrupting(), [SMALL])

    assert [f"interrupted: {found.frontier} states not expanded"] == found.cut
    assert 1 < found.expanded < 36


def test_after_a_search_interrupts_do_what_they_did() -> None:
    """The handler is put back."""
    before = signal.getsignal(signal.SIGINT)

    explore(Interrupting())

    assert before == signal.getsignal(signal.SIGINT)


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growing counts, with what waits."""
    monkeypatch.setattr("pfnlab.checker.search.explore.TELL_SECONDS", 0.0)
    told = []

    explore(Counters(), progress=lambda found: told.append((found.states, found.frontier)))

    assert told[0] == (1, 1)
    assert told[-1] == (36, 1)
    assert 36 == len(told)


def test_counts_of_the_race_are_pinned() -> None:
    """Both variants."""
    counts = {fixed: explore(Race(fixed, cpus=2, accesses=1)).states for fixed in (True, False)}

    assert {True: 4993, False: 4621} == counts


@pytest.mark.parametrize("fixed", [True, False])
def test_the_race_is_found_where_it_is(fixed: bool) -> None:
    """The flush before the VMA is unlinked decides."""
    found = explore(Race(fixed, accesses=1), PROPERTIES)

    assert fixed == (PROPERTIES[0].name not in found.discoveries)


def test_the_shortest_schedule_of_the_race() -> None:
    """Ten steps: an access fills the TLB, munmap unlinks before it flushes, the other one looks and frees."""
    model = Race(fixed=False, pages=1, cpus=1, accesses=1)

    way = explore(model, PROPERTIES).discoveries[PROPERTIES[0].name]

    kinds = [str(action[1]) for action in way.actions if isinstance(action, tuple)]
    assert kinds.index("unlink") < kinds.index("look") < kinds.index("free")
    assert "flush" not in kinds


def test_an_option_that_is_none_is_refused() -> None:
    """A misspelt limit would else end nothing."""
    with pytest.raises(TypeError, match="a search has no option secnods"):
        explore(Counters(top=1, count=1), secnods=1)  # type: ignore[call-arg]
