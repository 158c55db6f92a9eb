"""A running virtual machine: its boot, its lifetime, and requests to the agent inside."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from pfnlab.base.errors import Defect, LostGuest, MissingTool
from pfnlab.base.inert import shell_path
from pfnlab.base.units import PfnRange
from pfnlab.lab.images.cache import forget, is_whole
from pfnlab.lab.images.configured import RAM_MIB
from pfnlab.lab.images.image import guest_image, holds
from pfnlab.lab.images.modules import MODULE as VFIO_MODULE
from pfnlab.lab.vm import launch
from pfnlab.lab.vm.bar_memory import BarMemory
from pfnlab.lab.vm.boots import SMALL, GuestShape
from pfnlab.lab.vm.channel import CHANNEL_SIZE, NAP, RING, STAND, Channel, Hello, Ports, read_hello
from pfnlab.lab.vm.console import alarm_of, gave_up, keep_console, last_words, lines_of
from pfnlab.lab.vm.counted_blocks import Blocks, plugin
from pfnlab.lab.vm.qmp import CoreForm, Slot, dump_memory, obeys, tell_monitor
from pfnlab.lab.vm.saved_state import mark_used, save_state, state_file
from pfnlab.lab.vm.standstill import Standstill, processor_time
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.machine import Accel

QEMU = "qemu-system-x86_64"

#: Seconds that the agent has to say hello.
BOOT_LIMIT = 60.0

_REMEDY = "apt-get install --no-install-recommends qemu-system-x86"
_END_LIMIT = 10.0
_RESTORE_LIMIT = 20.0
# A panicking kernel prints about a hundred lines, and waits a second for a held processor.
_PANIC_LIMIT = 8.0
_REST_LIMIT = 1.0
# A kernel complains if its processor was stopped for 20 s. A host that takes that long has been suspended.
_STAND_LIMIT = 10.0
# One boot in 256 finds a spurious adapter ROM (`Hello.has_false_rom`).
_BOOTS = 4
# More operations than any request has.
_ALL = (1 << 32) - 1


class Guest:
    """A running virtual machine; a context manager.

    :param vmlinuz: the kernel to boot, a bzImage
    :param offsets: ``hello.offsets`` from an earlier guest with the same kernel, to boot faster
    :param boot_limit: seconds that the agent has to say hello
    :param fresh: boot even if the state of an identical machine was saved after booting
    :param probes: a ``trace`` request (:func:`pfnlab.lab.vm.probes.trace_request`), to observe orders
    :param shared_ram: keep its RAM in a file that others can read (`ram`)
    :param counted: count the executed blocks of its kernel (`blocks`); needs an emulated processor
    :raises MissingTool: if QEMU or a C compiler is not installed
    :raises LostGuest: if the kernel panicked, QEMU ended, or *boot_limit* passed
    """

    hello: Hello
    #: The console log; moved to ``<cache>/lost`` if the guest is lost (and there is room),
    #: deleted on a clean close.
    console: Path
    #: The file of its RAM, or None if the RAM is private to QEMU.
    ram: Path | None = None
    #: The counts of its kernel's blocks, or None if they are not counted.
    blocks: Blocks | None = None

    def __init__(
        self,
        vmlinuz: Path,
        shape: GuestShape = SMALL,
        *,
        ram_mib: int = RAM_MIB,
        offsets: str | None = None,
        boot_limit: float = BOOT_LIMIT,
        fresh: bool = False,
        probes: str = "",
        shared_ram: bool = False,
        counted: bool = False,
    ) -> None:
        qemu = shutil.which(QEMU)
        if qemu is None:
            raise MissingTool(f"`{QEMU}` is not on this machine: {_REMEDY}")
        initrd = shape.image or guest_image()
        iommu = holds(initrd, VFIO_MODULE.format(0))
        machine = [qemu, *launch.machine_arguments(shape, ram_mib, iommu=iommu)]
        parameters = launch.kernel_parameters(shape, offsets, iommu=iommu)
        command = [*machine, "-kernel", str(vmlinuz), "-initrd", str(initrd), "-append", parameters]
        state = None
        self._slot = Slot(shape.bar_mib) if shape.slot else None
        self._shared_ram_mib = ram_mib * shared_ram
        self._counted = counted and shape.accel is not Accel.KVM
        # With several CPUs, timers are exact, and polling would take the host's CPUs from the tasks.
        self._turns = RING | (NAP if shape.cpus > 1 else 0)
        if not fresh and launch.can_be_saved(shape):
            options = [*machine, launch.common_parameters(shape), *[probes] * bool(probes)]
            state = state_file([Path(qemu), vmlinuz, initrd], [*options, *["shared RAM"] * shared_ram])
        self._lost: LostGuest | None = None
        self._alarm: Alarm | None = None
        self._lines_of_boot = self._begun = 0
        self._disturbed = False
        self._bar: BarMemory | None = None
        if state and state.exists() and self._restore(command, state, requests=int(bool(probes))):
            return
        self._launch(command)
        try:
            self.hello = self._boot_without_false_rom(command, boot_limit)
            self._open_blocks()
            self._lines_of_boot = len(lines_of(self.console))
            if probes:
                self.hello = read_hello(self.request(probes))
            if state:
                save_state(self._folder / "qmp", state, self._channel.stop_heart)
        except BaseException:
            self.close()
            raise

    # Starts from a saved state, which is verified while QEMU reads it; a damaged or
    # unusable state is deleted.
    def _restore(self, command: Sequence[str], state: Path, requests: int) -> bool:
        self._launch([*command, "-incoming", f"exec:cat {shell_path(state)}"])
        self._channel.resume(requests)
        try:
            if is_whole(state) and self._channel.heart_beats(_RESTORE_LIMIT, self._lives):
                self.hello = read_hello(self._wait("answer", _RESTORE_LIMIT))
                self._open_blocks()
                mark_used(state)
                return True
        except BaseException:
            self.close()
            raise
        forget(state)
        self.close()
        return False

    def _launch(self, command: Sequence[str]) -> None:
        room = self._shared_ram_mib << 20
        self._folder = Path(tempfile.mkdtemp(prefix="pfnlab-", dir=launch.memory_folder(room)))
        self.console = self._folder / "console"
        self.ram = self._folder / "ram" if room else None
        ports = Ports()
        shared = self._folder / "channel"
        channel = f"memory-backend-file,mem-path={shared},size={CHANNEL_SIZE},share=on"
        try:
            counting = f"file={plugin()},counts={self._folder / 'blocks'}" if self._counted else ""
            self._channel = Channel(shared, ports)
            self._process, self._guard = launch.start_qemu(
                [
                    *command,
                    *launch.device_arguments("channel", channel, launch.CHANNEL),
                    *ports.arguments(),
                    *("-serial", f"file:{self.console}"),
                    *("-qmp", f"unix:{self._folder / 'qmp'},server=on,wait=off"),
                    *(launch.ram_arguments(self.ram, room) if self.ram else ()),
                    *(("-plugin", counting) if counting else ()),
                ],
                self._folder,
                ports.files,
            )
            ports.started()
        except BaseException:
            ports.close()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._open = True

    def _open_blocks(self) -> None:
        if self._counted:
            self.blocks = Blocks(self._folder / "blocks")

    def _lives(self) -> bool:
        return self._process.poll() is None and not gave_up(lines_of(self._folder / "stderr"))

    def request(self, text: str, limit: float = 30) -> str:
        """Send *text* to the agent and return its reply, both in the form of ``guest/PROTOCOL.md``.

        :raises LostGuest: if QEMU ended, the kernel panicked, or *limit* seconds passed; the guest is closed
        """
        self._send(text)
        return self._wait("answer", limit)

    def _send(self, text: str, allowed: int = 0, turns: int = 0) -> None:
        if self._lost:
            raise self._lost
        if not self._open:
            raise Defect("a request to a guest that was closed")
        self._channel.send(text, allowed, self._turns | turns)

    def request_with_stops(
        self,
        text: str,
        stops: Sequence[int],
        look: Callable[[str], None],
        limit: float = 30,
        through: Callable[[int, Callable[[], bool]], bool] | None = None,
    ) -> str:
        """Run *text*, a program under ``observe stand``: the guest is stopped while *look* is called.

        :param stops: numbers of operations after which the guest stops, in ascending order, without the end
        :param look: is given the reply so far
        :param limit: maximum number of seconds from one stop to the next
        :param through: runs the guest to the stop with this index by calling its argument, and returns what
            that call returns: True if the guest is stopped there. Without *through*, the processor is stopped
            too, and *look* must not query QEMU
        :return: the reply
        :raises LostGuest: as for `request`, or if *look* took so long that the kernel may have noticed
        """
        self._send(text, 0 if stops else _ALL, NAP | (0 if through else STAND))

        def go_on_to(stop: int) -> bool:
            self._channel.allow(stop)
            stands = self._channel.done(stop, limit, self._lives)
            if stands is None:
                raise self.lose(f"it did not answer within {limit:g} s")
            return stands

        for index, stop in enumerate(stops):
            if not (through(index, partial(go_on_to, stop)) if through else go_on_to(stop)):
                break
            began = time.monotonic()
            look(self._channel.answered())
            if not through and time.monotonic() - began > _STAND_LIMIT:
                raise self.lose("the host was busy, and the guest was stopped for too long", disturbed=True)
        self._channel.allow(_ALL)
        return self._wait("answer", limit)

    def rest(self) -> None:
        """Wait until the agent is waiting for the next request, but at most a second.

        By then the last program's tasks are gone, and the first task of the next program exists.
        """
        if self._open:
            self._channel.awaited(_REST_LIMIT, self._lives)

    def last_alarm(self) -> Alarm | None:
        """The alarm that ended this guest or is about to, without the operation, or None.

        Waits for a panicking kernel to finish its message.
        """
        if self._open and self._alarm_of_console() is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_PANIC_LIMIT)
            # A request in another thread may have found it in the meantime and moved the console log.
            self._alarm = self._alarm_of_console() or self._alarm
        return self._alarm

    @property
    def is_disturbed(self) -> bool:
        """True if its QEMU process is killed or stopped from outside, or was when the guest was lost."""
        if self._lost or not self._open:
            return self._disturbed
        status = self._process.poll()
        return launch.is_stopped(self._process.pid) if status is None else status == -signal.SIGKILL

    @property
    def begun(self) -> int:
        """The number of operations in the last request that have begun, counting its end; also if lost."""
        return self._begun if self._lost else self._channel.begun if self._open else 0

    def listen_for_gdb(self) -> Path:
        """Let a :class:`~pfnlab.lab.steering.gdbstub.GdbStub` connect; return the path of the socket."""
        socket = self._folder / "gdb"
        if not socket.exists():
            tell_monitor(self._folder / "qmp", f"gdbserver unix:{socket},server=on,wait=off")
        return socket

    def stop(self) -> bool:
        """Stop its processors and its clock until `resume`; False if QEMU does not comply."""
        return obeys(self._folder / "qmp", "stop")

    def resume(self) -> bool:
        """Let a stopped machine run again; False if QEMU does not comply."""
        return obeys(self._folder / "qmp", "cont")

    def unplug(self) -> None:
        """Unplug the device under test from its slot; LostGuest if the guest does not give it up."""
        assert self._slot is not None
        self._slot.unplug(self._folder / "qmp")

    def plug(self) -> None:
        """Plug a new device with zeroed memory into the empty slot; LostGuest if QEMU refuses."""
        assert self._slot is not None
        self._slot.plug(self._folder / "qmp")

    def dump(self, core: Path, form: CoreForm = "kdump-zlib") -> None:
        """Write a core of the kernel to the new file *core* while it is stopped; LostGuest on failure."""
        dump_memory(self._folder / "qmp", core, form)

    def clear(self, pfns: PfnRange) -> bool:
        """Zero these page frames of the device under test from outside; False if that is not possible.

        No program may be running, and the device must be where it was at boot.
        """
        if self._bar is None:
            self._bar = BarMemory.of(self.pid, self._folder / "qmp", self.hello.bar)
        return self._bar is not None and self._bar.clear(pfns)

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    def close(self) -> None:
        """End the machine and remove its files; does nothing the second time."""
        if not self._open:
            return
        self._open = False
        for process in (self._guard, self._process):
            process.kill()
            process.wait(_END_LIMIT)
        if self._guard.stdin:
            self._guard.stdin.close()
        self._channel.close()
        if self.blocks is not None:
            self.blocks.close()
            self.blocks = None
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _boot_without_false_rom(self, command: Sequence[str], limit: float) -> Hello:
        """The hello from a boot without a spurious adapter ROM; retries a few times."""
        for _ in range(_BOOTS):
            hello = read_hello(self._boot(limit))
            if not hello.has_false_rom:
                return hello
            self.close()
            self._launch(command)
        raise self.lose(f"its kernel mistook firmware memory for an adapter ROM in {_BOOTS} boots")

    def _boot(self, limit: float) -> str:
        """The agent's first reply; a kernel that hangs is noticed before *limit* has passed."""
        standstill = Standstill(
            partial(tell_monitor, self._folder / "qmp", "info registers -a"),
            partial(processor_time, self._process.pid),
        )
        reply = self._channel.reply(limit, lambda: self._lives() and standstill.place() is None)
        if reply is not None:
            return reply
        if place := standstill.place():
            printed = lines_of(self.console)
            after = f"after the line {printed[-1]!r}" if printed else "before its first line"
            raise self.lose(f"its kernel hangs at {place} {after}")
        raise self.lose(f"it did not boot within {limit:g} s")

    def _wait(self, action: str, limit: float) -> str:
        reply = self._channel.reply(limit, self._lives)
        if reply is not None:
            return reply
        raise self.lose(f"it did not {action} within {limit:g} s")

    def lose(self, reason: str, *, disturbed: bool = False) -> LostGuest:
        """Close the guest as lost, and keep its console.

        :param reason: the reason, unless the guest ended by itself
        :param disturbed: whether the host is to blame
        :return: the error that later requests raise too; if the guest was already lost, the first such error
        """
        if self._lost:
            return self._lost
        lives, self._disturbed = self._lives(), disturbed or self.is_disturbed
        self._alarm, self._begun = self._alarm_of_console(), self._channel.begun
        lines, stderr = lines_of(self.console), lines_of(self._folder / "stderr")
        if self._alarm:
            reason = f"{reason} ({self._alarm.title})" if lives else self._alarm.title
        elif not lives:
            reason = last_words(lines, stderr, self._process.poll())
        console = keep_console([*lines, *stderr])
        self.console = console or self.console
        self._lost = LostGuest(
            f"the guest was lost: {reason}",
            console=str(console) if console else None,
            answered=self._channel.answered(),
        )
        self.close()
        return self._lost

    def _alarm_of_console(self) -> Alarm | None:
        return alarm_of(lines_of(self.console)[self._lines_of_boot :])
