"""process_mrelease(2): reap the memory of a dying process before it exits (S8.4)."""

import errno

from pfnlab.base.errors import ModelledErrno, machine_decides, no_rule
from pfnlab.kernel.mm.flags import VM_PFNMAP, VM_SHARED
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.unmap import zap_vma


def process_mrelease(kernel: Kernel, victim: str, *, killed: bool) -> None:
    """Reap the process of task *victim*, which has been killed but still has its memory.

    :param killed: kill it first
    :raises ModelledErrno: ESRCH if its memory is already gone, EINVAL if it is not dying
    :raises Undecided: if it depends on timing whether its memory is still there
    """
    task = kernel.tasks.get(victim)
    if task is None:
        raise ModelledErrno(errno.ESRCH)
    if killed:
        _check_stays(kernel, task)
        kernel.doomed.add(victim)
    if victim not in kernel.doomed:
        raise ModelledErrno(errno.EINVAL)
    with task.mm.mmap_lock.read():
        _oom_reap_task_mm(task.mm)


def _check_stays(kernel: Kernel, task: Task) -> None:
    """Raise Undecided if nothing keeps a killed process in the kernel."""
    under_way = kernel.processors.under_way
    operation = next((one for one in under_way if one.task == task.comm), None)
    if sum(other.mm is task.mm for other in kernel.tasks.values()) > 1:
        raise no_rule("threads of a process that is killed")
    if operation is None or operation.waits is Need.MMAP_LOCK:
        raise machine_decides(
            f"whether a process that was killed still has its memory depends on timing: let {task.comm} be "
            "held, or wait for another lock than its own mmap_lock"
        )


def _oom_reap_task_mm(mm: MmStruct) -> None:
    """__oom_reap_task_mm: clear private memory, with one gather per VMA; PFN mappings are left alone."""
    reverse = mm.kernel.profile.reaps_backwards
    if reverse:
        _reap_own(mm)
    for vma in reversed(list(mm)) if reverse else list(mm):
        if vma.flags & VM_PFNMAP or (vma.flags & VM_SHARED and not vma.is_anonymous):
            continue
        tlb = MmuGather(mm, "zap")
        zap_vma(tlb, vma, vma.start, vma.end)
        tlb.finish()
    if not reverse:
        _reap_own(mm)


def _reap_own(mm: MmStruct) -> None:
    """Also reap the program's own memory, which lies above all its areas; its flushes are not counted."""
    mm.flush_tlb()
