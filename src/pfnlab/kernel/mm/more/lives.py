"""The life cycle of processes (fork, threads, exec, exit) and their address spaces."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from pfnlab.base.errors import no_rule
from pfnlab.kernel.mm.fork import dup_mmap
from pfnlab.kernel.mm.rlimit import check_own_memory
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.unmap import exit_mmap

if TYPE_CHECKING:
    from pfnlab.kernel.mm.kernel import Kernel, Task


def fork(kernel: Kernel, task: Task, comm: str, reason: str | None = None) -> int:
    """fork(2): create a child called *comm*; return an errno.

    :param reason: why the fork fails in the end, if it does
    """
    # Tasks are listed in the order in which their forks began, even if one of the forks is held.
    pid = kernel.take_pid()
    error, mm = kernel.call(task, lambda: dup_mmap(task.mm, commits=reason != "overcommit_memory"))
    if error or reason is not None:
        _free_stack(kernel)
        kernel.next_pid = pid if kernel.next_pid == pid + 1 else kernel.next_pid
    if error:
        return error
    assert isinstance(mm, MmStruct)
    if reason is not None:
        return _give_up(kernel, task, mm, reason)
    if task.comm in kernel.doomed:
        # A killed task can no longer have children (fatal_signal_pending in copy_process, S8.4.5).
        kernel.call(task, lambda: exit_mmap(mm))
        return errno.EINTR
    kernel.add_task(comm, mm, pid)
    return 0


def _give_up(kernel: Kernel, task: Task, mm: MmStruct, reason: str) -> int:
    """Tear down the finished copy of the address space because a later step failed."""
    if reason == "pids_max":
        kernel.pr_once("cgroup: fork rejected by pids controller in /t", "info")
    kernel.call(task, lambda: exit_mmap(mm))
    return errno.EAGAIN if reason == "pids_max" else errno.EEXIST


def create_thread(kernel: Kernel, task: Task, comm: str) -> None:
    """pthread_create: create *comm*, a new thread of *task*'s process.

    :raises Undecided: if a page-table allocation is forced to fail, and the thread's stack needs one
    """
    check_own_memory(task.mm, "a thread")
    kernel.failures.check_unawaited("a thread", "__pte_alloc")
    kernel.add_task(comm, task.mm)


def exit_group(kernel: Kernel, task: Task) -> None:
    """End the process with all its threads and its address space, by itself or through SIGKILL.

    :raises Undecided: if one of its threads is waiting
    """
    # exit_mm() comes first: from then on, tasks no longer lead to the address space.
    threads = [thread.comm for thread in kernel.tasks.values() if thread.mm is task.mm]
    if any(operation.task in threads for operation in kernel.processors.under_way):
        raise no_rule("a process that ends while one of its threads waits")
    kernel.exiting |= {comm: kernel.tasks.pop(comm) for comm in threads}
    kernel.call(task, lambda: _mmput(task.mm))
    for comm in threads:
        del kernel.exiting[comm]
    _free_stack(kernel)


def bury(kernel: Kernel, kept: Collection[str] = ()) -> set[str]:
    """End the killed processes that nothing keeps in the kernel any longer.

    :param kept: the tasks of processes that are held or waiting
    :returns: the tasks of processes that have ended, now or earlier
    :raises Undecided: if ending one may have to wait for a held processor
    """
    ended = kernel.doomed - set(kept)
    if ended and kernel.processors.held:
        raise no_rule("the end of a killed process while another processor is held")
    for comm in sorted(ended & kernel.tasks.keys()):
        exit_group(kernel, kernel.tasks[comm])
    kernel.doomed -= ended
    return ended


def _free_stack(kernel: Kernel) -> None:
    """Unmap a task's stack, or keep it for the next task if the processor has room (S2.8.6)."""
    kernel.processors.unflushed = kernel.processors.unflushed or None


def execve(kernel: Kernel, task: Task) -> None:
    """execve(2): tear down the old address space; messages still show the old comm and pid (S3.8.16).

    :raises Undecided: if an allocation is forced to fail and the new program's memory needs one
    """
    check_own_memory(task.mm, "an exec")
    kernel.failures.check_unawaited("an exec", "__pte_alloc", "vm_area_dup")
    late = kernel.profile.exec_tears_down_late
    kernel.trace.event("exec_begin")
    if late:
        kernel.trace.event("exec_done")
    # exec_mmap() comes first: the task has its new address space while the old one is torn down (S8.2.9).
    old = task.mm
    with old.mmap_lock.read():
        task.mm = kernel.new_space()
    task.mm.visible = True
    task.tlb.flush()
    kernel.call(task, lambda: _end_of_old(kernel, task, old, late=late))


def _end_of_old(kernel: Kernel, task: Task, old: MmStruct, *, late: bool) -> None:
    # Released files are closed after it, when the call returns.
    with nullcontext() if late else task.exec_update_lock.write():
        _mmput(old)
    if not late:
        kernel.trace.event("exec_done")


@contextmanager
def mmget(mm: MmStruct) -> Iterator[None]:
    """Keep *mm* alive inside this context while a task of another process works on it (S8.2.9b)."""
    mm.guests += 1
    try:
        yield
    finally:
        mm.guests -= 1
        if all(task.mm is not mm for task in mm.kernel.tasks.values()):
            _mmput(mm)


def _mmput(mm: MmStruct) -> None:
    """Drop a reference to *mm*, held by its own tasks or one working on it; the last one tears it down."""
    if not mm.guests:
        exit_mmap(mm)
