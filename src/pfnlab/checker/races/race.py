"""Operations side by side: every order in which they can enter kernel functions (S8.3).

An operation stops wherever the model says that a kernel function begins, and between two stops it runs
alone. A state is what all have come to; it is reached by a schedule, the tasks in the order in which they
went on. What a turn comes to is found out once (:mod:`pfnlab.checker.races.turns`).

A translation is stale when the page tables have something else by now. That is no harm while the owner of the
frame still waits. It is one when :class:`~pfnlab.programs.lang.ops.UnmapMappingRange` has returned: then the
owner believes that nothing from before reaches the frame, and may give it to somebody else. What a fault
handler has put back meanwhile does not count: that is the driver's own to prevent.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from pfnlab.checker.kernel.scope import Race, RaceScope
from pfnlab.checker.races.driver import Position, Turn, reached, revoked, translations
from pfnlab.checker.races.turns import JointState, TurnEffect, Turns
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.tallies import recall, tallies
from pfnlab.errors import Undecided
from pfnlab.programs.lang.driver_calls import UnmapMappingRange
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
    """What all tasks have come to.

    :param race: which of the scope's races, counted from 0
    :param able: the numbers of the tasks that can go on
    :param told: an owner was told that a frame is free which a processor still reaches
    :param stuck: nobody can go on, and not all are done
    :param beside: an owner was told while another operation was under way
    :param free: an owner was told at all
    """

    race: int
    moment: JointState
    able: tuple[int, ...]
    told: bool = False
    stuck: bool = False
    beside: bool = False
    free: bool = False


class RaceModel:
    """All schedules of the races of a scope, on one modelled kernel.

    :ivar turns: of each race
    :ivar outcomes: how often an operation ended how
    :ivar unmodelled: turns the model has no rule for, by what it said; they are left out
    """

    def __init__(self, machine: ModelMachine, scope: RaceScope) -> None:
        self.machine, self.scope = machine, scope
        self.turns = [Turns(machine, race) for race in scope.races]
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unmodelled: Counter[str] = Counter()

    def initial(self) -> Iterable[RaceState]:
        """Every race before anybody began."""
        for race, turns in enumerate(self.turns):
            yield RaceState(race, turns.begin, turns.able(turns.begin))

    def successors(self, state: RaceState) -> Iterable[tuple[Turn, RaceState]]:
        """Every task that can go on does, alone."""
        for task in state.able:
            came = self.go(state, task)
            if came is not None:
                yield came.did.turn, self.after(state, task, came)

    def go(self, state: RaceState, task: int) -> TurnEffect | None:
        """What task number *task*, which can go on, comes to then; None where the model has no rule."""
        try:
            return self.turns[state.race].go(state.moment, task)
        except Undecided as unknown:
            self.unmodelled[str(unknown)] += 1
            return None

    def after(self, state: RaceState, task: int, came: TurnEffect) -> RaceState:
        """The state in which *task* has come to that."""
        turns, did = self.turns[state.race], came.did
        if did.said is not None:
            self.outcomes[did.turn.kind, did.said.result] += 1
        moment = turns.after(state.moment, task, came)
        told, beside = did.told is not None, any(stand.under_way for stand in moment.stands)
        able = turns.able(moment)
        done = all(turns.finished(moment, one) for one in range(len(turns.tasks)))
        return RaceState(
            state.race,
            moment,
            able,
            told=state.told or bool(did.told),
            stuck=not able and not done,
            beside=state.beside or (told and beside),
            free=state.free or told,
        )

    def key(self, state: RaceState) -> bytes:
        """What can be seen, and where each operation stands."""
        moment = state.moment
        digests = array("Q", [stand.value for stand in moment.stands])
        digests.extend(moment.parts)
        return bytes((state.race, state.told, state.beside)) + digests.tobytes()

    def packed(self, state: RaceState) -> tuple[Any, ...]:
        schedule, stands, parts = state.moment
        return state.race, (schedule, tuple(map(tuple, stands)), parts), *state[2:]

    def unpacked(self, packed: Any) -> RaceState:
        try:
            race, (schedule, stands, parts), *rest = packed
            return RaceState(
                race, JointState(schedule, tuple(Position(*one) for one in stands), parts), *rest
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
        if not path.states(self)[-1].told:
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
        told = isinstance(op.call, UnmapMappingRange) and not running.settled and said.result == "ok"
        found.append(reached(kernel, revoked(op.call, devices), before) if told else None)  # type: ignore[arg-type]
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
    told = False
    for op, step in zip(program.ops, run.steps, strict=False):
        if isinstance(op.call, UnmapMappingRange):
            told = step.result == "ok"
        elif told and isinstance(op.call, Read | Release):
            return isinstance(op.call, Read) and step.result == "ok"
    return False


def _with_hold(race: Race, held: Op, hold: Hold, title: str, asks: str) -> Program:
    others = [op for op in race.beside if op is not held and op.task != held.task]
    revoking = [op for op in others if isinstance(op.call, UnmapMappingRange)]
    rest = [op for op in others if not isinstance(op.call, UnmapMappingRange)]
    stops = msgspec.structs.replace(held, hold=hold)
    ops = (*race.setup, stops, *revoking, *rest, Op(Release()))
    return Program(title, asks, race.program.devices, ops, race.program.areas)
