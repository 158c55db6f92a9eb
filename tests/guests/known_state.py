"""A kernel in a known state: a program runs up to one of its operations, and a bundle and a core are taken.

The script collects the bundle inside the guest, while the program's tasks are there; QEMU writes the core.
No operation comes in between, so both show one state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.units import PHYSICAL_BITS, PfnRange, phys_to_pfn
from pfnlab.lab.images.configured import configuration_of_kernel, ram_mib
from pfnlab.lab.images.driver_module import MODULE, driver_for
from pfnlab.lab.images.image import extended, guest_image
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.running.guests import driver_pages
from pfnlab.lab.running.placement import TAIL_BAR_MIB, Placement, Windows
from pfnlab.lab.running.preparations import preparations
from pfnlab.lab.running.replies import parse_reply
from pfnlab.lab.running.stepper import Stepper
from pfnlab.lab.running.stepwise import Stage, ask_stepwise
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest
from pfnlab.lab.vm.qmp import CoreForm
from pfnlab.programs.lang.device_ops import Plug, Unplug
from pfnlab.programs.lang.needs import lacking
from pfnlab.programs.lang.ops import Op, Program, tasks_of
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.places import bar_mib_for
from tests.guests.equipment import Equipment
from tests.guests.live_views import LiveView, live_files, ram_for, split_views
from tests.guests.shell import SHELL, shell

#: The smallest BAR of such a guest, in MiB; a core may hold it.
BAR_MIB = 64

#: How long one operation, and the script, may take, in seconds.
OP_LIMIT = 30.0
SCRIPT_LIMIT = 120.0

_STATUS = re.compile(r"\nstatus (\d+)\ndone collect\n\Z")


class KnownState(NamedTuple):
    """
    One moment of a guest.

    :param bundle: what the script wrote
    :param core: the core of that moment
    :param steps: what the program's operations did up to there
    :param pids: the process ids of its tasks, those that are gone too
    :param placement: where its devices and areas lie
    :param live: live inspections inside the guest, made behind the bundle, by their names
    """

    bundle: str
    core: Path
    steps: tuple[Step, ...]
    pids: dict[str, int]
    placement: Placement
    live: Mapping[str, LiveView] = MappingProxyType({})


def known_state(
    program: Program,
    kernel: KernelImage,
    script: Path,
    core: Path,
    *,
    after: int | None = None,
    form: CoreForm = "kdump-zlib",
    equipment: Equipment | None = None,
    live: Sequence[str] = (),
) -> KnownState:
    """
    Run *program* in a guest of its own, and take bundle and core after one of its operations.

    :param script: a POSIX shell script that writes a bundle to its output
    :param core: the file that becomes the core; not there yet
    :param after: the number of operations, all when None, 0 before the first; its tasks live until then
    :param equipment: devices and their drivers beside the program's
    :param live: names of views (:data:`.views_in_guest.VIEWS`): pfnlab runs inside the guest too, between
        bundle and core
    :raises Misuse: no guest can hold the program
    :raises MissingTool: QEMU, a package or a compiler is not here
    :raises Undecided: the kernel lacks something the program needs, or the guest or the script failed
    """
    if program.needs.held:
        raise Undecided("a program that holds a processor inside an operation has no state of its own")
    lack = lacking(program, configuration_of_kernel(kernel))
    if lack is not None:
        raise Undecided(lack)
    program = msgspec.structs.replace(program, ops=program.ops[:after])
    with _booted(program, kernel, script, equipment or Equipment(), live=live) as guest:
        placement = _windows(guest, program).place(program)
        if placement is None:
            raise Undecided("the guest has no room for the program")
        stepper = Stepper(guest, kernel.vmlinuz)
        try:
            return _Taking(guest, program, placement, stepper, live=live).take(core, form)
        finally:
            stepper.close()


def forcing(stepper: Stepper, program: Program) -> Callable[[Op, int, Callable[[], str]], str]:
    """The way to ask for an operation of *program* in which a call of the kernel may be forced.

    :return: gets the operation, the process id of its task, and what asks for it, whose result it returns
    :raises Undecided: nothing can be steered in this guest, or the kernel has no such function
    """
    stepper._open_steering()
    functions = stepper._functions
    assert functions is not None
    functions.check(program)

    def force(op: Op, pid: int, call: Callable[[], str]) -> str:
        injection = functions.injection(op, pid)
        return call() if injection is None else stepper._force(injection, call)

    return force


class _Taking:
    # A program on its way to the state that is wanted.

    def __init__(
        self, guest: Guest, program: Program, placement: Placement, stepper: Stepper, *, live: Sequence[str]
    ) -> None:
        self._guest, self._program, self._placement, self._live = guest, program, placement, live
        self._force = forcing(stepper, program) if program.needs.forced else None
        self._names = tasks_of(program)
        self._bundle: str | None = None
        self._pids: dict[str, int] = {}

    def take(self, core: Path, form: CoreForm) -> KnownState:
        def look(stage: Stage) -> None:
            if stage.done == len(self._program.ops) and self._bundle is None:
                self._pids = {self._names[slot]: pid for slot, pid in stage.pids.items()}
                self._bundle = _collect(self._guest)
                self._guest.dump(core, form)

        if not self._program.ops:
            look(Stage())
        observed = ObservationRequest(vmas=False, ptes=False)
        request = compile_program(self._program, self._placement, observed)
        reply = ask_stepwise(request, self._ask, look, preparations(self._program), nop_first=True)
        parsed = parse_reply(reply, self._program, self._placement, observed)
        if parsed.lost is not None or self._bundle is None:
            raise LostGuest(f"the program did not come so far: {parsed.lost or reply[-200:]}")
        bundle, views = split_views(self._bundle) if self._live else (self._bundle, {})
        return KnownState(bundle, core, tuple(parsed.steps), self._pids, self._placement, views)

    def _ask(self, text: str, stage: Stage) -> str:
        if stage.begun and not stage.preparing and stage.done < len(self._program.ops):
            op = self._program.ops[stage.done]
            # A slot is plugged and unplugged from outside; the agent then waits for the kernel to notice.
            if isinstance(op.call, Unplug):
                self._guest.unplug()
            elif isinstance(op.call, Plug):
                self._guest.plug()
            pid = stage.pids.get(self._names.index(op.task))
            if self._force is not None and pid is not None:
                return self._force(op, pid, lambda: self._guest.request(text, OP_LIMIT))
        return self._guest.request(text, OP_LIMIT)


@contextmanager
def _booted(
    program: Program, kernel: KernelImage, script: Path, equipment: Equipment, *, live: Sequence[str]
) -> Iterator[Guest]:
    needs = program.needs
    if needs.vfio and needs.driver:
        raise Undecided("a guest has the test driver or vfio-pci, not both: write two programs")
    files: dict[str, Path] = {}
    if needs.vfio:
        files |= vfio_modules(kernel)
    if needs.driver:
        files[MODULE] = driver_for(kernel)
    size = TAIL_BAR_MIB if needs.past_end else max(BAR_MIB, bar_mib_for(program))
    with ExitStack() as stack:
        large: dict[str, Path] = {}
        if live:
            script, large = stack.enter_context(live_files(script, live))
        more = stack.enter_context(equipment.files(script))
        image = guest_image({SHELL: shell(), **files, **more})
        if large:
            whole = Path(stack.enter_context(TemporaryDirectory())) / image.name
            extended(image, large, whole)
            image = whole
        shape = GuestShape(
            size,
            image,
            slot=needs.slot,
            resets=needs.reset,
            devices=equipment.devices,
            parameters=equipment.parameters,
            phys_bits=PHYSICAL_BITS if needs.wide else None,
        )
        ram = equipment.ram_mib or ram_mib(configuration_of_kernel(kernel))
        yield stack.enter_context(Guest(kernel.vmlinuz, shape, ram_mib=max(ram, ram_for(large))))


def _windows(guest: Guest, program: Program) -> Windows:
    first = phys_to_pfn(guest.hello.bar_start)
    bar = PfnRange(first, first + guest.hello.bar_pages)
    ram = driver_pages(guest) if program.needs.driver else None
    return Windows(bar, driver_ram=ram, phys_bits=guest.hello.phys_bits)


def _collect(guest: Guest) -> str:
    # What the script writes in the guest.
    reply = guest.request("collect\n", SCRIPT_LIMIT)
    status = _STATUS.search(reply)
    if status is None or status[1] != "0":
        raise Undecided(f"the script ended with {status[1] if status else 'no status'}: {reply[-200:]!r}")
    return reply[: status.start()]
