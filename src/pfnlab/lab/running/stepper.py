"""Programs run one operation at a time: the lens reads state after each, steering acts inside operations."""

from __future__ import annotations

import contextlib
import errno
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pfnlab.base.errors import LostGuest, TimedOut, Undecided
from pfnlab.base.extras import installation
from pfnlab.base.units import PfnRange
from pfnlab.lab.running.inside import Inside
from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.notes import Note
from pfnlab.lab.running.placement import Placement
from pfnlab.lab.running.preparations import can_stand, is_forced, preparations, stops_of
from pfnlab.lab.running.replies import reply_until, with_operation
from pfnlab.lab.running.schedule import Schedule
from pfnlab.lab.running.stepwise import Stage, ask_stepwise
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.gdbstub import GdbStub
from pfnlab.lab.steering.hold import FreeCpus
from pfnlab.lab.steering.points import Injection
from pfnlab.lab.steering.steering import Steering
from pfnlab.lab.steering.symbols import kernel_symbols
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.device_ops import Plug, SlotCall, Unplug
from pfnlab.programs.lang.ops import Op, Program, tasks_of
from pfnlab.programs.runs.alarm import STALLS, Alarm
from pfnlab.programs.runs.observation import MemoryFault

if TYPE_CHECKING:
    from pfnlab.lab.lens.resource_use import ResourceUse

T = TypeVar("T")

NO_LENS = (
    "a held processor can only be observed in the guest's memory, and the lens is not installed: "
    f"{installation('lens')}"
)

_OP_LIMIT = 30.0

#: Lines in a reply that contain a task's process id.
_PIDS = re.compile(r"^pid (\d+) (\d+)$", re.MULTILINE)

#: Slot errors that the machine causes, not the program.
_SLOT_TROUBLES = {
    errno.ETIMEDOUT: "the kernel did not notice the hotplug event in time",
    errno.EADDRNOTAVAIL: "the kernel gave the device a different address than the last one",
}


@dataclass(frozen=True)
class SteppedRun:
    """A program that has been run.

    :param reply: the agent's reply to the whole request, up to where the guest was lost
    :param states: the lens's state after every step
    :param notes: a schedule's notes on every step; empty if no processor is to be held
    """

    reply: str
    states: list[LensState] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def ended(self) -> dict[int, tuple[Op, ...]]:
        """The operations that each release completed, by the index of its step."""
        return {at: note.ended for at, note in enumerate(self.notes) if note.ended is not None}

    def blame(self, step: int, faults: Sequence[MemoryFault]) -> None:
        """Add faults to a step's observations; step -1 is the end, for the program's leftovers."""
        if faults and self.states:
            state = self.states[step]
            memory = msgspec.structs.replace(state.memory, faults=(*state.memory.faults, *faults))
            self.states[step] = msgspec.structs.replace(state, memory=memory)


class Stepper:
    """The lens and gdbstub of one guest, opened when a program first needs them.

    :param guest: a booted guest; without a ``ram`` file its memory is not read
    :param vmlinuz: its kernel
    :ivar between: whether state is read between operations; otherwise it is read only if a schedule needs it
    :ivar demanded: whether a kernel that cannot be read, e.g. for lack of types, is an error
    """

    def __init__(self, guest: Guest, vmlinuz: Path) -> None:
        self.demanded, self.between = False, True
        self._guest = guest
        self._vmlinuz = vmlinuz
        self._ram = guest.ram
        self._blind: Undecided | None = None
        self._inside: Inside | None = None
        self._stub: GdbStub | None = None
        self._steering: Steering | None = None
        self._functions: Functions | None = None
        #: The latest operation requested; None before the first, and if the program was a single request.
        self.at: int | None = None

    def needs_steps(self, program: Program) -> bool:
        """True if *program* has to be run one operation at a time.

        Undecided if it has to be, but an earlier program has shown that the kernel cannot be read.
        """
        if self._blind is not None and self.demanded and self.between:
            raise self._blind
        return self._looks or program.needs.forced or program.needs.held or program.needs.slot

    def stands(self, program: Program) -> bool:
        """True if *program* can be a single request, with the guest stopped after each operation.

        The request itself asks for these stops: nothing is requested between operations, but a call
        may be forced in one.
        """
        if not (can_stand(program) and self._looks):
            return False
        self._open_lens(needed=False)
        return self._inside is not None

    @property
    def _looks(self) -> bool:
        return self.between and self._ram is not None

    def run(self, request: str, program: Program, placement: Placement) -> SteppedRun:
        """Run *program*, whose request is *request*.

        If the guest is lost, the result has the steps up to then and the reason (:func:`reply_until`).

        :raises Noise: if a schedule has to be repeated in another guest
        :raises Undecided: if the kernel cannot be read, or lacks a function; the guest may then be in the
            middle of the program
        """
        self.at = None
        steered = program.needs.forced or program.needs.held
        if steered:
            self._open_steering()
            assert self._functions is not None
            self._functions.check(program)
        if self.between or program.needs.held:
            self._open_lens(needed=program.needs.held)
        states: list[LensState] = []
        names = tasks_of(program)
        if self.stands(program):
            return self._run_with_stops(request, program, placement)

        def snapshot(stage: Stage) -> LensState:
            assert self._inside is not None
            pids = {name: stage.pids[slot] for slot, name in enumerate(names) if slot in stage.pids}
            return self._inside.look(pids, placement.places)

        def ask(text: str, stage: Stage) -> str:
            of_program = stage.begun and not stage.preparing and stage.done < len(program.ops)
            op = program.ops[stage.done] if of_program else None
            pid = stage.pids.get(names.index(op.task)) if op is not None else None
            if op is not None and pid is not None and isinstance(op.call, Plug | Unplug):
                # An event from outside; after it the agent waits until the kernel has noticed.
                (self._guest.plug if isinstance(op.call, Plug) else self._guest.unplug)()
            injection = None
            if op is not None and pid is not None and self._functions is not None:
                injection = self._functions.injection(op, pid)
            if injection is not None:
                return self._force(injection, lambda: self._guest.request(text, _OP_LIMIT))
            reply = self._guest.request(text, _OP_LIMIT)
            if op is not None and isinstance(op.call, SlotCall):
                for error, reason in _SLOT_TROUBLES.items():
                    if f"\nr -1 {error}\n" in reply:
                        raise Undecided(reason)
            return reply

        schedule = None
        if program.needs.held:
            assert self._steering is not None and self._functions is not None and self._inside is not None
            free_cpus = FreeCpus(self._steering, self._inside.stack_pointer)
            schedule = Schedule(self._guest, free_cpus, self._functions, program, placement, snapshot, ask)

        def ask_at(text: str, stage: Stage) -> str:
            self.at = stage.done if stage.begun else None
            return ask(text, stage) if schedule is None else schedule.ask(text, stage)

        def look(stage: Stage) -> None:
            if self._inside is not None:
                states.append(snapshot(stage) if schedule is None else schedule.look(stage))

        def together(index: int) -> bool:
            return not is_forced(program.ops[index]) if schedule is None else schedule.together(index)

        try:
            with _closing(schedule):
                reply = ask_stepwise(
                    *(request, ask_at, look, preparations(program)),
                    nop_first=steered or program.needs.slot,
                    together=together,
                )
        except LostGuest as lost:
            reply = self._reply_until(lost)
        return SteppedRun(reply, states, [] if schedule is None else schedule.notes)

    def _run_with_stops(self, request: str, program: Program, placement: Placement) -> SteppedRun:
        inside, names = self._inside, tasks_of(program)
        assert inside is not None
        states: list[LensState] = []
        pids: dict[str, int] = {}
        read = 0
        stops = stops_of(program)
        upcoming = iter(stops)

        def look(answered: str) -> None:
            nonlocal read
            for slot, pid in _PIDS.findall(answered, read):
                pids[names[int(slot)]] = int(pid)
            read = len(answered)
            states.append(inside.look(pids, placement.places))
            self.at = len(states)

        def look_after(answered: str) -> None:
            if next(upcoming).looked_at:
                look(answered)

        def through(index: int, go_on: Callable[[], bool]) -> bool:
            op = stops[index].forced
            pid = None if op is None else pids.get(op.task)
            if op is None or pid is None:
                return go_on()
            assert self._functions is not None
            injection = self._functions.injection(op, pid)
            return go_on() if injection is None else self._force(injection, go_on)

        self.at = 0
        forced = any(stop.forced is not None for stop in stops)
        try:
            reply = self._guest.request_with_stops(
                request,
                [stop.operations for stop in stops],
                look_after,
                _OP_LIMIT,
                through if forced else None,
            )
            if reply.endswith("\ndone 1\n") and len(states) == len(program.ops):
                look(reply)
        except LostGuest as lost:
            reply = self._reply_until(lost)
        return SteppedRun(reply, states)

    def alarm(self, program: Program) -> Alarm | None:
        """The alarm that ended the guest during *program*, with its operation."""
        alarm = self._guest.last_alarm()
        if alarm is None or is_stall_of_hold(alarm, program):
            return None
        step = self.at
        if step is None and not self.needs_steps(program):
            step = operation_begun(program, self._guest.begun)
        return with_operation(alarm, program, step)

    def now(self, placement: Placement) -> LensState:
        """The state of a guest that is not running a program, but whose memory was read earlier."""
        assert self._inside is not None
        return self._inside.look({}, placement.places)

    def turn_back(self, frames: Sequence[PfnRange]) -> None:
        """Turn these page frames back to write-back in such a guest's direct map; LensError on failure."""
        assert self._inside is not None
        self._inside.turn_back(frames)

    def in_use(self) -> ResourceUse | None:
        """The resources in use in a guest that is not running a program; None if its memory is not read."""
        if self._inside is None:
            return None
        # A task that has not fully exited is not something a program left behind.
        self._guest.rest()
        try:
            return self._inside.in_use()
        except Undecided:
            return None

    def claims(self) -> ResourceUse | None:
        """The claims on physical memory in such a guest; None if its memory is not read."""
        try:
            return None if self._inside is None else self._inside.claims()
        except Undecided:
            return None

    def stop(self) -> bool:
        """Stop the guest, which is not running a program, until `resume`; False if it cannot be stopped."""
        # A stop that the monitor requests is reported to a connected stub, which would not expect it.
        return self._guest.stop() if self._stub is None else _obeys(self._stub.interrupt)

    def resume(self) -> bool:
        """Let a stopped guest run again; False if it has ended."""
        return self._guest.resume() if self._stub is None else _obeys(self._stub.cont)

    def close(self) -> None:
        """Release the guest, which may already be gone."""
        if self._inside is not None:
            self._inside.close()
            self._inside = None
        if self._stub is not None:
            self._stub.close()
            self._stub = self._steering = self._functions = None

    def _reply_until(self, lost: LostGuest) -> str:
        # If steering noticed the loss first, the guest itself knows more about it.
        if lost.console is None:
            known = self._guest.lose(str(lost))
            known.answered = lost.answered
            lost = known
        return reply_until(lost)

    def _open_lens(self, *, needed: bool) -> None:
        if self._ram is not None and self._inside is None:
            try:
                self._inside = Inside(self._vmlinuz, self._ram)
            except Undecided as trouble:
                if self.demanded or needed:
                    raise
                self._ram, self._blind = None, trouble
        if needed and self._inside is None:
            raise Undecided(NO_LENS)

    def _open_steering(self) -> None:
        if self._steering is not None:
            return
        # Read while the machine is running, because connecting stops it.
        symbols = kernel_symbols(self._guest, self._vmlinuz)
        self._stub = GdbStub(self._guest.listen_for_gdb())
        self._steering = Steering(self._stub, symbols, self._guest.hello.offsets)
        self._functions = Functions(self._guest, self._steering)

    def _force(self, injection: Injection, call: Callable[[], T]) -> T:
        """The result of *call*, an operation in which a kernel function is forced to return."""
        assert self._steering is not None
        try:
            outcome = self._steering.inject(injection, call, _OP_LIMIT)
        except TimedOut as error:
            raise LostGuest(
                f"an operation in which {injection.function} was to be forced: {error}"
            ) from error
        return outcome.result


def _obeys(command: Callable[[], object]) -> bool:
    try:
        command()
    except Undecided:
        return False
    return True


def operation_begun(program: Program, begun: int) -> int | None:
    """The operation of *program* in progress, given how many of the request's operations have begun.

    :return: its index; None before the first operation, and the number of operations at the end
    """
    at = [
        index
        for index, around in enumerate(preparations(program))
        for _ in range(len(around.before) + 1 + len(around.after))
    ]
    return [*at, len(program.ops)][min(begun, len(at) + 1) - 1] if begun else None


def is_stall_of_hold(alarm: Alarm, program: Program) -> bool:
    """True if *program* holds a processor and so made others wait."""
    return alarm.kind in STALLS and program.needs.held


@contextlib.contextmanager
def _closing(schedule: Schedule | None) -> Iterator[None]:
    # The first error is the one that matters; a dead machine does not hold a CPU.
    try:
        yield
    except BaseException:
        if schedule is not None:
            with contextlib.suppress(Undecided):
                schedule.close()
        raise
