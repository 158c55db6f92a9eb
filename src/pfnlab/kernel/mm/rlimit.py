"""A process's memory limits: RLIMIT_AS, RLIMIT_DATA and RLIMIT_MEMLOCK (S5.14)."""

from pfnlab.base.errors import no_rule
from pfnlab.kernel.mm.flags import VM_SHARED, VM_WRITE
from pfnlab.kernel.mm.space import MmStruct


def do_setrlimit(mm: MmStruct, resource: str, room: int | None) -> None:
    """setrlimit(2) for *mm*'s process: *room* pages more than it has now, or None for no limit (S5.14.1).

    :param resource: ``as``, ``data`` or ``memlock``; the last does not restrict tasks with CAP_IPC_LOCK,
        which every program's tasks have
    """
    match resource:
        case "as":
            mm.limit_as = None if room is None else _total_vm(mm) + room
        case "data":
            mm.limit_data = None if room is None else _data_vm(mm) + room


def may_expand_vm(mm: MmStruct, flags: int, nr: int) -> bool:
    """True if the limits allow *nr* more pages with these flags (S5.14.2, S5.14.3)."""
    if mm.limit_as is not None and _total_vm(mm) + nr > mm.limit_as:
        return False
    if mm.limit_data is None or not _is_data(flags) or _data_vm(mm) + nr <= mm.limit_data:
        return True
    kernel = mm.kernel
    kernel.pr_warn_once(
        f"mmap: {kernel.current_comm} ({kernel.current_pid}): VmData N exceed data ulimit N. "
        "Update limits or use boot option ignore_rlimit_data."
    )
    return False


def check_own_memory(mm: MmStruct, call: str) -> None:
    """Check that no limit applies to *call*, which maps memory of the program's own (S5.14.6).

    :raises Undecided: if a limit applies
    """
    if mm.limit_as is not None or mm.limit_data is not None:
        raise no_rule(f"{call} of a process whose memory is limited")


def _total_vm(mm: MmStruct) -> int:
    """Its pages, not counting the program's own, whose number is constant (total_vm)."""
    return sum(vma.nr for vma in mm.vmas)


def _data_vm(mm: MmStruct) -> int:
    """Its private writable pages, again not counting the program's own (data_vm)."""
    return sum(vma.nr for vma in mm.vmas if _is_data(vma.flags))


def _is_data(flags: int) -> bool:
    """is_data_mapping(): private and writable, whatever is mapped; stacks are not modelled."""
    return flags & (VM_WRITE | VM_SHARED) == VM_WRITE
