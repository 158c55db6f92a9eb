"""The search: what it counts, finds, and leaves out."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from shared_race import PROPERTIES, Race
from small_models import Counters, Detour, Forgetful, Graph, Grid

from pfnlab.base.errors import Defect, Misuse
from pfnlab.checker.search.exploration import Exploration, Property, always, sometimes
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.frontier import Order

ORDERS: tuple[Order, ...] = ("breadth", "depth")
SMALL = always("the sum stays below 7", lambda state: sum(state) < 7)
FULL = sometimes("both are full", lambda state: state == (5, 5))


@pytest.mark.parametrize("order", ORDERS)
def test_every_state_and_step_is_counted_once(order: Order) -> None:
    """Six by six states, and from each a step for every counter that is not full."""
    found = explore(Counters(), order=order)

    assert (36, 60) == (found.states, found.transitions)
    assert found.complete


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


@pytest.mark.parametrize("order", ORDERS)
def test_symmetric_states_count_once(order: Order) -> None:
    """Pairs without an order."""
    assert 21 == explore(Counters(symmetric=True), order=order).states


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_symmetry_and_order_leave_the_verdicts_alone(order: Order, symmetric: bool) -> None:
    """Found is what a search of all states finds."""
    found = explore(Counters(symmetric=symmetric), [SMALL, FULL], order=order)

    assert ["violated", "reached"] == [found.verdict(asked.name) for asked in (SMALL, FULL)]


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
    assert "holds" == explore(Counters(), [always("few", lambda state: sum(state) < 11)]).verdict("few")


def test_a_property_whose_premise_never_is_true_is_vacuous() -> None:
    """It holds, but nobody learns anything."""
    asked = always("odd", lambda state: False, lambda state: sum(state) > 100)

    assert "vacuous" == explore(Counters(), [asked]).verdict("odd")


def test_what_no_state_satisfies_is_never() -> None:
    """The guard against a search that looked at nothing goes off."""
    assert "never" == explore(Counters(), [sometimes("far", lambda state: sum(state) > 10)]).verdict("far")


def test_premises_are_counted() -> None:
    """In how many states the question arose."""
    asked = always("odd", lambda state: True, lambda state: state[0] == 0)

    assert 6 == explore(Counters(), [asked]).premises["odd"]


def test_kinds_of_action_are_counted() -> None:
    """By the first item of each action."""
    assert {"up": 60} == explore(Counters()).fired


@pytest.mark.parametrize("order", ORDERS)
def test_a_depth_cuts_and_says_so(order: Order) -> None:
    """Ten states are within three steps; the four furthest are not expanded."""
    found = explore(Counters(), order=order, depth=3)

    assert 10 == found.states
    assert ["depth: 4 states at depth 3 not expanded"] == found.cut


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("depth", range(1, 10))
def test_a_depth_reaches_the_same_states_in_both_orders(order: Order, depth: int) -> None:
    """A state first met on a detour is expanded again from its shorter way."""
    model = Detour()
    asked = [sometimes(f"{at}", lambda state, at=at: state == at) for at in range(9)]

    found = explore(model, asked, order=order, depth=depth)

    assert {f"{at}" for at in range(min(depth, 8) + 1)} == set(found.discoveries)


@pytest.mark.parametrize("depth", range(1, 10))
def test_ways_to_a_depth_are_within_it(depth: int) -> None:
    """Depth first, behind a state that was reached again on a shorter way, the shorter way counts."""
    asked = [sometimes(f"{at}", lambda state, at=at: state == at) for at in range(9)]

    found = explore(Detour(), asked, order="depth", depth=depth)

    assert depth >= max(len(way) for way in found.discoveries.values())


@pytest.mark.parametrize("depth", range(1, 10))
def test_a_state_expanded_again_counts_once(depth: int) -> None:
    """Steps and expanded states are those of the breadth-first search."""
    first, second = (explore(Detour(), order=order, depth=depth) for order in ORDERS)

    assert (first.transitions, first.expanded) == (second.transitions, second.expanded)


def test_a_cut_search_leaves_what_it_did_not_find_undecided() -> None:
    """Neither holds nor never."""
    found = explore(Counters(), [SMALL, FULL], depth=3)

    assert ["undecided", "undecided"] == [found.verdict(asked.name) for asked in (SMALL, FULL)]


def test_a_depth_that_cuts_nothing_leaves_the_search_complete() -> None:
    """The deepest state has no successors, but a search that stops before it cannot know."""
    assert not explore(Counters(), depth=10).complete
    assert explore(Counters(), depth=11).complete


def test_a_limit_of_states_cuts() -> None:
    """No state is expanded once there are as many."""
    found = explore(Counters(), states=10)

    assert 10 <= found.states <= 12
    assert found.cut[0].startswith("states: ")


def test_a_limit_of_time_cuts() -> None:
    """No time: nothing but the initial state."""
    found = explore(Counters(), seconds=0)

    assert (1, ["seconds: 0 passed, 1 state not expanded"]) == (found.states, found.cut)


def test_stopping_at_the_first_violation_cuts() -> None:
    """The violation counts, and the rest is open."""
    found = explore(Counters(), [SMALL, FULL], stop_at_first=True)

    assert ["violated", "undecided"] == [found.verdict(asked.name) for asked in (SMALL, FULL)]


def test_a_model_that_is_not_deterministic_is_found_out() -> None:
    """Replaying a discovery meets another step."""
    model = Forgetful()
    found = explore(model, [sometimes("three", lambda state: state == 3)])

    with pytest.raises(Defect, match="the same steps in the same order"):
        found.discoveries["three"].states(model)


def outcome(found: Exploration[Grid]) -> tuple[object, ...]:
    """What two searches must agree on."""
    ways = {name: way.encode() for name, way in found.discoveries.items()}
    return (
        found.states,
        found.transitions,
        found.growth,
        found.premises,
        found.fired,
        ways,
        found.cut,
        found.expanded,
    )


BIG = Counters(top=9, count=3)
ASKED = [always("sum", lambda state: sum(state) < 20), sometimes("full", lambda state: state == (9, 9, 9))]


@pytest.mark.parametrize("order", ORDERS)
def test_disk_changes_nothing(order: Order) -> None:
    """With hardly any memory, all but the newest states lie in files; the outcome is the same."""
    assert outcome(explore(BIG, ASKED, order=order)) == outcome(explore(BIG, ASKED, order=order, memory=4096))


@pytest.mark.parametrize("memory", [None, 4096])
@pytest.mark.parametrize("order", ORDERS)
def test_a_search_put_aside_ends_as_one_in_one_go(order: Order, memory: int | None, tmp_path: Path) -> None:
    """Cut three times and resumed, it found what one search finds."""
    file = tmp_path / "search"
    found = explore(BIG, ASKED, order=order, memory=memory, states=200, save=file)
    for limit in (400, 700, None):
        assert found.cut
        found = explore(BIG, ASKED, order=order, memory=memory, states=limit, save=file, resume=file)

    assert outcome(explore(BIG, ASKED, order=order)) == outcome(found)


def test_a_saved_search_goes_on_to_a_greater_depth(tmp_path: Path) -> None:
    """Breadth first, what waited at the depth is what comes next."""
    file = tmp_path / "search"
    explore(BIG, ASKED, depth=5, save=file)

    assert outcome(explore(BIG, ASKED)) == outcome(explore(BIG, ASKED, resume=file))


def test_a_saved_search_of_another_scope_is_refused(tmp_path: Path) -> None:
    """The first steps of the model tell."""
    file = tmp_path / "search"
    explore(BIG, ASKED, states=200, save=file)

    with pytest.raises(Misuse, match="another model or scope"):
        explore(Counters(count=4), ASKED, resume=file)


def test_a_saved_search_that_asked_something_else_is_refused(tmp_path: Path) -> None:
    """States judged before were never checked for a new property."""
    file = tmp_path / "search"
    explore(BIG, ASKED, states=200, save=file)

    with pytest.raises(Misuse, match="asked sum, full"):
        explore(BIG, ASKED[:1], resume=file)


def test_a_file_that_holds_no_search_is_refused(tmp_path: Path) -> None:
    """It is not even read as one."""
    (tmp_path / "search").write_bytes(b"cos\nsystem\n")

    with pytest.raises(Misuse, match="holds no saved search"):
        explore(BIG, resume=tmp_path / "search")


class Interrupting(Counters):
    """Sends this process a SIGINT when asked for the successors of one state."""

    def successors(self, state: Grid) -> Iterator[tuple[tuple[str, int], Grid]]:
        if state == (2, 3):
            os.kill(os.getpid(), signal.SIGINT)
        return super().successors(state)


def test_an_interrupt_cuts_and_leaves_a_search_that_can_go_on(tmp_path: Path) -> None:
    """No step is lost, none is made twice."""
    file = tmp_path / "search"

    found = explore(Interrupting(), [SMALL], save=file)

    assert found.cut[0].startswith("interrupted: ")
    assert outcome(explore(Counters(), [SMALL])) == outcome(explore(Counters(), [SMALL], resume=file))


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


@pytest.mark.parametrize("order", ORDERS)
def test_counts_of_the_race_are_pinned(order: Order) -> None:
    """Both variants."""
    counts = {fixed: explore(Race(fixed, cpus=2, accesses=1), order=order).states for fixed in (True, False)}

    assert {True: 4993, False: 4621} == counts


@pytest.mark.parametrize(("fixed", "verdict"), [(True, "holds"), (False, "violated")])
@pytest.mark.parametrize("order", ORDERS)
def test_the_race_is_found_where_it_is(order: Order, fixed: bool, verdict: str) -> None:
    """The flush before the VMA is unlinked decides."""
    assert verdict == explore(Race(fixed, accesses=1), PROPERTIES, order=order).verdict(PROPERTIES[0].name)


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
