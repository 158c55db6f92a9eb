"""Needs of a program that a kernel's configuration may leave out.

The program is undecided on a kernel without them.
"""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.mm.configuration import Configuration
from pfnlab.policies.configuration import option_names
from pfnlab.programs.lang.device_ops import DriverCall, MemremapPages, Plug, RescanMoved, Unplug
from pfnlab.programs.lang.ops import Call, Fork, Madvise, Mmap, Program, is_held, uses_vfio
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Walk

#: What each field of a configuration without a rule is called, and the programs that need it.
_NEEDS: tuple[tuple[str, str, Callable[[Program], bool]], ...] = (
    ("pat", "PAT", lambda program: True),
    ("memtype_list", "list of memtypes", lambda program: True),
    ("page_monitor", "smaps", lambda program: True),
    ("devmem", "/dev/mem", lambda program: _maps(program, "devmem", "devmem-sync")),
    ("vfio", "vfio-pci", lambda program: needs_vfio(program)),
    ("modules", "modules, and so no guest driver", lambda program: needs_driver(program)),
    ("zone_device", "struct pages of devices", lambda program: _calls(program, MemremapPages)),
    ("slots", "hot-plug of PCI devices", lambda program: _calls(program, Plug, Unplug)),
    ("processors", "second processor", is_held),
    ("huge_pages", "transparent huge pages", lambda program: program.thp not in (None, "never")),
    ("pids_controller", "pids controller", lambda program: _any(program, _exceeds_pids)),
    ("advice", "madvise", lambda program: _calls(program, Madvise)),
    ("shmem", "shared memory", lambda program: _any(program, _is_shared_anon)),
    ("nodes", "numa_maps", lambda program: _walks(program, "numa_maps")),
    ("moves_pages", "move_pages", lambda program: _walks(program, "move_pages")),
    ("userfaultfd", "userfaultfd", lambda program: _walks(program, "userfaultfd")),
    (
        "cross_memory",
        "process_vm_readv or process_vm_writev",
        lambda program: _walks(program, "process_vm_writev") or _calls(program, ProcessVmReadv),
    ),
    ("futex", "futex", lambda program: _walks(program, "futex_wake")),
)


def lacking(program: Program, configuration: Configuration) -> str | None:
    """A sentence about the first thing that *program* needs and the kernel was configured without."""
    for field, thing, needs in _NEEDS:
        if not getattr(configuration, field) and needs(program):
            return f"this kernel has no {thing}: {option_names(field)} is off"
    return None


def needs_driver(program: Program) -> bool:
    """True where *program* has an operation that needs the guest driver."""
    return any(
        isinstance(op.call, DriverCall | RescanMoved)
        or (isinstance(op.call, Mmap) and op.call.driver is not None)
        for op in program.ops
    )


def needs_vfio(program: Program) -> bool:
    """True where *program* has an operation on a device that is open through vfio-pci."""
    return _any(program, uses_vfio)


def _any(program: Program, test: Callable[[Call], bool]) -> bool:
    return any(test(op.call) for op in program.ops)


def _calls(program: Program, *kinds: type) -> bool:
    return _any(program, lambda call: isinstance(call, kinds))


def _walks(program: Program, walker: str) -> bool:
    return _any(program, lambda call: isinstance(call, Walk) and call.walker == walker)


def _maps(program: Program, *vias: str) -> bool:
    return _any(program, lambda call: isinstance(call, Mmap) and call.via in vias)


def _exceeds_pids(call: Call) -> bool:
    return isinstance(call, Fork) and call.refused == "pids_max"


def _is_shared_anon(call: Call) -> bool:
    return isinstance(call, Mmap) and call.source.name == "anon" and call.shared
