"""What the agent does for an operation besides the operation itself, and is no step of the program.

The driver is told how to map before an mmap of it, and a task that its fork shall fail. Where a program
stops processors, each of its tasks gets one of its own, and the driver is there before anything is held.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pfnlab.lab.images.driver_programs import needs_driver
from pfnlab.programs.lang.device_ops import DriverHow, DriverMap, DriverMode
from pfnlab.programs.lang.ops import (
    Exit,
    Fork,
    ForkRefusal,
    Kill,
    Mmap,
    Op,
    Program,
    Release,
    Thread,
    is_held,
    tasks_of,
)
from pfnlab.units import PAGE_SIZE

#: The mode `fault_prot` inserts with.
INSERTED: DriverMode = "wc"

#: How many CPUs a guest has in which processors are stopped: one for each task, the last is the agent's.
STEERED_CPUS = 4

#: The numbers of ``enum pfnlab_mode`` and ``enum pfnlab_kind``.
MODE_NUMBERS: dict[DriverMode, int] = {"asis": 0, "wc": 1, "uc-": 2}
_KINDS: dict[DriverHow, int] = {
    "remap": 0,
    "fault": 1,
    "part": 2,
    "fault_prot": 3,
    "mixed": 4,
    "halves": 5,
    "ram": 6,
    "refuse": 8,
    "fault_pmd": 9,
    "fault_pud": 0xA,
    "apply": 0xB,
}

#: The numbers of ``enum refusal``.
_REFUSALS: dict[ForkRefusal, int] = {"set_tid": 1, "overcommit_memory": 2, "pids_max": 3}

_AGENTS = STEERED_CPUS - 1


@dataclass
class Around:
    """The lines of a request around that of one operation."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def preparations(program: Program) -> list[Around]:
    """What goes around each operation of *program*."""
    slots = {name: slot for slot, name in enumerate(tasks_of(program))}
    processors = _Processors(program, slots) if is_held(program) else None
    found = []
    for op in program.ops:
        around = Around() if processors is None else processors.around(op)
        if isinstance(op.call, Mmap) and op.call.driver is not None:
            around.before.append(f"op {slots.get(op.task, 0)} {_how(op.call.driver)}")
        if isinstance(op.call, Fork) and op.call.refused is not None:
            slot = slots.get(op.task, 0)
            around.before.append(f"op {slot} refuse {_REFUSALS[op.call.refused]}")
            around.after.insert(0, f"op {slot} refuse 0")
        found.append(around)
    return found


def _how(how: DriverMap) -> str:
    # What tells the driver how the next mmap populates.
    start, end = (page * PAGE_SIZE for page in how.part or (0, 0))
    insert = MODE_NUMBERS[INSERTED] if how.how == "fault_prot" else 0
    return f"driver map {_KINDS[how.how]:x} {MODE_NUMBERS[how.mode]} {start:x} {end - start:x} {insert}"


class _Processors:
    # Which task has which processor: the first that no living task has, in order of creation.

    def __init__(self, program: Program, slots: dict[str, int]) -> None:
        self._slots = slots
        self._process: dict[str, str] = {}
        self._has: dict[str, int] = {}
        self._born_held: list[str] = []
        self._held = False
        # Loading the driver waits for every processor, so it comes before anything else.
        self._first = ["op 0 driver faults"] * needs_driver(program)

    def around(self, op: Op) -> Around:
        around = Around()
        if not self._process:
            main = next(iter(self._slots))
            self._process[main] = main
            around.before += [*self._first, *self._pin(main)]
        self._held = self._held or op.hold is not None
        if isinstance(op.call, Release):
            self._held = False
            # Made where nobody could be pinned.
            for child in self._born_held:
                around.after += self._pin(child)
            self._born_held = []
        elif isinstance(op.call, Fork | Thread):
            child = op.call.child
            self._process[child] = (
                self._process.get(op.task, op.task) if isinstance(op.call, Thread) else child
            )
            if self._held:
                self._born_held.append(child)
            else:
                # A processor that ever ran an address space stays in its mask of these (6.14 and later), and
                # a new task begins where its creator is.
                around.before.append(self._line(op.task, _AGENTS))
                around.after += [self._line(op.task, self._has.get(op.task, _AGENTS)), *self._pin(child)]
        elif isinstance(op.call, Exit | Kill):
            process = self._process.get(op.task)
            for task in [task for task, its in self._process.items() if its == process]:
                self._has.pop(task, None)
        return around

    # The task's own processor from now on; without a free one it stays with the agent.
    def _pin(self, task: str) -> list[str]:
        free = [cpu for cpu in range(_AGENTS) if cpu not in self._has.values()]
        if not free:
            return []
        self._has[task] = free[0]
        return [self._line(task, free[0])]

    def _line(self, task: str, cpu: int) -> str:
        return f"op {self._slots.get(task, 0)} pin {cpu}"
