"""``qemu:6.1``: runs programs on a real kernel, in up to one guest per host core.

One boot serves many programs. A guest is replaced if it is lost, out of windows, dirty from an earlier
program, or has leaked too much. So no program runs where another has left state behind, and a program that
loses its guest does not affect others.
"""

from __future__ import annotations

import functools
import os
import queue
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pfnlab.kernel.policies.releases import is_version
from pfnlab.lab.images.cache import quiet
from pfnlab.lab.images.configured import configuration_of_kernel, ram_mib
from pfnlab.lab.images.driver_module import image_with_driver
from pfnlab.lab.images.image import DriverImage, guest_image
from pfnlab.lab.images.kernels import KernelImage, from_file, kernel_for
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.running.bench import Bench, Sight
from pfnlab.lab.running.bench_process import BenchProcess
from pfnlab.lab.running.inside import can_look_inside, has_types, need_lens
from pfnlab.lab.running.pending import GuestNeed, ObservedProgram, PendingPrograms, is_long
from pfnlab.lab.running.placement import check_any_placeable
from pfnlab.lab.vm.boots import HELLO_LIMIT, AbandonedBoot, Acceleration, Boots, GuestFactory, GuestShape
from pfnlab.lab.vm.hardware import USUAL, Hardware
from pfnlab.lab.vm.probes import trace_request
from pfnlab.lab.vm.qemu import BOOT_LIMIT, Guest
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.observation import Run

#: Programs per additional guest: a second guest is booted after this many, a third after twice as many. A
#: program with needs of its own takes as long as several others.
PROGRAMS_PER_GUEST, _LONG = 32, 4

#: The number of programs that a guest runs before it is asked what they have left in use.
TOGETHER = 4

#: Seconds to wait for the threads of an interrupted run.
_STOP_LIMIT = 5.0


class QemuMachine:
    """A kernel in QEMU as a machine that runs programs; a context manager.

    :param kernel: a series (``6.1``), an exact version (``6.12.107``), a user's bzImage, or a kernel that
        was already looked up
    :param guests: the maximum number of guests; one per core if None
    :param look: how state is observed, if a run does not say: in the guest's memory, which needs drgn and a
        kernel with types; through /proc; or only at the end, without the fields listed below. May be changed
        between runs
    :param lens: whether to observe the tracker's state and the mode of protections in the guest's memory; if
        None, only if drgn is installed and the kernel has types; implied if *look* needs it
    :param name: the machine's name in its runs; ``qemu:6.1`` if None
    :param accel: KVM, TCG, or KVM if it works; programs that hold a processor always use TCG
    :param blocks: whether to name the kernel blocks that each program reaches; processors are then emulated
    :param say: called with a line before anything that takes time or disk space, from any thread
    :param hardware: hardware that all its guests have beyond the needs of a program
    :param factory: boots a guest; replaced in tests
    :raises MissingTool: if *look* needs the lens, which is not installed
    """

    def __init__(
        self,
        kernel: str | Path | KernelImage,
        *,
        guests: int | None = None,
        look: LookLevel = LookLevel.PROC,
        lens: bool | None = None,
        name: str | None = None,
        accel: Accel = Accel.TCG,
        blocks: bool = False,
        say: Callable[[str], None] = quiet,
        hardware: Hardware = USUAL,
        factory: GuestFactory | None = None,
    ) -> None:
        self._requested_kernel = kernel
        label = (kernel.series or kernel.vmlinuz) if isinstance(kernel, KernelImage) else kernel
        self.name = name or f"qemu:{label}"
        self._benches: list[Bench | BenchProcess] = []
        #: The number of programs that each bench has run in each kind of guest.
        self._had: dict[object, Counter[GuestNeed]] = {}
        #: The number of programs it has been given so far, long ones counted several times.
        self._given = 0
        self._lens, self._demanded = can_look_inside() if lens is None else lens, bool(lens)
        accel = Accel.TCG if blocks else accel
        self._blocks = blocks
        self._settings = {
            **{"lens": lens, "name": self.name, "accel": accel, "blocks": blocks},
            "hardware": hardware,
        }
        self._max_guests = guests or os.cpu_count() or 1
        self.hardware = hardware
        boot = factory or (lambda kernel, shape, offsets: _boot(kernel, shape, offsets, self._sight, say))
        self._shared = Boots(
            lambda shape, offsets: boot(self.kernel, hardware.applied(shape), offsets),
            DriverImage(lambda: image_with_driver(self.kernel, say=say)),
            DriverImage(lambda: guest_image(vfio_modules(self.kernel, say=say), say=say)),
            Acceleration(accel, say),
        )
        self._say = say
        # A guest made by a test is in this process, and so is a guest that is the only one.
        self._apart = factory is None and self._max_guests > 1
        self._finalizer = weakref.finalize(self, self._shared.end_all)
        self.look = look

    @property
    def look(self) -> LookLevel:
        """The way later programs are observed; memory without the lens raises MissingTool."""
        return self._look

    @look.setter
    def look(self, look: LookLevel) -> None:
        self._allow(look)
        self._look = look

    def _allow(self, look: LookLevel) -> None:
        # Guests that are to be observed in memory share it with the host, from their boot on.
        if look is not LookLevel.MEMORY:
            return
        need_lens()
        if not self._lens:
            self._lens = self._settings["lens"] = True
            self.close()
            self._benches, self._had = [], {}

    @property
    def _sight(self) -> Sight:
        return Sight(self._lens, self._demanded, self._blocks)

    @property
    def sees_memory(self) -> bool:
        """True if its memory can be read: the lens is installed and the kernel has types."""
        return self._lens and has_types(self.kernel.vmlinuz)

    @functools.cached_property
    def kernel(self) -> KernelImage:
        """The kernel to boot; looked up when first needed, and fetched if it is not cached."""
        kernel = self._requested_kernel
        if isinstance(kernel, KernelImage):
            return kernel
        if isinstance(kernel, Path) or (not is_version(kernel) and Path(kernel).is_file()):
            return from_file(Path(kernel))
        return kernel_for(kernel)

    def run(self, programs: Sequence[Program], looks: Sequence[LookLevel] | None = None) -> list[Run]:
        """Run every program; return the runs in the order of *programs*. Errors as in :meth:`run_telling`."""
        return self.run_telling(programs, lambda index, run: None, looks)

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """Like :meth:`run`, but report every run as it completes.

        :param looks: how each program is observed; as the machine is if None
        :param on_done: called with index and run as soon as a program is done, with those that the same guest
            runs together with it, in any order, always from the calling thread
        :raises Misuse: if there is no such kernel, or no guest can hold any of the programs;
            nothing has been run
        :raises MissingTool: if QEMU, the kernel or the requested KVM is not available
        """
        check_any_placeable(programs)
        looks = looks or [self.look] * len(programs)
        for look in set(looks):
            self._allow(look)
        assert self.kernel  # looked up here, before threads ask for it
        self._shared.acceleration.settle()
        runs: dict[int, Run] = {}
        benches = self._benches_for(programs)
        pending = PendingPrograms(
            map(ObservedProgram, programs, looks),
            {bench: self._had.setdefault(bench, Counter()) for bench in benches},
        )
        results: queue.SimpleQueue[tuple[int, Run] | BaseException] = queue.SimpleQueue()
        threads = [
            threading.Thread(
                target=_work, args=(bench, self._shared.stop, pending, results), name=self.name, daemon=True
            )
            for bench in benches
        ]
        try:
            for thread in threads:
                thread.start()
            while len(runs) < len(programs):
                # An unbounded wait could not be interrupted.
                try:
                    answer = results.get(timeout=1.0)
                except queue.Empty:
                    continue
                if isinstance(answer, BaseException):
                    raise answer
                runs[answer[0]] = answer[1]
                on_done(*answer)
        except BaseException:
            self._give_up(pending, threads)
            raise
        for thread in threads:
            thread.join()
        return [runs[index] for index in range(len(programs))]

    def reboot(self) -> None:
        """Run later programs in guests that have not run any program yet."""
        for bench in self._benches:
            bench.drop()

    def close(self) -> None:
        """End all guests; a later :meth:`run` boots new ones."""
        for bench in self._benches:
            bench.close()
        self._shared.end_all()

    def __enter__(self) -> QemuMachine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _benches_for(self, programs: Sequence[Program]) -> list[Bench | BenchProcess]:
        self._given += sum(_LONG if is_long(program) else 1 for program in programs)
        count = min(self._max_guests, len(programs), -(-self._given // PROGRAMS_PER_GUEST))
        while len(self._benches) < count:
            self._benches.append(
                BenchProcess({"kernel": self.kernel, **self._settings}, self._say)
                if self._apart and count > 1
                else Bench(self._shared, self.name, self.kernel, self._sight, self.hardware)
            )
        self._shared.stop.clear()
        self._shared.failed_boots = 0
        return sorted(self._benches, key=lambda bench: not bench.is_up)[:count]

    def _give_up(self, pending: PendingPrograms, threads: list[threading.Thread]) -> None:
        # No thread starts another program, and a thread waiting for a guest loses that guest.
        pending.clear()
        self._shared.stop.set()
        self._shared.end_all()
        for bench in self._benches:
            bench.kill()
        deadline = time.monotonic() + _STOP_LIMIT
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        self._benches, self._had = [], {}


def _work(
    bench: Bench | BenchProcess,
    stop: threading.Event,
    pending: PendingPrograms,
    results: queue.SimpleQueue[tuple[int, Run] | BaseException],
) -> None:
    # A thread that runs programs until none are pending. Any other exception is passed to the caller.
    while not stop.is_set():
        taken = pending.take(bench, TOGETHER)
        if not taken:
            return
        try:
            runs = bench.run_all([asked for _, asked in taken])
            for (index, _), run in zip(taken, runs, strict=True):
                results.put((index, run))
        except AbandonedBoot:
            return
        except BaseException as error:
            bench.drop()
            results.put(error)
            return


def _boot(
    kernel: KernelImage, shape: GuestShape, offsets: str | None, sight: Sight, say: Callable[[str], None]
) -> Guest:
    # A user's hardware may have several CPUs, and orders are observed on one.
    probes = trace_request(kernel.release) if shape.probed and shape.cpus == 1 else ""
    return Guest(
        kernel.vmlinuz,
        replace(shape, image=shape.image or guest_image(say=say)),
        ram_mib=shape.ram_mib or ram_mib(configuration_of_kernel(kernel)),
        offsets=offsets,
        probes=probes,
        shared_ram=sight.lens,
        counted=sight.blocks,
        boot_limit=HELLO_LIMIT if shape.accel is Accel.KVM else BOOT_LIMIT,
    )
