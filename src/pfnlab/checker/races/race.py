"""Concurrent operations: every order in which they can enter kernel functions (S8.3).

This is a partial-order search with a memo. An operation stops wherever the model marks the beginning of a
kernel function. Between two stops it runs alone; this is a turn. A state is the joint state of all tasks. A
schedule lists tasks in the order of their turns, and leads to a state. Each turn's effect is computed only
once (:mod:`pfnlab.checker.races.memo`).

A translation is stale when the page tables no longer contain it. It is harmless while the frame's owner is
still waiting. It is harmful once :class:`~pfnlab.programs.lang.ops.UnmapMappingRange` has returned, because
the owner then considers the frame free and may hand it to another user. An entry inserted by a fault handler
in between does not count: it is up to the driver to prevent that.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec

from pfnlab.base.errors import ProgramError, Undecided
from pfnlab.checker.races.memo import JointState, TurnEffect, Turns
from pfnlab.checker.races.turns import (
    EXIT,
    Live,
    SetUpKernels,
    Turn,
    driven_pages,
    reached,
    revoked,
    translations,
)
from pfnlab.checker.scopes.modes import modes_agree
from pfnlab.checker.scopes.moment import StateView, facts_since, warn_again
from pfnlab.checker.scopes.properties import STATE_QUESTIONS
from pfnlab.checker.scopes.question import Question, TurnQuestion
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.checker.scopes.scope import Race, RaceScope
from pfnlab.checker.scopes.state_judges import one_mode
from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.model import CountingModel
from pfnlab.checker.search.path import Path
from pfnlab.kernel.mm.processors import WaitsForeverError
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.forced import Hold, Skip
from pfnlab.programs.lang.ops import MAIN_TASK, Exit, Fork, Op, Program, Read, Release
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.words import HOLD_FUNCTIONS
from pfnlab.programs.model.execution import ConcurrentExecution, SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.places import Places

#: The property that is judged in the middle of operations as well.

#: The search for a place to hold an operation tries fewer than this many entries into one function.
_MOST_CALLS = 4


class RaceState(NamedTuple):
    """A state of a race.

    :param race: the number of the race in the scope, counted from 0
    :param able: the numbers of the tasks that can run
    :param told_free: whether an owner was told that a frame is free while a processor could still reach it
    :param stuck: whether no task can run although some are not done
    :param overlapping: whether an owner was told this while another operation was in progress
    :param free: whether any owner was told that a frame is free
    :param facts: effects of the turns so far that the kernel does not show
    :param answers: the answers to :data:`STATE_QUESTIONS`, once all operations are done
    :param exited: whether every task has since exited
    :param modes: whether each frame has one cache mode although two were requested; None if none could have
        two
    """

    race: int
    joint: JointState
    able: tuple[int, ...]
    told_free: bool = False
    stuck: bool = False
    overlapping: bool = False
    free: bool = False
    facts: tuple[str, ...] = ()
    answers: tuple[bool | None, ...] = ()
    exited: bool = False
    modes: bool | None = None


class _Ending(NamedTuple):
    """The end of a schedule.

    :param answers: the answers to :data:`STATE_QUESTIONS` when all operations are done
    :param facts: effects of the tasks' exits that the kernel does not show
    :param exited: the answers after every task has exited; none if an exit cannot finish or a lock is still
        taken
    """

    answers: tuple[bool | None, ...]
    facts: tuple[str, ...]
    exited: tuple[bool | None, ...]


class RaceModel(CountingModel):
    """All schedules of a scope's races on one modelled kernel.

    :param kernels: kernels of *machine* left over from earlier races
    :param other: the same scope on another model, and what is apart
        (:func:`~pfnlab.checker.scopes.policies_apart.policies_apart`)
    """

    def __init__(
        self,
        machine: ModelMachine,
        scope: RaceScope,
        kernels: SetUpKernels | None = None,
        other: tuple[RaceModel, frozenset[str]] | None = None,
    ) -> None:
        super().__init__()
        self.machine, self.scope = machine, scope
        kernels = kernels or SetUpKernels(machine)
        self.turns: list[Turns] = [
            Turns(kernels, race, None if other is None else (other[0].turns[number], other[1]))
            for number, race in enumerate(scope.races)
        ]
        self._endings: dict[tuple[Any, ...], _Ending] = {}

    def initial(self) -> Iterable[RaceState]:
        """Every race before its first turn."""
        for race, turns in enumerate(self.turns):
            yield RaceState(race, turns.begin, turns.able(turns.begin), modes=turns.modes_agree(turns.begin))

    def successors(self, state: RaceState) -> Iterable[tuple[Turn, RaceState]]:
        """One turn of each task that can run, with the state after it."""
        for task in state.able:
            effect = self.go(state, task)
            if effect is not None:
                yield effect.result.turn, self.after(state, task, effect)
        yield from self.exits(state)

    def exits(self, state: RaceState) -> Iterator[tuple[Turn, RaceState]]:
        """The exit of all tasks and the state after it, if all operations are done."""
        if not state.answers or state.exited:
            return
        ending = self._ending(state.race, state.joint, state.facts)
        schedule, positions, parts = state.joint
        yield (
            EXIT,
            state._replace(
                joint=JointState((*schedule, EXIT.task), positions, parts),
                stuck=not ending.exited,
                facts=_together(state.facts, ending.facts),
                answers=ending.exited,
                exited=True,
                modes=None,
            ),
        )

    def _ending(self, race: int, joint: JointState, facts: tuple[str, ...]) -> _Ending:
        key = (race, joint.positions, joint.parts, facts)
        ending = self._endings.get(key)
        if ending is None:
            live = self.turns[race].take_kernel(joint)
            answers = self._answers(live, facts)
            try:
                # If an operation returns with a lock held, the next task that needs the lock waits.
                exit_facts = None if live.parts.taken else live.exit()
            except WaitsForeverError:
                exit_facts = None
            if exit_facts is None:
                ending = _Ending(answers, (), ())
            else:
                ending = _Ending(answers, exit_facts, self._answers(live, _together(facts, exit_facts)))
            live.give_up()
            self._endings[key] = ending
        return ending

    def _answers(self, live: Live, facts: tuple[str, ...]) -> tuple[bool | None, ...]:
        moment = StateView(live.kernel, facts)
        return tuple(question.judge(moment) for question in STATE_QUESTIONS)

    def go(self, state: RaceState, task: int) -> TurnEffect | None:
        """The effect of a turn of task number *task*, which must be able to run; None if the model has no
        rule.
        """
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
        facts = _together(state.facts, result.facts)
        done = all(turns.finished(joint, number) for number in range(len(turns.tasks)))
        return RaceState(
            state.race,
            joint,
            able,
            told_free=state.told_free or bool(result.told_free),
            stuck=not able and not done,
            overlapping=state.overlapping or (owner_told and others_under_way),
            free=state.free or owner_told,
            facts=facts,
            answers=self._ending(state.race, joint, facts).answers if done else (),
            modes=turns.modes_agree(joint),
        )

    def key(self, state: RaceState) -> bytes:
        """All part values and task positions."""
        joint = state.joint
        digests = array("Q", [position.value for position in joint.positions])
        digests.extend(joint.parts)
        flags = bytes((state.race, state.told_free, state.overlapping, state.exited))
        return flags + digests.tobytes() + "".join(state.facts).encode()

    def program(self, path: Path[RaceState], question: Question, title: str, asks: str) -> Program | None:
        """A program with at most one held task that violates the same property; None if there is none.

        A deadlock has no program, because no operation could release the held one.
        """
        state, race = path.states(self)[-1], self.scope.races[path.start]
        if state.told_free and question not in STATE_QUESTIONS:
            for held in _with_holds(race, title, asks):
                answers = answers_by_op(self.machine, held, told_free)
                if False in answers:
                    return _cut(held, len(answers))
            return None
        if question not in STATE_QUESTIONS or (not state.answers and question is not one_mode):
            return None
        rows = _in_a_row(race, path, title, asks) if state.answers else ()
        candidates = itertools.chain(rows, _with_holds(race, title, asks))
        for candidate in candidates:
            program = _with_exits(candidate) if state.exited else candidate
            try:
                answers = answers_by_op(self.machine, program, question)
            except Undecided:
                continue
            if _readable(program) and False in answers:
                # Steps after the violating operation add nothing.
                ops = program.ops[: answers.index(False) + 1]
                if program.needs.held and not any(isinstance(op.call, Release) for op in ops):
                    ops += (Op(Release()),)
                return msgspec.structs.replace(program, ops=ops)
        return None


def _cut(program: Program, length: int) -> Program:
    """The first *length* operations of *program*, after which the held operation resumes."""
    if length == len(program.ops):
        return program
    return msgspec.structs.replace(program, ops=(*program.ops[:length], Op(Release())))


def _together(facts: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*facts, *more})) if more else facts


def answers_by_op(machine: ModelMachine, program: Program, question: Question) -> list[bool | None]:
    """The answers to a question after each operation in *program*.

    An answer to a state question is None if the question does not apply, or while a task is held (except for
    cache modes). An answer to :func:`told_free` is None unless the operation told an owner while a task was
    held; an operation without a rule ends the list, e.g. a read by a processor that may have been idle when
    other pages were flushed (S8.5.3).
    """
    platform, devices, whole = place(program)
    kernel = machine.boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    places = replace(Places.of(program, devices), whole=whole)
    running = (
        ConcurrentExecution(kernel, places) if program.needs.held else SequentialExecution(kernel, places)
    )
    is_told = question is told_free
    driven = driven_pages(program)
    answers: list[bool | None] = []
    facts: tuple[str, ...] = ()
    for op in program.ops:
        before = translations(kernel) if is_told else ()
        warn_again(kernel)
        try:
            outcome = running.step(op)
        except Undecided:
            if is_told:
                break
            raise
        facts = _together(facts, facts_since(kernel.trace))
        if is_told:
            answer = None
            if isinstance(op.call, UnmapMappingRange) and not running.settled and outcome.result == "ok":
                answer = not reached(kernel, revoked(op.call, devices), before, driven)
            answers.append(answer)
        elif running.settled:
            answers.append(question.judge(StateView(kernel, facts)))
        else:
            answers.append(modes_agree(kernel) if question is one_mode else None)
    return answers


def control(program: Program) -> Program:
    """*program* with its flush forced to be skipped, for kernels that would flush in time."""
    ops = [
        op
        if op.hold is None
        else msgspec.structs.replace(op, skip=Skip("flush_tlb_mm_range"), hold=Hold("tlb_finish_mmu"))
        for op in program.ops
    ]
    return msgspec.structs.replace(program, ops=tuple(ops))


def still_read(program: Program, run: Run) -> bool | None:
    """True if, in *run*, a task read the device after its owner was told that no processor can reach it.

    None if no task reads it then, because the program was cut before a read without a rule.
    """
    told = False
    for op, step in zip(program.ops, run.steps, strict=False):
        if isinstance(op.call, UnmapMappingRange):
            told = step.result == "ok"
        elif told and isinstance(op.call, Read):
            return step.result == "ok"
        elif told and isinstance(op.call, Release):
            break
    return None if told else False


def _with_holds(race: Race, title: str, asks: str) -> Iterator[Program]:
    """The operations in *race*, with one of them held at one of its functions while the others run."""
    for op in race.concurrent:
        for function in HOLD_FUNCTIONS:
            for nth in range(1, _MOST_CALLS):
                yield _with_hold(race, op, Hold(function, nth), title, asks)


def _in_a_row(race: Race, path: Path[RaceState], title: str, asks: str) -> Iterator[Program]:
    """The operations in *race* in sequence, in the order in which they began (or ended) on *path*."""
    turns = [turn for turn in path.actions if isinstance(turn, Turn) and turn is not EXIT]
    begun = tuple(turn.op for turn in turns if not turn.where)
    ended = tuple(reversed(dict.fromkeys(turn.op for turn in reversed(turns))))
    for ops in dict.fromkeys((begun, ended)):
        yield _of(race, title, asks, race.setup + ops)


def _with_exits(program: Program) -> Program:
    """*program*, followed by the exit of every process, last created first."""
    processes = [MAIN_TASK, *(op.call.child for op in program.ops if isinstance(op.call, Fork))]
    exits = tuple(Op(Exit(), task) for task in reversed(processes))
    return msgspec.structs.replace(program, ops=program.ops + exits)


def _readable(program: Program) -> bool:
    """True if the program can be read back."""
    try:
        check_program(program)
    except ProgramError:
        return False
    return True


def _with_hold(race: Race, op: Op, hold: Hold, title: str, asks: str) -> Program:
    others = [other for other in race.concurrent if other is not op and other.task != op.task]
    revocations = [other for other in others if isinstance(other.call, UnmapMappingRange)]
    rest = [other for other in others if not isinstance(other.call, UnmapMappingRange)]
    held = msgspec.structs.replace(op, hold=hold)
    ops = (*race.setup, held, *revocations, *rest, Op(Release()))
    return _of(race, title, asks, ops)


def _of(race: Race, title: str, asks: str, ops: tuple[Op, ...]) -> Program:
    """A program on the devices of *race* that runs *ops*."""
    return msgspec.structs.replace(race.program, title=title, asks=asks, ops=ops)


def race_properties(selection: Sequence[Question]) -> list[Property[RaceState]]:
    """The properties for the questions in *selection*, on race states."""
    return [Property(one.name, one.kind, _answer(one)) for one in selection]


def _answer(question: Question) -> Callable[[RaceState], bool | None]:
    """The answer to a question after every turn, or at the end and after all exits.

    Cache modes are judged after every turn as well.
    """
    if isinstance(question, TurnQuestion):
        return question.of_race
    number = STATE_QUESTIONS.index(question)

    def answer(state: RaceState) -> bool | None:
        at_end = state.answers[number] if state.answers else None
        return state.modes if question is one_mode and at_end is None else at_end

    return answer
