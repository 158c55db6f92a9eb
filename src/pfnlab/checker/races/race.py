"""Operations side by side: every order in which they can enter kernel functions (S8.3).

This is a partial-order search with a memo. An operation stops where the model says that a kernel function
begins, and runs alone between two stops: that is a turn. A state is the joint state of all tasks. A schedule,
the tasks in the order of their turns, leads to it. The effect of a turn is found out once
(:mod:`pfnlab.checker.races.memo`).

A translation is stale when the page tables no longer have it. That does no harm while the owner of the frame
still waits. It does harm once :class:`~pfnlab.programs.lang.ops.UnmapMappingRange` has returned: the owner
takes the frame for free and may give it to somebody else. An entry that a fault handler inserted meanwhile
does not count: the driver has to prevent it.
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

#: How often one operation may enter one function, where places to hold it are looked for.
_MOST_CALLS = 4


class RaceState(NamedTuple):
    """A state of a race.

    :param race: which of the scope's races, counted from 0
    :param joint: the joint state of its tasks
    :param able: the numbers of the tasks that can run
    :param told_free: an owner was told that a frame is free which a processor still reaches
    :param stuck: no task can run, and not all are done
    :param beside: an owner was told while another operation was under way
    :param free: an owner was told at all
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

    :ivar turns: of each race
    :ivar outcomes: how often each kind of operation ended with each result
    :ivar unmodelled: turns the model has no rule for, by its message; they are left out
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
        """One turn of each task that can run."""
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
        if result.said is not None:
            self.outcomes[result.turn.kind, result.said.result] += 1
        joint = turns.after(state.joint, task, effect)
        told_free, beside = (
            result.told_free is not None,
            any(position.under_way for position in joint.positions),
        )
        able = turns.able(joint)
        done = all(turns.finished(joint, one) for one in range(len(turns.tasks)))
        return RaceState(
            state.race,
            joint,
            able,
            told_free=state.told_free or bool(result.told_free),
            stuck=not able and not done,
            beside=state.beside or (told_free and beside),
            free=state.free or told_free,
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
                race, JointState(schedule, tuple(Position(*one) for one in positions), parts), *rest
            )
        except TypeError:
            raise ValueError("no state of a race") from None

    def tallies(self) -> tuple[Any, ...]:
        return tallies(self.outcomes, self.unmodelled)

    def recall(self, kept: Any) -> None:
        recall(kept, self.outcomes, self.unmodelled)

    def program(self, path: Path[RaceState], title: str, asks: str) -> Program | None:
        """A program with one held task that breaks the same rule, or None where it takes more than one.

        Operations that wait for each other are no program: nobody could release them.
        """
        if not path.states(self)[-1].told_free:
            return None
        race = self.scope.races[path.start]
        for held in race.beside:
            for function in HOLD_FUNCTIONS:
                for nth in range(1, _MOST_CALLS):
                    program = _with_hold(race, held, Hold(function, nth), title, asks)
                    if any(told_along(self.machine, program)):
                        return program
        return None


def told_along(machine: ModelMachine, program: Program) -> list[bool | None]:
    """Behind each operation of a program that holds a task: whether an owner was told too early.

    None where nobody was told anything while the task was held.
    """
    platform, devices, _ = place(program)
    kernel = machine.boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    running = SideBySide(kernel, Places.of(program, devices))
    found: list[bool | None] = []
    for op in program.ops:
        before = translations(kernel)
        said = running.step(op)
        if isinstance(op.call, UnmapMappingRange) and not running.settled and said.result == "ok":
            found.append(reached(kernel, revoked(op.call, devices), before))
        else:
            found.append(None)
    return found


def control(program: Program) -> Program:
    """*program* for a kernel that flushes in time: the flush is left out by force."""
    ops = [
        op
        if op.hold is None
        else msgspec.structs.replace(op, skip=Skip("flush_tlb_mm_range"), hold=Hold("tlb_finish_mmu"))
        for op in program.ops
    ]
    return msgspec.structs.replace(program, ops=tuple(ops))


def still_read(program: Program, run: Run) -> bool:
    """Whether the device was read in *run* after its owner had been told that nothing reaches it."""
    told_free = False
    for op, step in zip(program.ops, run.steps, strict=False):
        if isinstance(op.call, UnmapMappingRange):
            told_free = step.result == "ok"
        elif told_free and isinstance(op.call, Read | Release):
            return isinstance(op.call, Read) and step.result == "ok"
    return False


def _with_hold(race: Race, held: Op, hold: Hold, title: str, asks: str) -> Program:
    others = [op for op in race.beside if op is not held and op.task != held.task]
    revoking = [op for op in others if isinstance(op.call, UnmapMappingRange)]
    rest = [op for op in others if not isinstance(op.call, UnmapMappingRange)]
    stops = msgspec.structs.replace(held, hold=hold)
    ops = (*race.setup, stops, *revoking, *rest, Op(Release()))
    return Program(title, asks, race.program.devices, ops, race.program.areas)
