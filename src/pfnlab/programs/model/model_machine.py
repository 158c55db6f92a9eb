"""``model:7.2``, ``model:6.1,tracker=exact``: the machine that runs programs by the modelled rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from pfnlab.base.errors import Undecided, Why, machine_decides
from pfnlab.base.units import PAGE_SIZE, PHYSICAL_BITS, PfnRange, phys_to_pfn, than_before
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.hw.platform import Platform, qemu_q35
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.lives import exit_group
from pfnlab.kernel.mm.processors import Processors
from pfnlab.kernel.mm.users.driver import RAM_PFN
from pfnlab.kernel.mm.users.pci import PciDevice
from pfnlab.kernel.mm.users.vvar import give_vvar
from pfnlab.kernel.policies.boot import boot, check_own, guard_own
from pfnlab.kernel.policies.guard import Guard, check_deterministic
from pfnlab.kernel.policies.profiles import described
from pfnlab.programs.lang.areas import moves_vvar
from pfnlab.programs.lang.device_ops import DRIVER_RAM_PAGES, MOVED_BAR
from pfnlab.programs.lang.needs import lacking
from pfnlab.programs.lang.ops import END_KINDS, MAIN_TASK, Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.execution import ConcurrentExecution, SequentialExecution, refuse_unknown
from pfnlab.programs.model.named_profile import profile_named, version_in
from pfnlab.programs.model.observe import Observer
from pfnlab.programs.runs import places
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.memory_faults import committed_left, mm_counts
from pfnlab.programs.runs.named_machines import MachineKind, NamedMachine, model_text
from pfnlab.programs.runs.observation import CachedTranslations, MemoryFault, MemoryObservation, Run, Step

#: The place of BARs: below 4 GiB if they fit there, as firmware does it, otherwise above.
_LOW_BAR_PFN = phys_to_pfn(0xC000_0000)
_HIGH_BAR_PFN = phys_to_pfn(0x80_0000_0000)
_HIGH_PHYS_BITS = 46

#: The smallest possible BAR of a vfio-pci device.
_VFIO_BAR_PAGES = 65536

#: The first page of low memory that a program gets.
_LOWMEM_PFN = 0x10

#: The driver's own pages of ordinary memory.
DRIVER_RAM_PFNS = PfnRange(RAM_PFN, RAM_PFN + DRIVER_RAM_PAGES)

#: The end of low memory, in bytes.
_LOW_END = 1 << 20


class _Order(NamedTuple):
    """The order in which waiting tasks resume; see `Processors`."""

    waiters_first: bool = False
    last_first: bool = False


#: First the task that held a lock, then those that waited for it, in turn.
_IN_TURN = _Order()

#: The other orders, each with the choice that depends on the machine, which is reported if it changes a run.
_ORDERS = {
    _Order(waiters_first=True): "whether a waiter for a lock continues before its last owner",
    _Order(last_first=True): "which of two waiters for the same lock continues first",
    _Order(True, True): "which of two waiters for the same lock continues first",
}

#: The pseudo-operation at the end, when all tasks are killed.
END = "end"


class ModelMachine:
    """The model with one kernel's profile, in which policies and commits may be replaced.

    :param spec: a version (``6.1.176``), or a series to mean its newest known version, followed by changes,
        e.g. ``7.2,tracker=vm_pat,mseal=off`` or ``6.1,without=04c35ab3bdae``
    :param look: how the predicted kernel is observed; this may change between two runs
    :param configuration: the kernel configuration, if *spec* names none
    :raises Misuse: if the version, seam, policy, switch or commit is unknown, or a file is not a
        configuration; the message suggests a correction
    """

    def __init__(
        self, spec: str, look: LookLevel = LookLevel.PROC, configuration: Configuration = DISTRIBUTION
    ) -> None:
        self.spec = spec
        self.look = look
        self._version = version_in(spec)
        self.profile = profile_named(spec, configuration)

    @property
    def sees_memory(self) -> bool:
        """True if its memory can be observed, which is always, because a prediction needs no lens."""
        return True

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """Run each program on a freshly booted kernel.

        A program for which the model has no rule gives an ``undecided`` run. If the kernel dies in an
        operation, the run has the steps before that.
        """
        return [self._run_or_refuse(program) for program in programs]

    def _run_or_refuse(self, program: Program) -> Run:
        try:
            return self.run_one(program)
        except Undecided as reason:
            name, kernel = f"model:{self.spec}", described(self._version)
            configuration = self.profile.configuration
            return Run(
                name,
                kernel,
                steps=self._steps_before_the_end(program) if reason.kind is Why.NO_END else (),
                undecided=str(reason),
                why=reason.kind,
                look=self.look,
                configuration=configuration,
            )

    def _steps_before_the_end(self, program: Program) -> tuple[Step, ...]:
        """The steps of a program during which the kernel dies, up to the operation that kills it."""
        opened = OpenRun(self, program)
        with suppress(Undecided):
            opened.go_on(program)
        return tuple(opened.steps)

    def boot(self, platform: Platform, devices: Mapping[str, PfnRange]) -> Kernel:
        """A kernel freshly booted on *platform*, without any tasks.

        :param devices: the pages of the program's devices; those that are neither RAM nor beyond all
            memory are on the PCI bus
        :raises PolicyError: if a user-defined policy cannot be loaded
        """
        kernel = boot(self.profile, platform)
        kernel.pci = {
            name: PciDevice(pfns)
            for name, pfns in devices.items()
            if not (name == MOVED_BAR or platform.is_top(pfns.start) or platform.phys.page_is_ram(pfns.start))
        }
        # Nothing responds at the place to which a device may move later.
        kernel.undecoded = tuple(pfns for name, pfns in devices.items() if name == MOVED_BAR)
        return kernel

    def refuse(self, program: Program) -> None:
        """Refuse a program if this kernel has no rule for it, or lacks a configuration option that it needs.

        :raises Undecided: with the reason
        """
        refuse_unknown(program, self.profile.series)
        lack = lacking(program, self.profile.configuration)
        if lack is not None:
            raise Undecided(lack, Why.MISSING)

    def run_one(self, program: Program, *, check: bool = False, memory: dict[int, int] | None = None) -> Run:
        """Run one program.

        :param check: assert all internal invariants after every step
        :param memory: the first words of the pages of its first device; updated by the run
        :raises Undecided: if the model has no rule for something in the program
        :raises PolicyError: if a user-defined policy breaks its protocol or is not deterministic
        """
        before = dict(memory or {})
        run, guards, processors = self._run(program, check, memory)
        if processors.raced:
            self._check_decided(program, run, before, crowded=processors.crowded)
        if guards:
            _, repeats, _ = self._run(program, check, before)
            for guard, repeat in zip(guards, repeats, strict=True):
                check_deterministic(guard.path, guard.made, repeat.made)
        return run

    def _check_decided(self, program: Program, run: Run, memory: dict[int, int], *, crowded: bool) -> None:
        """Check that *run* is the same whatever the order of waiting tasks (S8.2.10, S8.5.5).

        :raises Undecided: if it is not
        """
        for order, reason in _ORDERS.items():
            if order.last_first and not crowded:
                continue
            other, _, processors = self._run(program, False, dict(memory), order=order)
            crowded |= processors.crowded
            if other.steps != run.steps:
                raise machine_decides(f"the machine decides {reason}")

    def _run(
        self, program: Program, check: bool, memory: dict[int, int] | None, *, order: _Order = _IN_TURN
    ) -> tuple[Run, list[Guard], Processors]:
        """The run, the guards around user-defined policies, and the processors whose order matters."""
        opened = OpenRun(self, program, check=check, memory=memory)
        processors = opened.kernel.processors
        processors.waiters_first, processors.last_first = order
        opened.go_on(program)
        opened.end()
        if memory is not None:
            memory.update(opened.memory)
        run = Run(
            f"model:{self.spec}",
            described(self._version),
            steps=tuple(opened.steps),
            look=self.look,
            configuration=self.profile.configuration,
            tlbs=tuple(opened.tlbs),
            memory=opened.leftovers,
        )
        return run, opened.guards, processors


class OpenRun:
    """A run whose program may grow: the booted machine, and the steps so far.

    :param program: determines where devices and areas are; none of its operations has run yet
    :param check: assert all internal invariants after every step
    :param memory: the first words of the pages of its first device
    :ivar guards: the guards around the kernel's user-defined policies
    :raises Undecided: if the model has no rule for something in the program
    """

    def __init__(
        self,
        machine: ModelMachine,
        program: Program,
        *,
        check: bool = False,
        memory: Mapping[int, int] | None = None,
    ) -> None:
        self._machine, self._check = machine, check
        machine.refuse(program)
        self._setting = setting = _Setting.of(program)
        self.kernel = machine.boot(setting.platform, setting.places.devices)
        self.guards = guard_own(self.kernel)
        if setting.vvar:
            give_vvar(self.kernel)
        self.kernel.start_task(MAIN_TASK)
        self._first = next(iter(setting.places.devices.values())).start
        self.kernel.memory = {self._first + page: value for page, value in (memory or {}).items()}
        self._running = (ConcurrentExecution if setting.held else SequentialExecution)(
            self.kernel, setting.places
        )
        self._observer = Observer(self.kernel, setting.places, machine.look)
        self.steps: list[Step] = []
        self._faults: list[tuple[MemoryFault, ...]] = []
        self.tlbs: list[tuple[CachedTranslations, ...]] = []

    @property
    def memory(self) -> dict[int, int]:
        """The first words of those pages of its first device that were stored to."""
        return {pfn - self._first: value for pfn, value in self.kernel.memory.items()}

    def extended(self, program: Program) -> OpenRun:
        """The run of *program*, which is an extension of this one's program.

        This run is continued. If a new operation moves devices or areas, or puts every task on its own
        processor, it is repeated from boot instead.

        :raises Undecided: if the model has no rule for something in the program; this
            run can then not continue
        """
        self._machine.refuse(program)
        same = self._setting == _Setting.of(program)
        run = self if same else OpenRun(self._machine, program, check=self._check)
        run.go_on(program)
        return run

    def go_on(self, program: Program) -> None:
        """Run the remaining operations of *program*."""
        done = len(self.steps)
        for line, op in zip(op_lines(program)[done:], program.ops[done:], strict=True):
            outcome = self._running.step(op)
            step = self._observer.step(line, op.task, outcome.result, outcome.value, self._running.ended)
            self._done(step, settled=self._running.settled)

    def end(self) -> None:
        """Kill all tasks."""
        exit_all(self.kernel)
        self._done(self._observer.step(END, MAIN_TASK, "ok", None, None), settled=True)

    @property
    def leftovers(self) -> tuple[MemoryObservation, ...]:
        """For each step, the part that only shows in memory; empty if a kernel's would show no fault."""
        faults = [*self._faults]
        if left := self.kernel.committed:
            faults[-1] += (MemoryFault(committed_left.name, than_before(left, "committed pages")),)
        return tuple(MemoryObservation(faults=found) for found in faults) if any(faults) else ()

    def _miscounted(self) -> Iterator[MemoryFault]:
        """The address spaces whose locked_vm is wrong (S5.8.9)."""
        for task in self.kernel.processes():
            locked, leak = task.mm.locked, task.mm.locked_leak
            if leak:
                says = f"locked_vm of {task.comm} is {locked + leak:,}, but there are {locked:,}"
                yield MemoryFault(mm_counts.name, says)

    def _done(self, step: Step, *, settled: bool) -> None:
        self.steps.append(self._running.comparable(step))
        self._faults.append(tuple(self._miscounted()))
        self.tlbs.append(self._observer.tlbs())
        if settled:
            check_own(self.kernel)
            if self._check:
                self.kernel._check()


class _Setting(NamedTuple):
    """The decisions made for a program before its first operation."""

    platform: Platform
    places: places.Places
    held: bool
    vvar: bool

    @classmethod
    def of(cls, program: Program) -> _Setting:
        platform, devices, whole = place(program)
        found = replace(places.Places.of(program, devices), whole=whole, driver_ram=DRIVER_RAM_PFNS)
        return cls(platform, found, program.needs.held, moves_vvar(program))


def exit_all(kernel: Kernel) -> None:
    """Kill all tasks, newest first and threads along with their process, and close files (S12.3.1)."""
    while kernel.tasks:
        exit_group(kernel, max(kernel.tasks.values(), key=lambda task: task.pid))
    # The agent kept devices open for them.
    for device in kernel.vfio.values():
        if device.open:
            with kernel.trace.unseen():
                device.close()


def place(program: Program) -> tuple[Platform, dict[str, PfnRange], PfnRange | None]:
    """A machine with the program's devices, their places, and the BAR that a driver claims as a whole."""
    platform = replace(qemu_q35(), transparent_hugepage=program.thp or "never")
    bar = _LOW_BAR_PFN
    if places.bar_mib_for(program) > places.LOW_BAR_MIB:
        bar = _HIGH_BAR_PFN
        platform = replace(platform, phys_bits=_HIGH_PHYS_BITS)
    if program.needs.wide:
        platform = replace(platform, phys_bits=PHYSICAL_BITS)
    whole = None
    if program.needs.vfio:
        # As in a guest, where the device is at the start of a BAR.
        pages = max(device.pages for device in program.devices if device.kind == "pci")
        pages = max(_VFIO_BAR_PAGES, 1 << (pages - 1).bit_length())
        whole = PfnRange(bar, bar + pages)
    # Without the BAR of the recorded runs.
    resources = [part for part in platform.phys.resources if part.system_ram or part.end <= _LOW_END]
    lowmem = _LOWMEM_PFN
    devices = {}
    for device in program.devices:
        if device.kind == "lowmem":
            devices[device.name] = PfnRange(lowmem, lowmem + device.pages)
            lowmem += device.pages + places.reach_behind(program)
            continue
        if device.kind == "isa":
            devices[device.name] = PfnRange(places.ISA_PFN, places.ISA_PFN + device.pages)
            continue
        if device.kind in END_KINDS:
            devices[device.name] = places.top_of(platform.phys_bits, device.pages)
            continue
        bar += -bar % places.alignment(program, device)
        pfns = devices[device.name] = PfnRange(bar, bar + device.pages)
        # In a guest, a device is part of the BAR unless the program maps beyond its end.
        inside = 0 if places.passes_end(program, device) else places.reach_behind(program)
        behind = pfns.end + inside if whole is None else whole.end
        resources.append(Resource(pfns.start * PAGE_SIZE, behind * PAGE_SIZE, f"BAR of {device.name}"))
        bar += places.window_pages(program, device) + places.PAST_END_PAGES * places.passes_end(
            program, device
        )
    moved = program.needs.moved
    if moved is not None:
        bar += -bar % places.alignment(program, moved)
        devices[MOVED_BAR] = PfnRange(bar, bar + moved.pages)
    phys = type(platform.phys)(tuple(resources))
    return replace(platform, phys=phys), devices, whole


def model_of(named: NamedMachine, look: LookLevel = LookLevel.PROC) -> ModelMachine:
    """The model with that name.

    :raises Misuse: if there is no such model
    """
    return ModelMachine(model_text(named.rest), look)


def _read(spec: str, profile: str | None) -> NamedMachine:
    return NamedMachine(spec, version_in(model_text(spec.partition(":")[2])), stock=False)


def _open(named: NamedMachine, accel: Accel, look: LookLevel, guests: int | None, blocks: bool) -> Machine:
    return model_of(named, look)


KIND = MachineKind(_read, _open)
