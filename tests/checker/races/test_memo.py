"""Turns that are run once: remembered, they come to what they come to when they are run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each
from some_races import COPIES, OTHERS, REVOCATIONS, races

from pfnlab.checker.races.memo import digest
from pfnlab.checker.races.race import RaceModel, RaceState
from pfnlab.checker.races.turns import Ground, Live, SetUpKernels
from pfnlab.checker.scopes.policies_apart import policies_apart
from pfnlab.checker.scopes.scope import Race, RaceScope, load_scope
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.model.model_machine import ModelMachine


def every_state(model: RaceModel) -> Iterator[RaceState]:
    """All there are, in any order."""
    waiting = list(model.initial())
    seen = set(map(model.key, waiting))
    while waiting:
        state = waiting.pop()
        yield state
        for _, after in model.successors(state):
            if model.key(after) not in seen:
                seen.add(model.key(after))
                waiting.append(after)


def wrong(
    machine: ModelMachine, race: Race, model: RaceModel, state: RaceState, number: int
) -> Iterator[str]:
    """What of a state and of a turn out of it is otherwise on a kernel that goes through its schedule."""
    turns, live = model.turns[state.race], Live(SetUpKernels(machine), race, Ground(race))
    for task in state.joint.schedule:
        live.go(task)
    parts = [digest(live.parts.value(part)) for part in range(len(turns.names))]
    if parts != list(state.joint.parts):
        yield f"{state.joint.schedule}: the parts"
    for one, position in enumerate(state.joint.positions):
        able = not turns.finished(state.joint, one) and (not position.waits or live.ready(turns.tasks[one]))
        if able != (one in state.able):
            yield f"{state.joint.schedule}: whether {turns.tasks[one]} can go on"
    effect = model.go(state, number)
    if live.go(turns.tasks[number]) != effect.result:
        yield f"{state.joint.schedule}: what {effect.result.turn} did"
    after = turns.after(state.joint, number, effect).parts
    for part, name in enumerate(turns.names):
        if digest(live.parts.value(part)) != after[part]:
            yield f"{state.joint.schedule}: {name} behind {effect.result.turn}"


def all_wrong(
    spec: str, scope: RaceScope, every: int = 1, other: tuple[RaceModel, frozenset[str]] | None = None
) -> list[str]:
    """Of the turns of the races of *scope*, one of *every* so many.

    :param other: another model, and what is apart
    """
    machine = ModelMachine(spec)
    model = RaceModel(machine, scope, other=other)
    turns = [(state, task) for state in every_state(model) for task in state.able]
    return [
        one
        for state, task in turns[::every]
        for one in wrong(machine, scope.races[state.race], model, state, task)
    ]


@pytest.mark.target("long")
@pytest.mark.parametrize("flush", FLUSHES)
def test_a_remembered_turn_is_the_turn(flush: str) -> None:
    """In the states of the named races, with every flush placement."""
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)

    assert [] == all_wrong(f"7.2,flush={flush}", scope, every=11)


@pytest.mark.target("long")
@pytest.mark.parametrize("tracker", TRACKERS)
def test_so_it_is_with_every_tracker(tracker: str) -> None:
    """Of races in which trackers have something to do."""
    assert [] == all_wrong(f"7.2,tracker={tracker}", races(OTHERS), every=7)


OWN = '''"""A flush placement that remembers: every second VMA is flushed at its end, the others later."""


class EverySecond:
    def __init__(self):
        self.ends = 0

    def tlb_start_vma(self, tlb, vma):
        pass

    def tlb_end_vma(self, tlb, vma):
        self.ends += 1
        if self.ends % 2:
            tlb.flush_mmu_tlbonly()

    def tlb_free_vmas(self, tlb, first):
        for _ in range(2):
            self.ends += 1
            if self.ends % 2:
                tlb.flush_mmu_tlbonly()

    def tlb_free_vma(self, tlb, vma):
        pass
'''


@pytest.mark.target("long")
def test_so_it_is_with_a_policy_of_ones_own(tmp_path: Path) -> None:
    """One that remembers, and stops within a loop."""
    own = tmp_path / "own.py"
    own.write_text(OWN)
    scope = load_scope("race")
    assert isinstance(scope, RaceScope)

    assert [] == all_wrong(f"7.2,flush={own}", scope, every=7)


@pytest.mark.target("long")
@pytest.mark.parametrize("series", ["6.1", "6.12"])
def test_so_it_is_on_older_kernels(series: str) -> None:
    """They flush and let go of reservations elsewhere."""
    assert [] == all_wrong(series, races(OTHERS), every=7)


@pytest.mark.parametrize("spec", ["6.1", "6.12", "7.3", "7.3,tracker=exact"])
def test_so_it_is_where_the_reverse_map_grows(spec: str) -> None:
    """A revocation goes on with the mappings that it found when it began, those of a fork under way too."""
    assert [] == all_wrong(spec, races(REVOCATIONS), every=9)


@pytest.mark.parametrize("spec", ["6.1", "6.12", "7.3"])
def test_so_it_is_where_tables_and_vmas_are_locked(spec: str) -> None:
    """A copy has the lock of a page table while it flushes, and that of its VMA from 6.12 on (S8.6)."""
    assert [] == all_wrong(spec, races(COPIES), every=7)


def test_no_order_shows_the_entry_that_a_copy_has_cleared() -> None:
    """mincore finds both pages whenever it comes, for it waits for the lock of their table (S8.6.2)."""
    model = RaceModel(ModelMachine("7.3"), races(COPIES))
    results = [
        model.go(state, task).result for state in every_state(model) for task in state.able if state.race == 1
    ]

    assert {"11"} == {
        one.outcome.value for one in results if one.outcome is not None and "mincore" in str(one.turn)
    }


def test_a_turn_that_looks_at_less_than_it_touches_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page tables that nobody notes: then turns are taken for the same that are not."""
    from pfnlab.checker.races import noting
    from pfnlab.kernel.hw.pgtable import PageTables

    watch, unwatch = noting._watch, noting._unwatch
    monkeypatch.setattr(noting, "_watch", lambda kind, *more: kind is PageTables or watch(kind, *more))
    monkeypatch.setattr(noting, "_unwatch", lambda kind: kind is PageTables or unwatch(kind))

    assert all_wrong("7.2", races(OTHERS), every=7)


@for_each("change", ["flush=first_vma", "flush=none", "tracker=no_cow", "tracker=exact"])
def test_turns_of_a_model_that_is_alike_come_to_the_same(change: str) -> None:
    """Those that use nothing in which the two differ are not run again."""
    machines = ModelMachine("7.3"), ModelMachine(f"7.3,{change}")
    base = RaceModel(machines[0], races(OTHERS))
    assert list(every_state(base))
    apart = policies_apart(*machines)
    assert apart is not None

    assert [] == all_wrong(machines[1].spec, races(OTHERS), 11, (base, apart))


def test_a_difference_that_is_not_told_is_noticed() -> None:
    """The design flushes less, so its operations end before those that are taken for its own."""
    base = RaceModel(ModelMachine("7.3"), races(OTHERS))
    assert list(every_state(base))

    with pytest.raises(IndexError):
        all_wrong("7.3,flush=none", races(OTHERS), 1, (base, frozenset()))


def test_a_turn_is_run_once_for_many_schedules() -> None:
    """Far fewer turns are run than there are."""
    model = RaceModel(ModelMachine("7.2"), races(OTHERS))

    turns = sum(len(state.able) for state in every_state(model))

    assert turns > 2 * sum(one.run for one in model.turns)
