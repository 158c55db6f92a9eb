"""Running a program's operations on the modelled kernel: one by one, or concurrently with some of them held.

Programs for which there is no rule are refused. For kernels before 6.1, only the tracking and its flushes are
known, from the list of bugs (``docs/bugs.md``).
"""

from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from pfnlab.base.errors import Undecided, Why, errno_name, no_rule
from pfnlab.kernel.mm.kernel import NO_TASK, Kernel
from pfnlab.kernel.mm.more.lives import bury
from pfnlab.kernel.mm.processors import Call, Need, Operation
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.policies.releases import CONFIRMED, series_key
from pfnlab.programs.lang.forced import Hold, Skip
from pfnlab.programs.lang.ops import Kill, Madvise, Mlockall, Mremap, Op, Program, Release
from pfnlab.programs.lang.process_ops import ProcessMrelease
from pfnlab.programs.lang.words import HOLD_FUNCTIONS
from pfnlab.programs.model.dispatch import perform
from pfnlab.programs.runs.observation import BUSY, HELD, KILLED, NOT_HELD, WAITS, Step
from pfnlab.programs.runs.places import Places

#: The function that flushes pages of an address space.
FLUSH = "flush_tlb_mm_range"

#: Functions of which the model can omit a call.
_SKIPPED = (FLUSH,)

_OWN_MEMORY = "the model does not know how often mlockall flushes: it fills the program's own memory too"


#: Advice that is newer than the oldest profile, and was not tested on older kernels.
_NEW_ADVICE = ("populate_read", "populate_write", "dontneed_locked", "collapse")


def refuse_unknown(program: Program, series: str) -> None:
    """Refuse a program if there is no rule for it in *series*.

    :raises Undecided: the message names the first such operation
    """
    if program.needs.slot and program.needs.vfio:
        # It waits until these have closed it.
        raise no_rule("a device that comes or goes while vfio-pci has users")
    if series_key(series) >= series_key(CONFIRMED[0]):
        return
    subject = next(filter(None, map(_unknown, program.ops)), None)
    if subject is None and program.needs.held:
        subject = "the order of waiting while an operation is held"
    if subject is not None:
        raise Undecided(
            f"no {series} kernel was tested for {subject}: {CONFIRMED[0]} is the oldest tested",
            Why.NO_RULE,
        )


def _unknown(op: Op) -> str | None:
    call = op.call
    if isinstance(call, Madvise) and call.advice in _NEW_ADVICE:
        return f"madvise {call.advice}"
    if isinstance(call, Mremap) and call.dontunmap:
        return "mremap dontunmap"
    return None


class StepOutcome(NamedTuple):
    """A step's result and value, in the words used in observations."""

    result: str
    value: int | str | None = None


class SequentialExecution:
    """Every operation runs to completion before the next one starts."""

    def __init__(self, kernel: Kernel, places: Places) -> None:
        self._kernel, self._places = kernel, places
        #: The operations that finished in the last step.
        self.ended: tuple[Op, ...] = ()

    @property
    def settled(self) -> bool:
        """True if nothing is under way."""
        return True

    def step(self, op: Op) -> StepOutcome:
        """Run *op*."""
        self.ended = (op,)
        if isinstance(op.call, Release):
            return StepOutcome("ok")
        if op.skip is None or op.task not in self._kernel.tasks:
            return self.perform(op)
        _check_flushes(op)
        operation = Operation(op.task, partial(self.perform, op), skip=_skip(op.skip))
        self._kernel.processors.begin(operation)
        returned: StepOutcome = operation.result
        return returned

    def comparable(self, step: Step) -> Step:
        """The fields of *step* that can be compared."""
        return step

    def perform(self, op: Op) -> StepOutcome:
        task = self._kernel.tasks.get(op.task)
        if task is None:
            return StepOutcome(errno_name(NO_TASK))
        if op.fail is not None:
            self._kernel.failures.force(op.fail.function, op.fail.nth, op.fail.inside)
        try:
            outcome = perform(self._kernel, task, op.call, self._places)
        finally:
            self._kernel.failures.unforce()
        return StepOutcome(errno_name(outcome.errno) if outcome.errno else "ok", outcome.value)


class ConcurrentExecution(SequentialExecution):
    """Every task has its own processor, and some may be paused in the middle of an operation.

    In such a program, the order of a kernel's calls is not observed. Its flushes are observed only while a
    processor is held, through the counters of the address spaces.
    """

    def __init__(self, kernel: Kernel, places: Places) -> None:
        super().__init__(kernel, places)
        self._processors = kernel.processors
        self._generations = self._tlb_generations()
        #: The operations under way, by task.
        self._open: dict[str, Op] = {}
        #: True if the last step's flushes are compared: it neither reaped a program's own
        #: memory nor released a task.
        self._counts = True

    @property
    def settled(self) -> bool:
        """True if nothing is under way."""
        return not self._processors.held

    def step(self, op: Op) -> StepOutcome:
        """Start *op*, and run it as far as it gets."""
        self.ended = (op,)
        self._counts = not isinstance(op.call, ProcessMrelease | Release)
        if isinstance(op.call, Release):
            return self._release(op.call)
        if op.task not in self._kernel.tasks:
            return StepOutcome(errno_name(NO_TASK), NOT_HELD if op.hold is not None else None)
        if any(operation.task == op.task for operation in self._processors.waiting):
            return StepOutcome(BUSY)
        _check_flushes(op)
        run = partial(self._on_its_stack, op)
        operation = Operation(op.task, run, hold=_hold(op.hold), skip=_skip(op.skip))
        counted = bool(self._processors.held)
        self._processors.begin(operation)
        if counted and isinstance(op.call, Mlockall) and operation.waits is not Need.MMAP_LOCK:
            raise Undecided(_OWN_MEMORY, Why.NO_RULE)
        returned = _so_far(operation, op.hold is not None, operation in self._processors.held)
        if returned.result in (HELD, WAITS):
            self._open[op.task] = op
        return returned

    def _release(self, release: Release) -> StepOutcome:
        """Let a task resume, and report the state of every task that was under way."""
        processors = self._processors
        operations = processors.release(release.held)
        buried = bury(self._kernel, [one.task for one in processors.under_way]) if operations else set()
        self.ended = tuple(self._open.pop(one.task) for one in operations if one.done)
        if processors.held and any(isinstance(op.call, Mlockall) for op in self.ended):
            raise Undecided(_OWN_MEMORY, Why.NO_RULE)
        self.ended += tuple(Op(Kill(), comm) for comm in sorted(buried))
        endings = [
            f"{one.task} {KILLED}" if one.done and one.task in buried else self._progress(one)
            for one in operations
        ]
        return StepOutcome("ok", "; ".join(endings) or None)

    def _progress(self, operation: Operation) -> str:
        """A task, and the result of its operation, final or so far."""
        returned: StepOutcome = operation.result
        if not operation.done:
            returned = _so_far(operation, False, operation in self._processors.held)
        return " ".join(str(word) for word in (operation.task, *returned) if word is not None)

    # A task writes to its stack before doing anything else.
    def _on_its_stack(self, op: Op) -> StepOutcome:
        mm = self._kernel.tasks[op.task].mm
        if mm.stacks_shared:
            with mm.mmap_lock.read():
                pass
        return self.perform(op)

    def comparable(self, step: Step) -> Step:
        """The fields of *step* that can be compared."""
        earlier, self._generations = self._generations, self._tlb_generations()
        if self.settled:
            return replace(step, flushes=None, events=None)
        flushes = sum(
            generation - earlier[mm] for mm, generation in self._generations.items() if mm in earlier
        )
        return replace(step, vmas=None, flushes=flushes if self._counts else None, events=None)

    # The number of flushes in every address space.
    def _tlb_generations(self) -> dict[MmStruct, int]:
        return {task.mm: task.mm.tlb_gen for task in self._kernel.processes()}


def _check_flushes(op: Op) -> None:
    """Check that the model knows all of *op*'s flushes, if it is to be held at one or to omit one.

    :raises Undecided: if it also fills the program's own memory, where each copied page is flushed (S5.10.1)
    """
    forced = [call.function for call in (op.hold, op.skip) if call is not None]
    if isinstance(op.call, Mlockall) and FLUSH in forced:
        raise Undecided(_OWN_MEMORY, Why.NO_RULE)


def _so_far(operation: Operation, hold_requested: bool, is_held: bool) -> StepOutcome:
    """The result so far of an operation that has just started."""
    if is_held:
        return StepOutcome(HELD)
    if operation.waits is not None:
        return StepOutcome(WAITS, operation.waits.value)
    returned: StepOutcome = operation.result
    if not hold_requested:
        return returned
    return StepOutcome(
        returned.result, NOT_HELD if returned.value is None else f"{returned.value}, {NOT_HELD}"
    )


def _hold(hold: Hold | None) -> Call | None:
    """The call at which to stop; raises Undecided if the model cannot stop there."""
    if hold is None:
        return None
    if hold.function not in HOLD_FUNCTIONS:
        functions = ", ".join(HOLD_FUNCTIONS)
        raise Undecided(f"the model does not stop at {hold.function}, only at {functions}", Why.NO_RULE)
    return Call(hold.function, hold.nth, hold.at_return)


def _skip(skip: Skip | None) -> Call | None:
    """The call to omit; raises Undecided if the model does not know the consequences."""
    if skip is None:
        return None
    if skip.function not in _SKIPPED:
        functions = ", ".join(_SKIPPED)
        raise Undecided(
            f"the model does not know what follows when {skip.function} is left out, only {functions}",
            Why.NO_RULE,
        )
    return Call(skip.function, skip.nth)
