"""Requests around an operation of a program that are not steps of the program.

Before an mmap of its file, the driver is told how to map and registers a notifier on the address space, which
shows what other notifiers would receive. If a fork is to fail, its task is told so beforehand. If a program
stops processors, each of its tasks gets its own processor, and the driver is loaded before any processor is
held. The guest stops for the lens after an operation and all requests that belong to it.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from pfnlab.base.units import PAGE_SIZE
from pfnlab.programs.lang.device_ops import DRIVER_MODE_NUMBERS, DriverHow, DriverMap, DriverMode
from pfnlab.programs.lang.ops import (
    MAIN_TASK,
    Exit,
    Fork,
    ForkRefusal,
    Kill,
    Mmap,
    Op,
    Program,
    Release,
    Thread,
    tasks_of,
)
from pfnlab.programs.lang.words import MAX_TASKS

#: The mode in which `fault_prot` inserts entries.
INSERTED: DriverMode = "wc"

#: Minimum number of CPUs in a guest that stops them, so that few programs need another kind of guest.
_LEAST_CPUS = 4

#: Values of ``enum pfnlab_kind``.
_KINDS: dict[DriverHow, int] = {
    **{"remap": 0, "fault": 1, "part": 2, "fault_prot": 3, "mixed": 4, "halves": 5, "ram": 6, "refuse": 8},
    **{"fault_pmd": 9, "fault_pud": 0xA, "apply": 0xB, "narrowed": 0xC, "fault_remap": 0xD, "bare": 0xE},
    **{"iomap_memory": 0xF, "fault_mkwrite": 0x10, "mixed_mkwrite": 0x11, "insert_page": 0x12},
    **{"insert_pages": 0x13, "map_pages": 0x14, "page_mkwrite": 0x15, "mixed_pages": 0x16},
    **{"buffer": 0x17, "fault_moved": 0x18, "export": 0x19, "stack": 0x1A, "stack_prepare": 0x1B},
    **{"simple_ioremap": 0x1C},
}

#: Values of ``enum refusal``.
_REFUSALS: dict[ForkRefusal, int] = {"set_tid": 1, "overcommit_memory": 2, "pids_max": 3}


@dataclass
class FramingLines:
    """The lines that come before and after one operation's line in a request."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def steered_cpus(program: Program) -> int:
    """The number of CPUs in a guest that stops them: one for each living task, and one for the agent."""
    processors = _Processors(program, {}, MAX_TASKS)
    for op in program.ops:
        processors.around(op)
    return max(_LEAST_CPUS, processors.used + 1)


def preparations(program: Program) -> list[FramingLines]:
    """The lines around each operation in *program*."""
    slots = {name: slot for slot, name in enumerate(tasks_of(program))}
    processors = _Processors(program, slots, steered_cpus(program) - 1) if program.needs.held else None
    lines_around = []
    for op in program.ops:
        around = FramingLines() if processors is None else processors.around(op)
        slot = slots.get(op.task, 0)
        if isinstance(op.call, Mmap) and op.call.driver is not None:
            if processors is None:
                # Registering a notifier takes every lock of the address space, and a held task
                # may have one of them.
                around.before.append(f"op {slot} driver watch")
            around.before.append(f"op {slot} {_map_request(op.call.driver)}")
        if isinstance(op.call, Fork) and op.call.refused is not None:
            around.before.append(f"op {slot} refuse {_REFUSALS[op.call.refused]}")
            around.after.insert(0, f"op {slot} refuse 0")
        lines_around.append(around)
    return lines_around


def _map_request(mapping: DriverMap) -> str:
    start, end = (page * PAGE_SIZE for page in mapping.part or (0, 0))
    insert = DRIVER_MODE_NUMBERS[INSERTED] if mapping.how == "fault_prot" else 0
    kind, mode = _KINDS[mapping.how], DRIVER_MODE_NUMBERS[mapping.mode]
    return f"driver map {kind:x} {mode} {start:x} {end - start:x} {insert}"


class _Processors:
    # Gives each task the first processor without a living task, in order of creation.

    def __init__(self, program: Program, slots: dict[str, int], agent_cpu: int) -> None:
        self._slots, self._agent_cpu = slots, agent_cpu
        #: The number of processors that tasks have used so far, counted from the first.
        self.used = 0
        self._process_of: dict[str, str] = {}
        self._cpus: dict[str, int] = {}
        self._unpinned_tasks: list[str] = []
        #: Tasks that are held at this point in the program.
        self._held: set[str] = set()
        # Loading the driver waits for every processor, so it comes first.
        self._first_lines = ["op 0 driver faults"] * program.needs.driver

    def around(self, op: Op) -> FramingLines:
        around = FramingLines()
        if not self._process_of:
            self._process_of[MAIN_TASK] = MAIN_TASK
            around.before += [*self._first_lines, *self._pin(MAIN_TASK)]
        if op.hold is not None:
            self._held.add(op.task)
        if isinstance(op.call, Release):
            self._held = set() if op.call.held is None else self._held - {op.call.held}
        if isinstance(op.call, Release) and not self._held:
            # These tasks were created while a processor was held, when they could not be pinned.
            for child in self._unpinned_tasks:
                around.after += self._pin(child)
            self._unpinned_tasks = []
        elif isinstance(op.call, Fork | Thread):
            child = op.call.child
            self._process_of[child] = (
                self._process_of.get(op.task, op.task) if isinstance(op.call, Thread) else child
            )
            if self._held:
                self._unpinned_tasks.append(child)
            else:
                # A processor that ever ran an address space stays in its mask (6.14 and later), and a new
                # task starts on its creator's processor.
                around.before.append(self._line(op.task, self._agent_cpu))
                back = self._cpus.get(op.task, self._agent_cpu)
                around.after += [self._line(op.task, back), *self._pin(child)]
                if isinstance(op.call, Fork):
                    around.after += self._copy_stacks(op.task)
        elif isinstance(op.call, Exit | Kill):
            process = self._process_of.get(op.task)
            for task in [task for task, owner in self._process_of.items() if owner == process]:
                self._cpus.pop(task, None)
        return around

    # Gives the task its own processor; if none is free, the task stays on the agent's.
    def _pin(self, task: str) -> list[str]:
        free_cpus = [cpu for cpu in range(self._agent_cpu) if cpu not in self._cpus.values()]
        if not free_cpus:
            return []
        self._cpus[task] = free_cpus[0]
        self.used = max(self.used, free_cpus[0] + 1)
        return [self._line(task, free_cpus[0])]

    # Pages shared by fork are copied on the next store, with a flush, and flushes are counted. So the
    # parent's threads store to their stacks before any task is held; pinning them again does this.
    def _copy_stacks(self, parent: str) -> list[str]:
        process = self._process_of.get(parent)
        threads = [task for task, owner in self._process_of.items() if owner == process and task != parent]
        return [self._line(task, self._cpus[task]) for task in threads if task in self._cpus]

    def _line(self, task: str, cpu: int) -> str:
        return f"op {self._slots.get(task, 0)} pin {cpu}"


def is_forced(op: Op) -> bool:
    """True if a call is forced in *op*."""
    return op.fail is not None or op.skip is not None


class StopPoint(NamedTuple):
    """A point in a request at which the guest stops.

    :param operations: the number of operations completed, including preparations
    :param looked_at: whether an operation of the program, with all requests that belong to
        it, is complete there
    :param forced: the program's operation that leads there, if a call in it is to be forced
    """

    operations: int
    looked_at: bool
    forced: Op | None = None


def stops_of(program: Program) -> list[StopPoint]:
    """A stop after each operation; if a call in it is forced, its preparations have separate stops."""
    stops, operations = [], 0
    for op, around in zip(program.ops, preparations(program), strict=True):
        if is_forced(op):
            if around.before:
                stops.append(StopPoint(operations + len(around.before), looked_at=False))
            operations += len(around.before) + 1
            stops.append(StopPoint(operations, looked_at=not around.after, forced=op))
            if not around.after:
                continue
            operations += len(around.after)
        else:
            operations += len(around.before) + 1 + len(around.after)
        stops.append(StopPoint(operations, looked_at=True))
    return stops


def can_stand(program: Program) -> bool:
    """True if *program* can be a single request in which the guest stops after each operation."""
    if program.needs.held or program.needs.slot:
        return False
    # The process id is not known before the first operation, so no call can be forced in it; and the driver's
    # functions are looked up by separate requests.
    if program.ops and is_forced(program.ops[0]):
        return False
    return not (program.needs.driver and any(op.skip is not None for op in program.ops))
