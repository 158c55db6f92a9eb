"""Partial-order reduction of races: the same states, the same verdicts, on and off."""

from __future__ import annotations

import gc

import pytest
from for_each import for_each
from some_races import OTHERS, REVOCATIONS, races

from pfnlab.checker.check import check
from pfnlab.checker.limits import CheckLimits, Exhaustive
from pfnlab.checker.races.memo import Footprint, TurnEffect
from pfnlab.checker.races.race import RaceModel, RaceState, race_properties
from pfnlab.checker.races.schedules import Look, search
from pfnlab.checker.scopes.properties import RACE_QUESTIONS
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.processors import Operation
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.programs.model.model_machine import ModelMachine

PROPERTIES = race_properties(RACE_QUESTIONS)


def named() -> RaceScope:
    """The races with a name."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)
    return scope


class Watched(RaceModel):
    """Keeps the key of every state it is asked for."""

    def __init__(self, spec: str, scope: RaceScope) -> None:
        super().__init__(ModelMachine(spec), scope)
        self.met: set[bytes] = set()

    def key(self, state: RaceState) -> bytes:
        key = super().key(state)
        self.met.add(key)
        return key


def on(spec: str, scope: RaceScope, look: Look | None = None) -> tuple[Exploration[RaceState], set[bytes]]:
    """The search with reduction, and the states it met."""
    model = Watched(spec, scope)
    return search(model, PROPERTIES, **({} if look is None else {"look": look})), model.met


def off(spec: str, scope: RaceScope) -> tuple[Exploration[RaceState], set[bytes]]:
    """The search that looks at every order."""
    model = Watched(spec, scope)
    return explore(model, PROPERTIES), model.met


def answers(found: Exploration[RaceState]) -> dict[str, int]:
    """The properties that are decided, and how long the way is that shows each."""
    return {name: len(way) for name, way in found.discoveries.items()}


@pytest.mark.target("long")
@pytest.mark.parametrize("flush", FLUSHES)
def test_states_and_answers_are_the_same_with_and_without(flush: str) -> None:
    """With every flush placement; fewer steps are looked at."""
    reduced, met = on(f"7.2,flush={flush}", named())
    full, all_met = off(f"7.2,flush={flush}", named())

    assert all_met == met
    assert answers(full) == answers(reduced)
    assert full.premises == reduced.premises
    assert reduced.transitions < full.transitions


@pytest.mark.parametrize("spec", ["6.1", "6.12,tracker=exact", "7.3,tracker=caller_managed"])
def test_so_it_is_for_other_races(spec: str) -> None:
    """A fork, entries that come and go, the book; other kernels, other trackers."""
    reduced, met = on(spec, races(OTHERS))
    full, all_met = off(spec, races(OTHERS))

    assert all_met == met
    assert answers(full) == answers(reduced)


@pytest.mark.parametrize("blind", ["TLB s", "i_mmap_rwsem driver", "gathers 0"])
def test_turns_that_hide_what_they_touch_are_noticed(blind: str) -> None:
    """Leave one part out of every footprint, and the equality above fails."""
    spec = "7.2,flush=none"
    hidden = {
        name: 1 << number for number, name in enumerate(RaceModel(ModelMachine(spec), named()).turns[0].names)
    }

    def look(effect: TurnEffect) -> Footprint:
        seen = ~hidden[blind]
        return Footprint(effect.footprint.reads & seen, effect.footprint.writes & seen)

    scope = RaceScope("one", "", named().races[:1])

    assert off(spec, scope)[1] != on(spec, scope, look)[1]


def schedules(model: RaceModel, start: RaceState, reduced: bool) -> int:
    """How many schedules go on from *start*, all of them or one of those that differ in order only."""
    known: dict[tuple[bytes, frozenset[tuple[int, Footprint]]], int] = {}

    def count(state: RaceState, sleeping: frozenset[tuple[int, Footprint]]) -> int:
        place = model.key(state), sleeping
        if place in known:
            return known[place]
        asleep, number = dict(sleeping), int(not state.able)
        for task in state.able:
            if task in asleep:
                continue
            effect = model.go(state, task)
            assert effect is not None
            still = frozenset((one, its) for one, its in asleep.items() if not effect.footprint.meets(its))
            number += count(model.after(state, task, effect), still)
            if reduced:
                asleep[task] = effect.footprint
        known[place] = number
        return number

    return count(start, frozenset())


def test_schedules_without_and_with() -> None:
    """Of each named race, how many there are, and how many are left."""
    model = RaceModel(ModelMachine("7.2"), named())

    counted = [(schedules(model, state, False), schedules(model, state, True)) for state in model.initial()]

    assert [(3147, 81), (18162, 334), (3365, 81), (3365, 81), (4368, 136), (25928, 113)] == counted


@pytest.mark.parametrize("limits", [Exhaustive(every_order=True), Exhaustive(depth=100)])
def test_every_order_is_looked_at_when_asked_for(limits: CheckLimits) -> None:
    """By name, and where a bound is on ways and not on states."""
    machine = ModelMachine("7.2")

    assert check(machine, named()).transitions < check(machine, named(), limits=limits).transitions


def test_a_limit_cuts_it() -> None:
    """What was left out is said, and nothing holds then."""
    cut = check(ModelMachine("7.2"), named(), limits=Exhaustive(states=100))

    assert not cut.complete
    assert cut.cut[0].startswith("states: 10")
    assert "undecided" == cut.answers[0].verdict


@pytest.mark.parametrize("spec", ["7.2", "6.1"])
def test_races_in_several_processes_are_searched_as_in_one(spec: str) -> None:
    """Counts by length, ways, answers of operations, and missing rules in their order."""
    told = []
    for jobs in (1, 2):
        model = RaceModel(ModelMachine(spec), named())
        found = search(model, PROPERTIES, jobs=jobs)
        told.append(
            (
                *(found.states, found.transitions, found.expanded, found.growth, found.depth, found.fired),
                *(
                    found.discoveries,
                    found.premises,
                    found.cut,
                    model.outcomes,
                    list(model.unmodelled.items()),
                ),
            )
        )

    assert told[0] == told[1]


@pytest.mark.target("long")
def test_the_ways_to_what_is_found_are_not_counted_as_steps() -> None:
    """Whether something is found, to which the way is followed once more, changes no count."""
    asked, nothing = (RaceModel(ModelMachine("6.1"), named()) for _ in range(2))

    found = search(asked, PROPERTIES)
    search(nothing, ())

    assert (True, asked.outcomes) == (bool(found.discoveries), nothing.outcomes)


def kernels_left() -> int:
    """The number of modelled kernels that are still in memory."""
    gc.collect()
    return sum(type(one) is Kernel for one in gc.get_objects())


@for_each("spec", ["7.3", "6.1"])
def test_a_search_leaves_no_kernel_in_memory(spec: str) -> None:
    """An operation that is stopped would hold its kernel for ever."""
    before = kernels_left()

    found, _ = on(spec, races(REVOCATIONS))

    assert found.states > 10
    assert before == kernels_left()


def test_operations_that_are_not_given_up_keep_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are, for the collector does not see into a stopped greenlet."""
    before, stopped = kernels_left(), []
    monkeypatch.setattr(Operation, "give_up", lambda operation: stopped.append(operation))

    on("7.3", races(REVOCATIONS))
    kept = kernels_left()
    monkeypatch.undo()
    while stopped:
        stopped.pop().give_up()

    assert kept > before == kernels_left()
