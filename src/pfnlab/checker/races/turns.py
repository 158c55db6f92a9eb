"""Drives one schedule of a race on a modelled kernel, turn by turn."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

from pfnlab.base.errors import Undecided
from pfnlab.base.own_code import own_mistakes
from pfnlab.base.units import PfnRange
from pfnlab.checker.races.continuation import in_policy, variables
from pfnlab.checker.races.footprint import Parts
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.moment import (
    LEFT_BEHIND,
    LOOKED_BEHIND,
    FrameMode,
    StateView,
    facts_since,
    warn_again,
)
from pfnlab.checker.scopes.scope import Race
from pfnlab.kernel.hw.pgtable import EntryRun as Entry
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.processors import Operation
from pfnlab.kernel.mm.space import TASK_PAGES, MmStruct
from pfnlab.kernel.mm.zap import END_OF_FILE
from pfnlab.programs.lang.areas import area_starts, areas_of_driver
from pfnlab.programs.lang.device_ops import REVOKING, Revoking, UnmapMappingRange
from pfnlab.programs.lang.ops import FAULTING, MAIN_TASK, Exit, Op, Program
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.model.execution import SequentialExecution, StepOutcome
from pfnlab.programs.model.model_machine import ModelMachine, exit_all, place
from pfnlab.programs.runs.places import Places

#: The most kernels to keep for one setup, and the most setups: two neighbouring pages may be read in turn.
_MOST_UNUSED, _MOST_SETUPS = 64, 2


class Turn(NamedTuple):
    """One task runs from one kernel function to the next.

    :param where: the function where it was stopped; empty at the beginning of its operation
    """

    task: str
    op: Op
    where: str

    @property
    def kind(self) -> str:
        """The operation's keyword."""
        return str(type(self.op.call).__struct_config__.tag)

    def __str__(self) -> str:
        if self.where:
            return f"{self.task} goes on in {self.where}"
        return op_text(self.op) if self.task != MAIN_TASK else f"{MAIN_TASK}: {op_text(self.op)}"


#: The last turn in a schedule: after all operations are done, every task exits.
EXIT = Turn("every task", Op(Exit(), "every task"), "")


class TurnResult(NamedTuple):
    """The result of a turn.

    :param outcome: the result of its operation; None while the operation is not done
    :param told_free: whether a processor could still reach a frame that an owner was told is free; None if no
        owner was told
    """

    turn: Turn
    outcome: StepOutcome | None
    told_free: bool | None
    facts: tuple[str, ...] = ()


class Position(NamedTuple):
    """The position of a task between two turns.

    :param done: the number of operations the task has completed
    :param value: a digest of *done* and the task's continuation
    """

    done: int
    under_way: bool = False
    waits: bool = False
    value: int = 0


class Ground:
    """The parts shared by all kernels of one race: the platform, the devices and the addresses.

    :ivar before: what a kernel before the first turn depends on; races often share it
    """

    def __init__(self, race: Race) -> None:
        self.platform, self.devices, _ = place(race.program)
        self.places = Places.of(race.program, self.devices)
        self.driven = driven_pages(race.program)
        self.vfio = driven_pages(race.program, vfio=True)
        self.before = (race.setup, self.platform, repr((self.devices, self.places)))


class SetUpKernel:
    """A kernel after the setup of a race, and its parts; it can return there without another boot.

    :ivar before: see :class:`Ground`
    """

    def __init__(self, machine: ModelMachine, race: Race, ground: Ground) -> None:
        self.before = ground.before
        self.kernel = kernel = machine.boot(ground.platform, ground.devices)
        kernel.start_task(MAIN_TASK)
        one_by_one = SequentialExecution(kernel, ground.places)
        for op in race.setup:
            one_by_one.step(op)
        # Facts about the setup belong to no turn.
        facts_since(kernel.trace)
        self.parts = Parts(kernel)
        self._mark = Mark(kernel, self.parts, constant=(kernel.profile, kernel.platform), locks=True)

    def go_back(self) -> None:
        """Undo everything since the setup; no operation may be under way."""
        self._mark.restore()


class SetUpKernels:
    """Kernels of one machine that nothing uses at the moment, for further races with an equal setup."""

    def __init__(self, machine: ModelMachine) -> None:
        self.machine = machine
        #: By what they depend on, the least recently used first.
        self._unused: dict[object, list[SetUpKernel]] = {}

    def take(self, race: Race, ground: Ground) -> SetUpKernel:
        """A kernel after the setup of *race*."""
        unused = self._unused.get(ground.before)
        return unused.pop() if unused else SetUpKernel(self.machine, race, ground)

    def give(self, kernel: SetUpKernel) -> None:
        """Take a kernel back; no operation may be under way on it."""
        unused = self._unused.pop(kernel.before, [])
        if len(unused) < _MOST_UNUSED:
            kernel.go_back()
            unused.append(kernel)
        self._unused[kernel.before] = unused
        if len(self._unused) > _MOST_SETUPS:
            del self._unused[next(iter(self._unused))]


class Live:
    """One race on its own kernel."""

    def __init__(self, kernels: SetUpKernels, race: Race, ground: Ground) -> None:
        #: True if a fault may restore an entry revoked by the guest driver, which no kernel prevents.
        self._faults = any(isinstance(op.call, FAULTING) for op in race.concurrent)
        self._devices, self._driven, self._vfio = ground.devices, ground.driven, ground.vfio
        self._kernels, self._set_up = kernels, kernels.take(race, ground)
        self.kernel, self.parts = self._set_up.kernel, self._set_up.parts
        self._one_by_one = SequentialExecution(self.kernel, ground.places)
        self._ops: dict[str, list[Op]] = {}
        for op in race.concurrent:
            self._ops.setdefault(op.task, []).append(op)
        self.tasks = tuple(self._ops)
        self._done: Counter[str] = Counter()
        self._under_way: dict[str, Operation] = {}
        #: For each task, the translations on all processors when its revocation began.
        self._before_revocation: dict[str, list[Entry]] = {}
        self.parts.stale_before = self._stale_before

    def operations(self, task: str) -> int:
        """The number of operations of *task*."""
        return len(self._ops[task])

    def ready(self, task: str) -> bool:
        """True if *task*, whose operation is waiting, can continue now."""
        return self._under_way[task].ready()

    def go(self, task: str) -> TurnResult:
        """Run one turn of *task*."""
        result = self._go(task)
        self.parts.notice(task)
        return result

    def watch(self, task: str) -> tuple[TurnResult, set[int]]:
        """Run one turn of *task*; return the result and the numbers of the parts touched."""
        operation = self._under_way.get(task)
        with self.parts.watched(operation is not None and in_policy(operation.run)) as touched:
            result = self._go(task)
        return result, touched | self.parts.notice(task)

    def _go(self, task: str) -> TurnResult:
        operation = self._under_way.get(task)
        op = self._ops[task][self._done[task]]
        revokes = isinstance(op.call, REVOKING)
        turn = Turn(task, op, operation.at if operation is not None else "")
        if operation is None:
            if revokes:
                self._before_revocation[task] = translations(self.kernel)
            body = partial(self._one_by_one.perform, op)
            operation = self._under_way[task] = Operation(task, body, everywhere=True)
        warn_again(self.kernel)
        with own_mistakes():
            self.kernel.processors.step(operation)
        told_free = None
        if operation.done:
            del self._under_way[task]
            self._done[task] += 1
            if isinstance(op.call, REVOKING):
                if operation.result.result == "ok":
                    pfns = revoked(op.call, self._devices)
                    pages = self._driven if isinstance(op.call, UnmapMappingRange) else self._vfio
                    told_free = reached(self.kernel, pfns, self._before_revocation[task], pages)
                    if pages is self._vfio or not self._faults:
                        found = (
                            (LOOKED_BEHIND, LEFT_BEHIND)
                            if _left_behind(self.kernel, pfns, pages)
                            else (LOOKED_BEHIND,)
                        )
                        self.kernel.trace.misuses.update(found)
                # Read the translations again so that they count as touched: their ages end here.
                translations(self.kernel)
                del self._before_revocation[task]
        return TurnResult(turn, operation.result, told_free, facts_since(self.kernel.trace))

    def give_up(self) -> None:
        """End all operations under way, and give the kernel back."""
        for operation in self._under_way.values():
            operation.give_up()
        self._kernels.give(self._set_up)

    def exit(self) -> tuple[str, ...]:
        """Let every task exit, last created first; return the effects that the kernel does not show.

        :raises WaitsForeverError: if a task waits for a lock that is never released
        """
        warn_again(self.kernel)
        with own_mistakes():
            exit_all(self.kernel)
        return facts_since(self.kernel.trace)

    def asked_in_a_row(self) -> list[FrameMode]:
        """Run the operations in sequence; return the mapped frames with the requested modes.

        The first operation without a rule in the model, and all after it, are left out.
        """
        asked = list(StateView(self.kernel, ()).asked)
        for op in (op for task in self.tasks for op in self._ops[task]):
            try:
                with own_mistakes():
                    self._one_by_one.step(op)
            except Undecided:
                break
            asked += StateView(self.kernel, ()).asked
        return asked

    def variables(self, task: str) -> Any:
        """The function that the operation of *task* has reached, and its continuation; it must be in
        progress.

        :raises UnsayableError: if a variable has a value that cannot be compared
        """
        operation = self._under_way[task]
        return operation.at, variables(operation.run, self.parts.name)

    def position(self, task: str) -> Position:
        """The position of *task*; its value is 0 while the operation is in progress."""
        operation = self._under_way.get(task)
        if operation is None:
            return Position(self._done[task], value=self._done[task])
        return Position(self._done[task], True, operation.waits is not None)

    def _stale_before(self, run: Entry) -> list[str]:
        """The tasks with a revocation in progress that began after the translation *run* was made."""
        return [task for task, entries in sorted(self._before_revocation.items()) if _among(run, entries)]


def _among(run: Entry, entries: Sequence[Entry]) -> bool:
    return any(run is entry for entry in entries)


def translations(kernel: Kernel) -> list[Entry]:
    """The translations on all processors, and those that the kernel has looked up for its own use."""
    remembered = [entry for task in kernel.tasks.values() for entry in task.tlb.state()]
    return [*remembered, *(entry for mm in _spaces(kernel) for entry in mm.lookups)]


def _spaces(kernel: Kernel) -> list[MmStruct]:
    return list({id(task.mm): task.mm for task in kernel.tasks.values()}.values())


def driven_pages(program: Program, *, vfio: bool = False) -> SpanSet:
    """The virtual pages where *program* has guest-driver mappings, which the driver's revocations cover.

    Mappings of the device's other files are the responsibility of those files' owners.

    :param vfio: vfio-pci mappings instead
    """
    driven, starts = areas_of_driver((op.call for op in program.ops), vfio=vfio), area_starts(program)
    areas = zip(starts, pairwise((*starts.values(), TASK_PAGES)), strict=True)
    return SpanSet(pages for name, pages in areas if name in driven)


def reached(kernel: Kernel, pfns: PfnRange, before: Sequence[Entry], driven: SpanSet) -> bool:
    """True if a processor or the kernel has a translation to one of these frames that no page table contains.

    :param before: the translations on all processors when the revocation began
    """
    return any(
        entry.page is None
        and pfns.start <= entry.pfn < pfns.end
        and driven.covers(entry.start, entry.end)
        and _among(entry, before)
        for entry in _stale(kernel)
    )


def _stale(kernel: Kernel) -> Iterator[Entry]:
    """The translations that no page table contains any more."""
    for task in kernel.tasks.values():
        yield from task.tlb.stale(task.mm.tables)
    for mm in _spaces(kernel):
        yield from (seen for seen in mm.lookups if mm.tables.entry(seen.start) != seen)


def _left_behind(kernel: Kernel, pfns: PfnRange, driven: SpanSet) -> bool:
    """True if an entry for these pages still shows one of these revoked frames."""
    return any(
        run.page is None and run.pfn < pfns.end and pfns.start < run.pfn + run.end - run.start
        for mm in _spaces(kernel)
        for start, end in driven
        for run in mm.tables.runs(start, end)
    )


def revoked(call: Revoking, devices: dict[str, PfnRange]) -> PfnRange:
    """The frames that *call* revokes."""
    if not isinstance(call, UnmapMappingRange):
        return devices[call.device]
    base = devices[call.span.name].start
    return PfnRange(base + call.span.start, END_OF_FILE if call.to_end else base + call.span.end)
