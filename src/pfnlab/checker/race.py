"""Operations side by side: every order in which they can enter kernel functions (S8.3).

An operation stops wherever the model says that a kernel function begins, and between two stops it runs
alone. A state is what all have come to; it is reached by a schedule, the tasks in the order in which they
went on.

A translation is stale when the page tables have something else by now. That is no harm while the owner of the
frame still waits. It is one when :class:`~pfnlab.programs.ops.UnmapMappingRange` has returned: then the
owner believes that nothing from before reaches the frame, and may give it to somebody else. What a fault
handler has put back meanwhile does not count: that is the driver's own to prevent.
"""

from __future__ import annotations

import marshal
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import msgspec

from pfnlab.checker.path import Path
from pfnlab.checker.scope import Race, RaceScope
from pfnlab.hw.pgtable import Run as Entry
from pfnlab.mm.kernel import Kernel
from pfnlab.mm.processors import Operation
from pfnlab.programs.driver_calls import UnmapMappingRange
from pfnlab.programs.forced import Hold, Skip
from pfnlab.programs.model import ModelMachine, place
from pfnlab.programs.observation import Run
from pfnlab.programs.ops import MAIN_TASK, Op, Program, Read, Release
from pfnlab.programs.places import Places
from pfnlab.programs.printer import op_text
from pfnlab.programs.running import OneByOne, Said, SideBySide
from pfnlab.programs.words import HOLD_FUNCTIONS
from pfnlab.units import PfnRange

#: How often one operation may enter one function, where places to hold it are looked for.
_MOST_CALLS = 4


class Turn(NamedTuple):
    """One task goes on.

    :param where: the function it goes on in; empty where its operation begins
    """

    task: str
    op: Op
    where: str

    @property
    def kind(self) -> str:
        """The operation's word."""
        return str(type(self.op.call).__struct_config__.tag)

    def __str__(self) -> str:
        if self.where:
            return f"{self.task} goes on in {self.where}"
        return op_text(self.op) if self.task != MAIN_TASK else f"{MAIN_TASK}: {op_text(self.op)}"


class Raced(NamedTuple):
    """What all tasks have come to.

    :param race: which of the scope's races, counted from 0
    :param schedule: who went on, in order
    :param value: what tells it apart
    :param able: who can go on
    :param told: an owner was told that a frame is free which a processor still reaches
    :param stuck: nobody can go on, and not all are done
    :param beside: an owner was told while another operation was under way
    :param free: an owner was told at all
    """

    race: int
    schedule: tuple[str, ...]
    value: bytes
    able: tuple[str, ...]
    told: bool = False
    stuck: bool = False
    beside: bool = False
    free: bool = False


class RaceModel:
    """All schedules of the races of a scope, on one modelled kernel."""

    def __init__(self, machine: ModelMachine, scope: RaceScope) -> None:
        self.machine, self.scope = machine, scope
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.unmodelled: Counter[str] = Counter()

    def initial(self) -> Iterable[Raced]:
        """Every race before anybody began."""
        for number in range(len(self.scope.races)):
            yield self._state(number, (), self._run(number, ()))

    def successors(self, state: Raced) -> Iterable[tuple[Turn, Raced]]:
        """Every task that can go on does, alone."""
        for task in state.able:
            running = self._run(state.race, state.schedule)
            turn = running.go(task)
            if (said := running.said.get(task)) is not None and running.under_way(task) is None:
                self.outcomes[turn.kind, said.result] += 1
            yield turn, self._state(state.race, (*state.schedule, task), running)

    def key(self, state: Raced) -> tuple[int, bytes, bool, bool]:
        """What can be seen, and where each operation stands."""
        return state.race, state.value, state.told, state.beside

    def program(self, path: Path[Raced], title: str, asks: str) -> Program | None:
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
                    if self._breaks(program):
                        return program
        return None

    def _breaks(self, program: Program) -> bool:
        """Whether somebody is told that frames are free while a task is held that leaves them reachable."""
        platform, devices, _ = place(program)
        kernel = self.machine.boot(platform, devices)
        kernel.start_task(MAIN_TASK)
        running = SideBySide(kernel, Places.of(program, devices))
        for op in program.ops:
            before = _translations(kernel)
            said = running.step(op)
            if isinstance(op.call, UnmapMappingRange) and not running.settled and said.result == "ok":
                return _reached(kernel, _pfns(op.call, devices), before)
        return False

    def _run(self, number: int, schedule: tuple[str, ...]) -> _Running:
        running = _Running(self.machine, self.scope.races[number])
        for task in schedule:
            running.go(task)
        return running

    def _state(self, number: int, schedule: tuple[str, ...], running: _Running) -> Raced:
        able = tuple(running.able())
        stuck = not able and not running.finished
        told, beside, free = running.told, running.beside, running.free
        return Raced(number, schedule, running.value(), able, told, stuck, beside, free)


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


class _Running:
    """One race, driven turn by turn."""

    def __init__(self, machine: ModelMachine, race: Race) -> None:
        platform, self._devices, _ = place(race.program)
        self.kernel = machine.boot(platform, self._devices)
        self.kernel.start_task(MAIN_TASK)
        self._places = Places.of(race.program, self._devices)
        self._one_by_one = OneByOne(self.kernel, self._places)
        for op in race.setup:
            self._one_by_one.step(op)
        self.kernel.trace.take()
        self._waiting: dict[str, list[Op]] = {}
        for op in race.beside:
            self._waiting.setdefault(op.task, []).append(op)
        self._under_way: dict[str, Operation] = {}
        #: What processors remembered when the operation of each task began.
        self._before: dict[str, list[Entry]] = {}
        self._turns: Counter[str] = Counter()
        self.said: dict[str, Said] = {}
        self.told = self.beside = self.free = False

    @property
    def finished(self) -> bool:
        """Whether everybody is done."""
        return not self._under_way and not any(self._waiting.values())

    def under_way(self, task: str) -> Operation | None:
        """What *task* is in the middle of."""
        return self._under_way.get(task)

    def able(self) -> Iterator[str]:
        """The tasks that can go on."""
        for task, ops in self._waiting.items():
            operation = self._under_way.get(task)
            if operation is None:
                if ops:
                    yield task
            elif operation.waits is None or operation.ready():
                yield task

    def go(self, task: str) -> Turn:
        """Let *task* go on to its next stop."""
        operation = self._under_way.get(task)
        where = operation.at if operation is not None else ""
        op = self._waiting[task][0]
        if operation is None:
            self._before[task] = _translations(self.kernel)
            body = partial(self._one_by_one._perform, op)
            operation = self._under_way[task] = Operation(task, body, everywhere=True)
        self._turns[task] += 1
        self.kernel.processors.step(operation)
        if operation.done:
            del self._under_way[task], self._waiting[task][0]
            self._turns[task] = 0
            self.said[task] = operation.result
            if isinstance(op.call, UnmapMappingRange) and operation.result.result == "ok":
                self.free = True
                self.told = self.told or _reached(
                    self.kernel, _pfns(op.call, self._devices), self._before[task]
                )
                self.beside = self.beside or bool(self._under_way)
        return Turn(task, op, where)

    def _olds(self, run: Entry) -> list[bool]:
        """Before which operations under way a translation was there."""
        return [any(run is one for one in self._before[task]) for task in self._under_way]

    def value(self) -> bytes:
        """Everything anybody can see, and how far each operation is."""
        kernel = self.kernel
        mms = list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())
        numbers = {id(mm): number for number, mm in enumerate(mms)}
        value = (
            [
                (task, len(ops), self._turns[task], under.at if (under := self._under_way.get(task)) else "")
                for task, ops in self._waiting.items()
            ],
            [
                (
                    [(vma.start, vma.end, vma.flags) for vma in mm],
                    [run[:4] for run in mm.tables._runs],
                    [gather.value for gather in mm.gathers],
                    mm.tlb_flush_pending,
                )
                for mm in mms
            ],
            [
                [(*run[:4], *self._olds(run)) for run in task.tlb._entries.values()]
                for task in kernel.tasks.values()
            ],
            [(numbers.get(id(vma.mm), -1), vma.start, vma.end) for vma in kernel.i_mmap],
            [(start, end, int(mode)) for start, end, mode in kernel.book._entries],
        )
        return marshal.dumps(value, 2)


def _translations(kernel: Kernel) -> list[Entry]:
    """What all processors remember."""
    return [known for task in kernel.tasks.values() for known in task.tlb._entries.values()]


def _reached(kernel: Kernel, pfns: PfnRange, before: list[Entry]) -> bool:
    """Whether a processor still answers for one of these frames although no page table has it any more.

    :param before: what processors remembered when somebody began to take the frames away
    """
    return any(
        known.page is None and pfns.start <= known.pfn < pfns.end and any(known is one for one in before)
        for task in kernel.tasks.values()
        for vpn in task.tlb.stale(task.mm.tables)
        for known in (task.tlb._entries[vpn],)
    )


def _pfns(call: UnmapMappingRange, devices: dict[str, PfnRange]) -> PfnRange:
    base = devices[call.span.name].start
    return PfnRange(base + call.span.start, base + call.span.end)


def _with_hold(race: Race, held: Op, hold: Hold, title: str, asks: str) -> Program:
    others = [op for op in race.beside if op is not held and op.task != held.task]
    revoking = [op for op in others if isinstance(op.call, UnmapMappingRange)]
    rest = [op for op in others if not isinstance(op.call, UnmapMappingRange)]
    stops = msgspec.structs.replace(held, hold=hold)
    ops = (*race.setup, stops, *revoking, *rest, Op(Release()))
    return Program(title, asks, race.program.devices, ops, race.program.areas)
