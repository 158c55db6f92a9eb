"""Operations side by side: every order in which they can enter kernel functions (S8.3).

This is a partial-order search with a memo. An operation stops where the model marks the beginning of a kernel
function. Between two stops it runs alone: that is a turn. A state is the joint state of all tasks. A schedule
is the list of tasks in the order of their turns, and leads to a state. The effect of a turn is computed once
(:mod:`pfnlab.checker.races.memo`).

A translation is stale when the page tables no longer have it. It does no harm while the owner of the frame
still waits. It does harm once :class:`~pfnlab.programs.lang.ops.UnmapMappingRange` has returned: the owner
takes the frame for free and may give it to another. An entry that a fault handler inserted meanwhile does not
count: the driver has to prevent it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from pfnlab.checker.kernel.scope import Race, RaceScope
from pfnlab.checker.races.driver import Position, Turn, reached, revoked, translations
from pfnlab.checker.races.memo import JointState, TurnEffect, Turns
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.tallies import recall, tallies
from pfnlab.errors import Undecided
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.forced import Hold, Skip
from pfnlab.programs.lang.ops import MAIN_TASK, Op, Program, Read, Release
from pfnlab.programs.lang.words import HOLD_FUNCTIONS
from pfnlab.programs.model.machine import ModelMachine, place
from pfnlab.programs.model.running import SideBySide
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.places import Places

#: The search for a place to hold an operation tries fewer entries into one function than this.
_MOST_CALLS = 4


class RaceState(NamedTuple):
    """A state of a race.

    :param race: the number of the race in the scope, counted from 0
    :param joint: the joint state of its tasks
    :param able: the numbers of the tasks that can run
    :param told_free: whether an owner was told that a frame is free while a processor still reached it
    :param stuck: whether no task can run although not all are done
    :param beside: whether an owner was told while another operation was under way
    :param free: whether an owner was told at all
    """

    race: int
    joint: JointState
    able: tuple[int, ...]
    told_free: bool = False
    stuck: bool = False
    beside: bool = False
    free: bool = False


class RaceModel:
    """All schedules of the races of a scope, on one modelled kernel.

    :ivar turns: the turns of each race
    :ivar outcomes: how often each kind of operation ended with each result
    :ivar unmodelled: how many turns the model has no rule for, by its message; they are left out
    """

    def __init__(self, machine: ModelMachine, scope: RaceScope) -> None:
        self.machine, self.scope = machine, scope
        self.turns = [Turns(machine, race) for race in scope.races]
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unmodelled: Counter[str] = Counter()

    def initial(self) -> Iterable[RaceState]:
        """Every race before its first turn."""
        for race, turns in enumerate(self.turns):
            yield RaceState(race, turns.begin, turns.able(turns.begin))

    def successors(self, state: RaceState) -> Iterable[tuple[Turn, RaceState]]:
        """The turns of the tasks that can run, each with the state after it."""
        for task in state.able:
            effect = self.go(state, task)
            if effect is not None:
                yield effect.result.turn, self.after(state, task, effect)

    def go(self, state: RaceState, task: int) -> TurnEffect | None:
        """The effect of a turn of task number *task*, which can run; None where the model has no rule."""
        try:
            return self.turns[state.race].go(state.joint, task)
        except Undecided as unknown:
            self.unmodelled[str(unknown)] += 1
            return None

    def after(self, state: RaceState, task: int, effect: TurnEffect) -> RaceState:
        """The state after a turn of *task* with that effect."""
        turns, result = self.turns[state.race], effect.result
        if result.outcome is not None:
            self.outcomes[result.turn.kind, result.outcome.result] += 1
        joint = turns.after(state.joint, task, effect)
        owner_told, others_under_way = (
            result.told_free is not None,
            any(position.under_way for position in joint.positions),
        )
        able = turns.able(joint)
        done = all(turns.finished(joint, number) for number in range(len(turns.tasks)))
        return RaceState(
            state.race,
            joint,
            able,
            told_free=state.told_free or bool(result.told_free),
            stuck=not able and not done,
            beside=state.beside or (owner_told and others_under_way),
            free=state.free or owner_told,
        )

    def key(self, state: RaceState) -> bytes:
        """The values of all parts and the positions of all tasks."""
        joint = state.joint
        digests = array("Q", [position.value for position in joint.positions])
        digests.extend(joint.parts)
        return bytes((state.race, state.told_free, state.beside)) + digests.tobytes()

    def packed(self, state: RaceState) -> tuple[Any, ...]:
        schedule, positions, parts = state.joint
        return state.race, (schedule, tuple(map(tuple, positions)), parts), *state[2:]

    def unpacked(self, packed: Any) -> RaceState:
        try:
            race, (schedule, positions, parts), *rest = packed
            return RaceState(
                race, JointState(schedule, tuple(Position(*position) for position in positions), parts), *rest
            )
        except TypeError:
            raise ValueError("no state of a race") from None

    def tallies(self) -> tuple[Any, ...]:
        return tallies(self.outcomes, self.unmodelled)

    def recall(self, counts: Any) -> None:
        recall(counts, self.outcomes, self.unmodelled)

    def program(self, path: Path[RaceState], title: str, asks: str) -> Program | None:
        """A program with one held task that breaks the same rule; None where one held task is not enough.

        There is no program for a deadlock: no operation could release the held one.
        """
        if not path.states(self)[-1].told_free:
            return None
        race = self.scope.races[path.start]
        for op in race.beside:
            for function in HOLD_FUNCTIONS:
                for nth in range(1, _MOST_CALLS):
                    program = _with_hold(race, op, Hold(function, nth), title, asks)
                    if any(told_free_by_op(self.machine, program)):
                        return program
        return None


def told_free_by_op(machine: ModelMachine, program: Program) -> list[bool | None]:
    """For each operation of a program with a held task: whether it told an owner too early.

    None where it told no owner while the task was held.
    """
    platform, devices, _ = place(program)
    kernel = machine.boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    running = SideBySide(kernel, Places.of(program, devices))
    answers: list[bool | None] = []
    for op in program.ops:
        before = translations(kernel)
        outcome = running.step(op)
        if isinstance(op.call, UnmapMappingRange) and not running.settled and outcome.result == "ok":
            answers.append(reached(kernel, revoked(op.call, devices), before))
        else:
            answers.append(None)
    return answers


def control(program: Program) -> Program:
    """*program* with its flush left out by force, for a kernel that would flush in time."""
    ops = [
        op
        if op.hold is None
        else msgspec.structs.replace(op, skip=Skip("flush_tlb_mm_range"), hold=Hold("tlb_finish_mmu"))
        for op in program.ops
    ]
    return msgspec.structs.replace(program, ops=tuple(ops))


def still_read(program: Program, run: Run) -> bool:
    """Whether a task read the device in *run* after the owner had been told that no processor reaches it."""
    told_free = False
    for op, step in zip(program.ops, run.steps, strict=False):
        if isinstance(op.call, UnmapMappingRange):
            told_free = step.result == "ok"
        elif told_free and isinstance(op.call, Read | Release):
            return isinstance(op.call, Read) and step.result == "ok"
    return False


def _with_hold(race: Race, op: Op, hold: Hold, title: str, asks: str) -> Program:
    others = [other for other in race.beside if other is not op and other.task != op.task]
    revocations = [other for other in others if isinstance(other.call, UnmapMappingRange)]
    rest = [other for other in others if not isinstance(other.call, UnmapMappingRange)]
    held = msgspec.structs.replace(op, hold=hold)
    ops = (*race.setup, held, *revocations, *rest, Op(Release()))
    return Program(title, asks, race.program.devices, ops, race.program.areas)
