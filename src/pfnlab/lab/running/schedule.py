"""Programs that hold processors: each operation is begun, waited for and reported as one step.

Before the held operation, and after the last ``release``, steps are like those of any program. In between,
the held processor is stopped, and an operation by another task returns, waits for a lock or for a reply from
the held processor, or is held too. After each step the whole machine is stopped and only its memory is read,
because the agent might wait for the same locks.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pfnlab.base.errors import LostGuest, Misuse, TimedOut
from pfnlab.base.units import PAGE_SHIFT
from pfnlab.lab.lens import LensError
from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.notes import Noise, Note, ending, flushes_between
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import is_forced
from pfnlab.lab.running.replies import read_result
from pfnlab.lab.running.stepwise import Ask, Stage
from pfnlab.lab.steering.cast import Answer, Cast
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.hold import FreeCpus, HeldCpu, HoldOutcome, HoldPoint, NextHold, NotReached, hold
from pfnlab.lab.steering.points import Place
from pfnlab.lab.steering.waits import Obstacle
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.forced import Hold
from pfnlab.programs.lang.ops import Fork, Kill, Op, Program, Release
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.lang.process_ops import ProcessMrelease
from pfnlab.programs.runs.observation import BUSY, HELD, KILLED, WAITS

#: Names that observations use for obstacles; waiting for any other obstacle says nothing about the program.
NEED_NAMES = {
    Obstacle.CPU: "IPI",
    Obstacle.MMAP_LOCK: "mmap_lock",
    Obstacle.VMA_LOCK: "vm_lock",
    Obstacle.I_MMAP: "i_mmap_rwsem",
    Obstacle.PAGE_TABLE: "page_table_lock",
    Obstacle.BOOK: "memtype_lock",
    Obstacle.MEMORY: "memory_lock",
    Obstacle.VFIO_VMAS: "vma_lock",
    Obstacle.DEVICE: "device_lock",
    Obstacle.EXEC_UPDATE: "exec_update_lock",
}

# Seconds for an operation to reach its place or finish, and for all to finish after a release.
_LIMIT = 10.0
# Seconds for a released operation, and for a waiting one, before its wait is examined.
_GOES_ON, _MAY_WAIT = 0.4, 0.1
# Seconds per wait, at first and at most, while the agent waits for an operation that may stop the machine.
_FIRST_SLICE, _SLICE = 0.004, 0.05
# Seconds before rereading memory that was in the middle of a change when the machine stopped.
_MOMENT = 0.01
_LOOKS = 5
_ESRCH = Answer(3)
_OK = Answer(0)


class Schedule:
    """One program that holds processors, run by :func:`pfnlab.lab.running.stepwise.ask_stepwise`.

    :param look: returns the current state of memory
    :param ask_agent: requests an operation while no processor is held
    """

    def __init__(
        self,
        guest: Guest,
        free_cpus: FreeCpus,
        functions: Functions,
        program: Program,
        placement: Placement,
        look: Callable[[Stage], LensState],
        ask_agent: Ask,
    ) -> None:
        self._guest = guest
        self._free_cpus, self._steering = free_cpus, free_cpus.steering
        self._functions = functions
        self._ops, self._vfio = program.ops, program.needs.vfio
        self._placement = placement
        self._look = look
        self._ask_agent = ask_agent
        #: Held CPUs, by the task that is stopped there.
        self._held: dict[str, HeldCpu[Any]] = {}
        #: By its name, the task that is waiting before it has reached the place where it is to be held.
        self._coming: dict[str, NextHold] = {}
        #: The kernel's names for the functions at which the program holds tasks.
        self._names: dict[str, str | None] = {}
        self._cast = Cast(guest)
        #: Unfinished operations, each with its task's slot, in the order in which they began.
        self._open_ops: list[tuple[Op, int]] = []
        #: Tasks that were killed but not waited for.
        self._killed: set[str] = set()
        self._state_before = LensState()
        self._note = Note()
        #: One note for each step so far.
        self.notes: list[Note] = []

    def together(self, index: int) -> bool:
        """True if the operation with this index and the lines around it can be one request."""
        op = self._ops[index]
        return not (self._held or op.hold or is_forced(op) or isinstance(op.call, Release))

    def ask(self, text: str, stage: Stage) -> str:
        """The reply to one small request, in the agent's format."""
        if stage.preparing and self._held:
            return self._prepare(text, stage)
        if stage.preparing or not stage.begun:
            return self._ask_agent(text, stage)
        self._note = Note()
        op = self._ops[stage.done] if stage.done < len(self._ops) else None
        if not self._held:
            if op and isinstance(op.call, Release):
                self._note = Note(result="ok")  # of the step, not of a task, which may have ended
            return self._hold(text, stage, op) if op and op.hold else self._ask_agent(text, stage)
        if op is None:
            raise Misuse("a processor is held: write `release` first")
        try:
            if isinstance(op.call, Release):
                return self._release(text, stage, op.call.held)
            return self._attempt(text, stage, op)
        except TimedOut as error:
            raise Noise(f"`{op_text(op)}`: {error}") from error

    def look(self, stage: Stage) -> LensState:
        """The state of memory after a step; the whole machine is stopped while a processor is held."""
        state = self._consistent_state(stage)
        if self._note.alone:
            call = self._ops[stage.done - 1].call
            forked = self._note.result is None and isinstance(call, Fork)
            if not (forked or isinstance(call, ProcessMrelease | Release)):
                self._note = replace(self._note, flushes=flushes_between(self._state_before, state))
            self._state_before = state
        self.notes.append(self._note)
        return state

    def close(self) -> None:
        """Resume the processors that are still held."""
        came = (coming.held for coming in self._coming.values())
        for held_cpu in filter(None, (*self._held.values(), *came)):
            held_cpu.release()
        self._free_cpus.coming = None
        self._coming.clear()
        self._held.clear()

    def _hold(self, text: str, stage: Stage, op: Op) -> str:
        assert op.hold is not None
        slot, words = _operations(text)[0]
        pid = stage.pids.get(slot)
        # For all holds at once, because during one the guest cannot be asked for its driver's symbols.
        held_in = (one.hold.function for one in self._ops if one.hold is not None)
        self._names = {name: self._functions.kernel_name(name) for name in held_in}
        function = self._names[op.hold.function]
        if pid is None or function is None:
            self._note = Note(not_held=True)
            return self._ask_agent(text, stage)
        if self._vfio:
            self._functions.know_vfio()
        self._coming.clear()
        injection = self._functions.injection(op, pid)
        head = [line for line in text.splitlines() if line.partition(" ")[0] in ("program", "name", "keys")]
        self._cast = Cast(self._guest, head)
        self._cast.pids.update(stage.pids)
        self._steering.stub.interrupt()
        self._state_before = self._consistent_state(stage)
        start = OperationStart(self._cast, slot, words)
        place = _place(op.hold, function)
        hold_point = HoldPoint(
            place, pid, () if injection is None else (injection,), partial(self._in_program_area, function)
        )
        try:
            held_cpu = hold(self._steering, hold_point, start, _LIMIT)
        except NotReached:
            start.stop_waiting = True
            if start.answer is None:
                raise LostGuest(
                    f"`{op_text(op)}` neither reached `{place}` nor ended within {_LIMIT:g} s"
                ) from None
            self._note = Note(not_held=True)
            return self._agent_reply(text, stage, start.answer)
        self._held[op.task] = held_cpu
        start.stop_waiting = True
        try:
            # The agent is still waiting for the operation.
            held_cpu.others(held_cpu.result)
        except TimedOut as error:
            raise Noise(f"`{op_text(op)}`: {error}") from error
        self._open_ops = [(op, slot)]
        return self._memory_reply(stage, Note(alone=True, result=HELD))

    # A call that works on a single VMA counts only if that VMA is in one of the program's areas: a fork
    # copies other VMAs too.
    def _in_program_area(self, function: str, registers: dict[str, int]) -> bool:
        address = self._functions.work_address(function, registers)
        if address is None:
            return True
        page = address >> PAGE_SHIFT
        return self._placement.places.area_span(page, page + 1) is not None

    def _attempt(self, text: str, stage: Stage, op: Op) -> str:
        slot, words = _operations(text)[0]
        if any(slot == open_slot for _, open_slot in self._open_ops):
            return self._memory_reply(stage, Note(alone=True, result=BUSY))
        if slot not in stage.pids:
            return self._memory_reply(stage, Note(alone=True, not_held=op.hold is not None), _ESRCH)
        if isinstance(op.call, ProcessMrelease) and op.call.killed:
            self._killed.add(op.call.victim)
        coming = self._way(op, stage.pids[slot])
        outcome = self._free_cpus.attempt(self._cast, slot, *words, coming=coming)
        if outcome.answer is not None:
            return self._memory_reply(stage, Note(alone=True, not_held=op.hold is not None), outcome.answer)
        self._open_ops.append((op, slot))
        if coming is not None:
            self._coming = {op.task: coming}
        result, value = self._progress(op, outcome)
        return self._memory_reply(stage, Note(alone=True, result=result, value=value))

    # The way of an operation to the place where it is to be held; None if this kernel has no such place.
    def _way(self, op: Op, pid: int) -> NextHold | None:
        function = self._names[op.hold.function] if op.hold is not None else None
        if op.hold is None or function is None:
            return None
        counts = partial(self._in_program_area, function)
        return NextHold(self._steering.way_to(_place(op.hold, function), counts), pid)

    # Result and value of an operation in progress; stores its CPU if it is held.
    def _progress(self, op: Op, outcome: HoldOutcome) -> tuple[str, str | None]:
        if outcome.held is not None:
            self._held[op.task] = outcome.held
            self._coming.clear()
        if op.task in self._held:
            return HELD, None
        wait = outcome.wait
        need = NEED_NAMES.get(wait.need) if wait is not None else None
        if wait is None or need is None:
            names = ", ".join(wait.functions[:6]) if wait is not None and wait.functions else "no function"
            raise Noise(f"`{op_text(op)}` does not end and waits for nothing known: it is in {names}")
        return WAITS, need

    def _release(self, text: str, stage: Stage, task: str | None) -> str:
        # Resume one processor, or forget the place where it was to stop.
        if task in self._coming:
            self._coming.clear()
            self._free_cpus.coming = None
        task = next(iter(self._held)) if task is None else task
        held_cpu = self._held.pop(task, None)
        if held_cpu is None:
            return self._memory_reply(stage, Note(alone=True, result="ok"))
        held_cpu.free()
        if self._held or self._coming:
            return self._release_one(text, stage, task)
        self._steering.go()
        return self._release_all(text, stage)

    def _release_one(self, text: str, stage: Stage, task: str) -> str:
        # Report all open operations, once none of them makes progress while another processor is held.
        results: dict[str, str] = {}
        ended: list[Op] = []
        while len(ended) != len(self._open_ops):
            before = len(ended), len(self._held)
            for op, slot in self._open_ops:
                if op in ended:
                    continue
                coming = self._coming.get(op.task)
                came = None if coming is None else coming.held
                known = came is not None or op.task in self._held
                # Waiting operations are checked again whenever another one has made progress.
                limit = _GOES_ON if op.task == task else _MAY_WAIT
                settled = partial(self._free_cpus.settled, self._cast, slot, limit=limit)
                outcome = HoldOutcome(held=came) if known else settled()
                if outcome.answer is None:
                    results[op.task] = ending(op, *self._progress(op, outcome))
                    continue
                self._coming.pop(op.task, None)
                results[op.task] = self._ending(op, outcome.answer)
                ended.append(op)
            if before == (len(ended), len(self._held)):
                break
        value = "; ".join(results[op.task] for op, _ in self._open_ops)
        self._open_ops = [(op, slot) for op, slot in self._open_ops if op not in ended]
        if self._held:
            return self._memory_reply(stage, Note(alone=True, result="ok", value=value, ended=tuple(ended)))
        if self._open_ops:
            raise Noise(f"{value}, but no processor is held")
        self._steering.go()
        self._note = Note(result="ok", value=value, ended=(*ended, *self._ends()))
        return self._agent_reply(text, stage, _OK)

    def _ending(self, op: Op, answer: Answer) -> str:
        try:
            result, value = read_result(op, answer.reply, self._placement)
        except ValueError as error:
            raise LostGuest(f"`{op_text(op)}` {error}") from None
        killed = op.task in self._killed and value == "died"
        return ending(op, KILLED, None) if killed else ending(op, result, value)

    def _ends(self) -> list[Op]:
        killed = sorted(self._killed)
        self._killed.clear()
        return [Op(Kill(), task) for task in killed]

    def _release_all(self, text: str, stage: Stage) -> str:
        deadline = time.monotonic() + _LIMIT
        endings = []
        for op, slot in self._open_ops:
            answer = self._cast.collect(slot, max(0.0, deadline - time.monotonic()))
            if answer is None:
                raise LostGuest(f"`{op_text(op)}` was not done {_LIMIT:g} s after the release")
            endings.append(self._ending(op, answer))
        ended = (*(op for op, _ in self._open_ops), *self._ends())
        self._open_ops = []
        self._note = Note(result="ok", value="; ".join(endings), ended=ended)
        return self._agent_reply(text, stage, _OK)

    def _prepare(self, text: str, stage: Stage) -> str:
        cast = self._cast
        for slot, words in _operations(text):
            if slot in stage.pids:
                self._free_cpus.others(lambda slot=slot, words=words: cast.do(slot, *words))  # type: ignore[misc]
        return "".join(
            [
                "program 1\nbefore\n",
                *(f"step {number}\nr 0 0\n" for number, _ in enumerate(_operations(text))),
                "done 1\n",
            ]
        )

    def _memory_reply(self, stage: Stage, note: Note, answer: Answer = _OK) -> str:
        self._note = note
        lines = ["program 1", "before", "step 0", *self._answer_lines(stage, answer), "done 1", ""]
        return "\n".join(lines)

    def _agent_reply(self, text: str, stage: Stage, answer: Answer) -> str:
        # The reply to a step that has been answered, with what the agent observes now.
        lines = [
            f"op {line.split()[1]} nop" if line.startswith("op ") else line for line in text.splitlines()
        ]
        reply = self._guest.request("\n".join([*lines, ""]), _LIMIT).split("\n")
        at = next((at for at, line in enumerate(reply) if line.startswith("r ")), None)
        if at is not None:
            reply[at : at + 1] = self._answer_lines(stage, answer)
        return "\n".join(reply)

    def _answer_lines(self, stage: Stage, answer: Answer) -> list[str]:
        # Lines for the answer, for the kernel's log since then, and for new tasks.
        log = [f"k {line}" for line in self._cast.heard]
        self._cast.heard.clear()
        pids = self._cast.pids.items() - stage.pids.items()
        return [f"r {' '.join(answer.reply)}", *log, *(f"pid {slot} {pid}" for slot, pid in sorted(pids))]

    def _consistent_state(self, stage: Stage) -> LensState:
        # Memory in the middle of a change stays that way while the machine is stopped, so let
        # it run for a moment.
        for _ in range(_LOOKS - 1):
            try:
                return self._look(stage)
            except LensError:
                if self._held:
                    self._free_cpus.others(lambda: time.sleep(_MOMENT))
                else:
                    self._steering.go()
                    time.sleep(_MOMENT)
                    self._steering.stub.interrupt()
        return self._look(stage)


class OperationStart:
    """An operation that has begun, polled until it has an *answer* or *stop_waiting* is set."""

    def __init__(self, cast: Cast, slot: int, words: Sequence[str]) -> None:
        self.cast, self._slot, self._words = cast, slot, words
        self.answer: Answer | None = None
        self.stop_waiting = False

    def __call__(self) -> None:
        self.cast.begin(self._slot, *self._words)
        deadline, slice_ = time.monotonic() + _LIMIT, _FIRST_SLICE
        while self.answer is None and not self.stop_waiting and time.monotonic() < deadline:
            self.answer = self.cast.collect(self._slot, slice_)
            slice_ = min(2 * slice_, _SLICE)
        if self.stop_waiting:
            # Log lines since the last poll also belong to this step.
            self.cast.collect(self._slot, 0.0)


def _place(hold: Hold, function: str) -> Place:
    return Place(function, hold.nth, hold.at_return)


def _operations(text: str) -> list[tuple[int, list[str]]]:
    operations = []
    for line in text.splitlines():
        if line.startswith("op "):
            _, slot, *words = line.split(" ")
            operations.append((int(slot), words))
    return operations
