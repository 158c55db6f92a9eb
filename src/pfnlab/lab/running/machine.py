"""``qemu:6.1``: programs on a real kernel, in as many guests as the host has cores.

One boot serves many programs. A guest is replaced when it is lost, when it is out of windows, when
an earlier program left something behind, or when too much has leaked in it; no program runs where another one
left something, and a program that loses its guest harms no other program.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pfnlab.errors import Defect, LostGuest, MissingTool, Undecided
from pfnlab.lab.images.cache import quiet
from pfnlab.lab.images.driver import image_with_driver
from pfnlab.lab.images.driver_programs import DriverImage, needs_driver, needs_vfio
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import KernelImage, from_file, kernel_for
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.running.alarms import alarm_of_guest, alarm_of_reply
from pfnlab.lab.running.inside import can_look_inside, with_inside
from pfnlab.lab.running.placement import (
    MAX_BAR_MIB,
    TAIL_BAR_MIB,
    Placement,
    Windows,
    bar_mib_for,
    check_placeable,
    past_end,
    stored_to,
)
from pfnlab.lab.running.preparations import STEERED_CPUS
from pfnlab.lab.running.replies import ParsedReply, parse_reply, reply_until
from pfnlab.lab.running.schedule import Noise, with_notes
from pfnlab.lab.running.stepper import NO_LENS, Stepped, Stepper, is_forced
from pfnlab.lab.running.wire import compile_program
from pfnlab.lab.vm.accel import HELLO_LIMIT, Accel, Acceleration
from pfnlab.lab.vm.boots import Boots, GuestFactory, GuestLike, GuestShape, Stopped
from pfnlab.lab.vm.order import trace_request
from pfnlab.policies.releases import is_version
from pfnlab.programs.lang.ops import Program, is_held, uses_slot
from pfnlab.programs.runs.alarm import WARN, Alarm, first_alarm
from pfnlab.programs.runs.kmsg import once_message
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step
from pfnlab.units import PfnRange, phys_to_pfn

if TYPE_CHECKING:
    from pfnlab.lab.vm.qemu import Guest

#: The BAR guests get unless a program needs a larger one; its memory costs nothing until it is touched.
BAR_MIB = 256

#: A guest in which more book entries than this have leaked is replaced: reading the list takes time that
#: grows with their number, and about here a boot becomes cheaper.
MAX_LEAKED = 256

#: A second guest is booted only for this many programs more, a third for twice as many, and so on.
PROGRAMS_PER_GUEST = 32

#: How long one program may take: so many seconds, and so many more for each operation.
PROGRAM_LIMIT = 30.0
OP_LIMIT = 0.5

#: How often a program that holds a processor is tried while it meets nothing but noise.
HELD_TRIES = 3

#: How long the threads of an interrupted run are waited for, in seconds.
_STOP_LIMIT = 5.0


@dataclass
class _BootedGuest:
    # One guest and the traces of the programs it has run.
    guest: GuestLike
    windows: Windows
    shape: GuestShape
    stepper: Stepper
    fresh: bool = True
    leaked_entries: int = 0
    once_messages: dict[str, None] = field(default_factory=dict)


class _Bench:
    # Runs one program after the other, in the same guest for as long as it is fit for it.

    def __init__(self, shared: Boots, machine: QemuMachine) -> None:
        self.shared = shared
        self.machine = machine
        self.booted: _BootedGuest | None = None
        #: An alarm that came behind the end of an earlier program; the next run reports it.
        self.late_alarm: Alarm | None = None

    def run(self, program: Program) -> Run:
        """The run of one program; a fault of the guest is a lost run, not an exception."""
        if is_held(program) and not self.machine.lens:
            return self._lost(NO_LENS)
        try:
            image = self._image(program)
        except Undecided as error:
            return self._lost(str(error))
        for _ in range(HELD_TRIES):
            try:
                run = self._attempt(program, image) or self._attempt(program, image, again=True)
                return run or self._lost("a guest that had just booted was not clean")
            except MissingTool:
                raise
            except Undecided as error:
                alarm = self._alarm_of_guest(program)
                self.drop()
                if alarm is not None:
                    said = str(error)
                    return self._lost(
                        said if alarm.title in said else f"the guest was lost: {alarm.title}; {said}",
                        alarm=alarm,
                    )
                if not isinstance(error, Noise):
                    return self._lost(str(error))
                reason = f"{error}; so it was {HELD_TRIES} times"
        return self._lost(reason)

    def _alarm_of_guest(self, program: Program) -> Alarm | None:
        # The alarm that ended the guest in the middle of the program, whoever noticed first.
        if self.booted is None:
            return None
        return alarm_of_guest(self.booted.guest, self.booted.stepper, program)

    def _image(self, program: Program) -> Path | None:
        # The image the guest needs; None for the agent alone.
        if needs_vfio(program) and needs_driver(program):
            raise Undecided("a guest has the test driver or vfio-pci, not both: write two programs")
        if needs_vfio(program) and uses_slot(program):
            raise Undecided("a device that comes or goes is not one of vfio-pci here: write two programs")
        if needs_vfio(program):
            return self.shared.vfio.path()
        return self.shared.driver.path() if needs_driver(program) else None

    def drop(self) -> None:
        """Give the guest up."""
        if self.booted is not None:
            self.booted.stepper.close()
            self.shared.end(self.booted.guest)
            self.booted = None

    def _attempt(self, program: Program, image: Path | None, again: bool = False) -> Run | None:
        # One try; None when the guest was not clean before the program.
        if again:
            self.drop()
        booted, placement = self._place(program, image)
        vmas, look = self.machine.vmas, self.machine.look
        ptes = self.machine.ptes and booted.guest.hello.ptes == "ok"
        order = self.machine.order and booted.guest.hello.order == "ok"
        last = look is LookLevel.END
        request = compile_program(program, placement, vmas=vmas, ptes=ptes, order=order, last=last)
        if booted.stepper.wanted(program):
            stepped = booted.stepper.run(request, program, placement)
        else:
            booted.stepper.at = None
            stepped = Stepped(_whole_reply(booted.guest, request, program))
        reply = parse_reply(stepped.reply, program, placement, vmas=vmas, ptes=ptes, order=order, last=last)
        if reply.before or (reply.before_log and not booted.fresh):
            if not booted.fresh:
                self.late_alarm = self.late_alarm or first_alarm(reply.late_alarms)
            return None
        messages = tuple(booted.once_messages)
        alarm, lost = alarm_of_reply(reply, program), reply.lost
        if lost is not None:
            alarm = alarm or self._alarm_of_guest(program)
            if hasattr(booted.guest, "lose"):
                lost = str(cast("Guest", booted.guest).lose(lost))
            if alarm is not None and alarm.title not in lost:
                lost = f"the guest was lost: {alarm.title}; {lost}"
            self.drop()
        else:
            self._account(booted, placement, reply, program)
            if alarm is not None:
                # What comes next in this guest may come of it.
                self.drop()
        steps = with_inside(
            with_notes(reply.steps, stepped.states, stepped.notes),
            stepped.states,
            self.machine.name,
            alone=[note.alone for note in stepped.notes],
            fill=look is LookLevel.MEMORY,
        )
        if lost is not None:
            return self._lost(lost, steps, messages, alarm)
        return Run(
            self.machine.name,
            self.machine.kernel_name,
            steps,
            once=messages,
            alarm=alarm or self._take_late_alarm(),
            warnings=tuple(alarm for alarm in reply.alarms if alarm.kind == WARN),
        )

    def _take_late_alarm(self) -> Alarm | None:
        alarm, self.late_alarm = self.late_alarm, None
        return alarm

    def _place(self, program: Program, image: Path | None) -> tuple[_BootedGuest, Placement]:
        # Room for the program, in this guest or in a new one.
        need_mib, tail = bar_mib_for(program), bool(past_end(program))
        max_mib = TAIL_BAR_MIB if tail else MAX_BAR_MIB
        current = self.booted
        # In a larger BAR than it needs a program would lie above 4 GiB, where other MTRRs hold.
        max_mib = min(max_mib, max(BAR_MIB, need_mib))
        size = TAIL_BAR_MIB if tail else max(BAR_MIB, need_mib)
        shape = self._shape(program, size, image)
        current_mib = current.shape.bar_mib if current else 0
        if (
            current is not None
            and need_mib <= current_mib <= max_mib
            and replace(shape, bar_mib=current_mib) == current.shape
        ):
            placement = current.windows.place(program)
            if placement is not None:
                return current, placement
        self.drop()
        guest = self.shared.start(shape)
        first_pfn = phys_to_pfn(guest.hello.bar_start)
        bar = PfnRange(first_pfn, first_pfn + guest.hello.bar_pages)
        stepper = Stepper(
            guest,
            self.machine.kernel.vmlinuz,
            demanded=self.machine.demanded,
            between=self.machine.look is not LookLevel.END,
        )
        # Where KVM did not work, the shape has another accelerator by now.
        self.booted = _BootedGuest(guest, Windows(bar), self._shape(program, size, image), stepper)
        placement = self.booted.windows.place(program)
        if placement is None:
            raise Defect(f"a BAR of {size} MiB has no room for a program that needs {need_mib} MiB")
        return self.booted, placement

    def _shape(self, program: Program, size: int, image: Path | None) -> GuestShape:
        steered = is_held(program) or is_forced(program)
        accel = self.shared.acceleration.of(steered=steered)
        return GuestShape(size, image, STEERED_CPUS if is_held(program) else 1, uses_slot(program), accel)

    def _account(
        self, booted: _BootedGuest, placement: Placement, reply: ParsedReply, program: Program
    ) -> None:
        # Records the traces the program left in the guest.
        lines = [*reply.before_log, *(line for step in reply.steps for line in step.log)]
        booted.once_messages.update(
            {message: None for message in map(once_message, lines) if message is not None}
        )
        booted.fresh = False
        booted.leaked_entries += len(reply.left)
        booted.windows.release(placement, reply.left, stored_to(program))
        # vfio-pci books the whole BAR, and so meets every entry that stayed.
        if booted.leaked_entries > (0 if needs_vfio(program) else MAX_LEAKED) or uses_slot(program):
            self.drop()

    def _lost(
        self,
        reason: str,
        steps: tuple[Step, ...] = (),
        once: tuple[str, ...] = (),
        alarm: Alarm | None = None,
    ) -> Run:
        alarm = alarm or self._take_late_alarm()
        return Run(self.machine.name, self.machine.kernel_name, steps, lost=reason, once=once, alarm=alarm)


class QemuMachine:
    """
    A kernel in QEMU as a machine programs run on; use it in a ``with`` statement.

    :param kernel: a series (``6.1``), an exact version (``6.12.107``), a bzImage of the user's own, or a
        kernel already looked up
    :param guests: how many guests at most; one per core when None
    :param look: how the state is looked at: in the guest's memory, which needs drgn and a kernel with types
        in it; through /proc; or at the end only, where nothing of the following is observed
    :param vmas: observe VMAs after every operation
    :param ptes: observe page-table entries, where the guest can read them
    :param order: observe the order of kernel calls and TLB flushes, where the guest can trace them
    :param lens: observe the state of the tracker and the mode of protections, in the guest's own memory;
        when None, where drgn is installed and the kernel has types in it
    :param name: the machine's name in its runs, ``qemu:6.1`` when None
    :param accel: KVM, TCG, or KVM where it works; TCG for programs that hold a processor in any case
    :param say: called with a line for each thing that takes time or room, from any thread
    :param factory: boots a guest; for tests
    """

    def __init__(
        self,
        kernel: str | Path | KernelImage,
        *,
        guests: int | None = None,
        look: LookLevel = LookLevel.PROC,
        vmas: bool = True,
        ptes: bool = True,
        order: bool = True,
        lens: bool | None = None,
        name: str | None = None,
        accel: Accel = Accel.TCG,
        say: Callable[[str], None] = quiet,
        factory: GuestFactory | None = None,
    ) -> None:
        self._requested_kernel = kernel
        label = (kernel.series or kernel.vmlinuz) if isinstance(kernel, KernelImage) else kernel
        self.name = name or f"qemu:{label}"
        self.look = look
        self.vmas, self.ptes = vmas and look is LookLevel.PROC, ptes and look is LookLevel.PROC
        self.order = order and look is not LookLevel.END
        self.lens = can_look_inside() if lens is None else lens
        self.demanded = bool(lens) or look is LookLevel.MEMORY
        self._max_guests = guests or os.cpu_count() or 1
        boot = factory or functools.partial(_boot, order=self.order, lens=self.lens, say=say)
        self._shared = Boots(
            lambda shape, offsets: boot(self.kernel, shape, offsets),
            DriverImage(lambda: image_with_driver(self.kernel, say=say)),
            DriverImage(lambda: guest_image(vfio_modules(self.kernel, say=say), say=say)),
            Acceleration(accel, say),
        )
        self._benches: list[_Bench] = []
        self._finalizer = weakref.finalize(self, self._shared.end_all)

    @functools.cached_property
    def kernel(self) -> KernelImage:
        """The kernel that is booted; looked up when it is first needed, and fetched when it is not here."""
        return _kernel(self._requested_kernel)

    @functools.cached_property
    def kernel_name(self) -> str:
        """Package and version, or the release of a file of the user's own."""
        return f"{self.kernel.package} {self.kernel.version}".strip()

    def run(
        self, programs: Sequence[Program], on_done: Callable[[int, Run], None] | None = None
    ) -> list[Run]:
        """
        Every program's run, in the order of *programs*.

        :param on_done: called with index and run as soon as a program is done, in any order, always from
            the calling thread
        :raises Misuse: there is no such kernel, or a program no guest could hold; nothing has been run then
        :raises MissingTool: QEMU, the kernel or KVM that was asked for is not here
        """
        for program in programs:
            check_placeable(program)
        assert self.kernel_name  # looked up here, before threads ask for it
        self._shared.acceleration.settle()
        runs: dict[int, Run] = {}
        # Programs that need the same kind of guest come one after the other.
        pending = deque(sorted(enumerate(programs), key=lambda entry: _guest_needed(entry[1])))
        results: queue.SimpleQueue[tuple[int, Run] | BaseException] = queue.SimpleQueue()
        threads = self._threads(pending, results)
        try:
            for thread in threads:
                thread.start()
            while len(runs) < len(programs):
                # A wait without end could not be interrupted.
                try:
                    answer = results.get(timeout=1.0)
                except queue.Empty:
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                runs[answer[0]] = answer[1]
                if on_done is not None:
                    on_done(*answer)
        except BaseException:
            self._give_up(pending, threads)
            raise
        for thread in threads:
            thread.join()
        return [runs[index] for index in range(len(programs))]

    def reboot(self) -> None:
        """Later programs run in guests in which no program has run."""
        for bench in self._benches:
            bench.drop()

    def close(self) -> None:
        """End all guests; a later :meth:`run` boots new ones."""
        self.reboot()
        self._shared.end_all()

    def __enter__(self) -> QemuMachine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _threads(
        self,
        pending: deque[tuple[int, Program]],
        results: queue.SimpleQueue[tuple[int, Run] | BaseException],
    ) -> list[threading.Thread]:
        # One thread for each guest worth having.
        count = min(self._max_guests, -(-len(pending) // PROGRAMS_PER_GUEST))
        while len(self._benches) < count:
            self._benches.append(_Bench(self._shared, self))
        self._shared.stop.clear()
        self._shared.failed_boots = 0
        # Guests that are up come first.
        benches = sorted(self._benches, key=lambda bench: bench.booted is None)[:count]
        return [
            threading.Thread(target=_work, args=(bench, pending, results), name=self.name, daemon=True)
            for bench in benches
        ]

    def _give_up(self, pending: deque[tuple[int, Program]], threads: list[threading.Thread]) -> None:
        # No thread starts a program any more, and a thread that waits for a guest loses it.
        pending.clear()
        self._shared.stop.set()
        self._shared.end_all()
        deadline = time.monotonic() + _STOP_LIMIT
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._benches = []


def _work(
    bench: _Bench,
    pending: deque[tuple[int, Program]],
    results: queue.SimpleQueue[tuple[int, Run] | BaseException],
) -> None:
    # A thread: runs programs until none is pending. Any other exception is handed to the caller.
    while not bench.shared.stop.is_set():
        try:
            index, program = pending.popleft()
        except IndexError:
            return
        try:
            results.put((index, bench.run(program)))
        except Stopped:
            return
        except BaseException as error:
            bench.drop()
            results.put(error)
            return


def _whole_reply(guest: GuestLike, request: str, program: Program) -> str:
    # The reply to a whole program, or what a guest that is lost has answered of it.
    try:
        return guest.request(request, PROGRAM_LIMIT + OP_LIMIT * len(program.ops))
    except LostGuest as lost:
        return reply_until(lost)


def _guest_needed(program: Program) -> tuple[bool, bool, bool, bool, bool, int]:
    # Sorts programs by the guest they need, programs without special needs first.
    return (
        is_held(program),
        needs_driver(program),
        needs_vfio(program),
        uses_slot(program),
        bool(past_end(program)),
        max(BAR_MIB, bar_mib_for(program)),
    )


def _kernel(kernel: str | Path | KernelImage) -> KernelImage:
    if isinstance(kernel, KernelImage):
        return kernel
    if isinstance(kernel, Path) or (not is_version(kernel) and Path(kernel).is_file()):
        return from_file(Path(kernel))
    return kernel_for(kernel)


def _boot(
    kernel: KernelImage,
    shape: GuestShape,
    offsets: str | None,
    *,
    order: bool,
    lens: bool,
    say: Callable[[str], None],
) -> GuestLike:
    from pfnlab.lab.vm.qemu import BOOT_LIMIT, Guest

    # The tracer flushes by itself, and orders are for one CPU.
    probes = trace_request(kernel.release) if order and shape.cpus == 1 else ""
    return Guest(
        kernel.vmlinuz,
        bar_mib=shape.bar_mib,
        cpus=shape.cpus,
        slot=shape.slot,
        offsets=offsets,
        image=shape.image or guest_image(say=say),
        probes=probes,
        shared_ram=lens,
        accel=shape.accel,
        boot_limit=HELLO_LIMIT if shape.accel is Accel.KVM else BOOT_LIMIT,
    )
