"""The demands that a program makes on its guest and kernel configuration; if unmet, it is undecided."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.policies.kconfig import option_names
from pfnlab.programs.lang import device_ops, ops
from pfnlab.programs.lang.walk_ops import STORING_WALKERS, ProcessVmReadv, Walk
from pfnlab.programs.lang.words import ROWS, is_by_hand, word_of

#: The number of pages between the offsets of two regions in a vfio-pci device file (S9.4.1).
VFIO_REGION_PAGES = 1 << 28


class GuestNeeds(msgspec.Struct, frozen=True):
    """Everything that a guest must have to run a program; see `Program.needs`.

    :param held: a processor is stopped, so tasks run on separate processors
    :param forced: some operation forces the kernel to fail, or to omit a call
    :param reset: a device must support reset and sleep
    :param bound: the guest driver is bound to a device, so the whole BAR is claimed
    :param wide: the processor must have 52-bit physical addresses
    :param moved: the name of the device that moves to a second place
    :param past_end: the pci devices that are mapped beyond their last page
    :param first_page: the pci devices whose first page is claimed. For a resource file, the kernel
        checks whether the first page of the BAR is claimed (S1.13.5). A bound driver claims the whole
        BAR, and so does vfio-pci
    :param stored_to: the devices whose contents may change because they are mapped shared and the program
        stores. No store reaches an ``isa`` device, and ``top`` and ``limit`` devices have no contents
    """

    held: bool
    forced: bool
    driver: bool
    vfio: bool
    slot: bool
    reset: bool
    bound: bool
    wide: bool
    moved: ops.Device | None
    past_end: frozenset[str]
    first_page: frozenset[str]
    stored_to: frozenset[str]

    @classmethod
    def of(cls, program: ops.Program) -> GuestNeeds:
        """The demands that *program* makes."""
        calls = [op.call for op in program.ops]
        maps = [call for call in calls if isinstance(call, ops.Mmap)]
        pages = {device.name: device.pages for device in program.devices if device.kind == "pci"}
        rescanned = {call.device for call in calls if isinstance(call, device_ops.RescanMoved)}
        moved = next((device for device in program.devices if device.name in rescanned), None)
        bound, vfio = (
            any(isinstance(call, device_ops.Bind | device_ops.Unbind) for call in calls),
            any(map(ops.uses_vfio, calls)),
        )
        claimed = {
            call.span.name
            for call in calls
            if isinstance(call, device_ops.RequestMemRegion) and call.span.start == 0
        }
        ends = pages if moved is None else {**pages, device_ops.MOVED_BAR: max(pages.values(), default=0)}
        # To vfio-pci, pages far beyond the BAR are another region of the device, not
        # the memory after the BAR.
        sources = [
            call.source
            for call in calls
            if isinstance(call, ops.Mmap | ops.RemapFilePages)
            and not (call.via == "vfio" and call.source.start >= VFIO_REGION_PAGES)
        ]
        unchanged = {device.name for device in program.devices if device.kind in ops.ONLY_KINDS}
        shared = {call.source.name for call in maps if call.shared}
        return cls(
            held=any(op.hold is not None for op in program.ops),
            forced=any(op.fail is not None or op.skip is not None for op in program.ops),
            driver=any(isinstance(call, device_ops.DriverCall | device_ops.RescanMoved) for call in calls)
            or any(call.driver is not None for call in maps),
            vfio=vfio,
            slot=any(isinstance(call, device_ops.SlotCall) for call in calls),
            reset=any(
                isinstance(call, device_ops.VfioReset | device_ops.D3 | device_ops.D0) for call in calls
            ),
            bound=bound,
            wide=any(device.kind == "limit" for device in program.devices),
            moved=moved,
            past_end=frozenset(span.name for span in sources if span.end > ends.get(span.name, span.end)),
            first_page=frozenset(pages if bound or vfio else claimed & pages.keys()),
            stored_to=frozenset(shared - unchanged if any(map(_stores, calls)) else ()),
        )


#: The name of each configuration field that no rule reads, and the programs that need it.
_NEEDS: tuple[tuple[str, str, Callable[[ops.Program], bool]], ...] = (
    ("pat", "PAT", lambda program: True),
    ("memtype_list", "list of memtypes", lambda program: True),
    ("page_monitor", "smaps", lambda program: True),
    ("devmem", "/dev/mem", lambda program: _maps(program, lambda call: call.via in ops.LOWMEM_VIAS)),
    ("vfio", "vfio-pci", lambda program: program.needs.vfio),
    ("modules", "modules, and so no guest driver", lambda program: program.needs.driver),
    ("zone_device", "struct pages of devices", lambda program: _declares(program, "zone_device")),
    ("slots", "hot-plug of PCI devices", lambda program: _declares(program, "slots")),
    ("processors", "second processor", lambda program: program.needs.held),
    ("huge_pages", "transparent huge pages", lambda program: program.thp not in (None, "never")),
    (
        *("pids_controller", "pids controller"),
        lambda program: _any(program, lambda call: isinstance(call, ops.Fork) and call.refused == "pids_max"),
    ),
    ("advice", "madvise", lambda program: _declares(program, "advice")),
    (
        *("shmem", "shared memory"),
        lambda program: _maps(program, lambda call: call.source.name == "anon" and call.shared),
    ),
    ("nodes", "numa_maps", lambda program: _walks(program, "numa_maps")),
    ("nodes", "mbind", lambda program: _declares(program, "nodes")),
    ("moves_pages", "move_pages", lambda program: _walks(program, "move_pages")),
    ("userfaultfd", "userfaultfd", lambda program: _walks(program, "userfaultfd")),
    (
        "cross_memory",
        "process_vm_readv or process_vm_writev",
        lambda program: (
            _walks(program, "process_vm_writev")
            or _any(program, lambda call: isinstance(call, ProcessVmReadv))
        ),
    ),
    ("futex", "futex", lambda program: _walks(program, "futex_wake")),
)


def lacking(program: ops.Program, configuration: Configuration) -> str | None:
    """One sentence about the first demand of *program* that the kernel's configuration does not meet."""
    for field, thing, needs in _NEEDS:
        if not getattr(configuration, field) and needs(program):
            return f"this kernel has no {thing}: {option_names(field)} is off"
    for call in (op.call for op in program.ops):
        option = "" if is_by_hand(call) else ROWS[type(call)].option
        if option and not getattr(configuration, option):
            return f"this kernel has no {word_of(type(call))}: {option_names(option)} is off"
    return None


def _stores(call: ops.Call) -> bool:
    return isinstance(call, ops.Write) or (isinstance(call, Walk) and call.walker in STORING_WALKERS)


def _any(program: ops.Program, test: Callable[[ops.Call], bool]) -> bool:
    return any(test(op.call) for op in program.ops)


def _declares(program: ops.Program, option: str) -> bool:
    """True if an operation's row declares that it needs *option*."""
    return _any(program, lambda call: not is_by_hand(call) and ROWS[type(call)].option == option)


def _walks(program: ops.Program, walker: str) -> bool:
    return _any(program, lambda call: isinstance(call, Walk) and call.walker == walker)


def _maps(program: ops.Program, test: Callable[[ops.Mmap], bool]) -> bool:
    return _any(program, lambda call: isinstance(call, ops.Mmap) and test(call))
