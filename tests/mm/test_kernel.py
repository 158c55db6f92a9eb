"""The kernel around the address spaces: tasks, system calls, the log."""

from __future__ import annotations

import errno

from for_each import for_each
from series_runs import SHARED, run

from pfnlab.hw.platform import qemu_q35
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.mmap import do_mmap
from pfnlab.mm.unmap import do_munmap
from pfnlab.mm.users.devmem import DevMem
from pfnlab.policies.profiles import PROFILES, SERIES
from pfnlab.policies.trackers import TRACKERS

every_series = for_each("series", SERIES)


def boot(series: str) -> tuple[Kernel, Task]:
    """A kernel with one process."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    return kernel, kernel.start_task("demo")


def map_device(kernel: Kernel, task: Task) -> int:
    """Map four device pages; returns the errno."""
    file = DevMem(False, False)
    refused, _ = kernel.call(
        task, lambda: do_mmap(task.mm, 0x1000, 4, 3, file=file, pgoff=0xF8000, shared=True, fixed=False)
    )
    return refused


@every_series
def test_a_refusal_is_an_errno(series: str) -> None:
    """A modelled errno ends the call, not the kernel."""
    kernel, task = boot(series)
    map_device(kernel, task)

    assert errno.EEXIST == map_device(kernel, task)
    kernel._check()


@every_series
def test_messages_name_who_runs(series: str) -> None:
    """The running task is named by comm and pid, counted from the first."""
    kernel, _ = boot(series)
    other = kernel.start_task("other")

    map_device(kernel, other)

    assert "other:101" == kernel.who


def test_before_any_task() -> None:
    """Before there is a task, the idle task runs."""
    assert "swapper:0" == Kernel(PROFILES["7.2"], qemu_q35(), TRACKERS["track_ctx"]).who


@every_series
def test_exit(series: str) -> None:
    """The task and its mappings go."""
    kernel, task = boot(series)
    map_device(kernel, task)

    kernel.exit(task)

    assert ({}, []) == (kernel.tasks, kernel.book.entries())
    kernel._check()


@every_series
def test_execve(series: str) -> None:
    """The task stays, with a fresh address space."""
    kernel, task = boot(series)
    map_device(kernel, task)

    kernel.execve(task)

    assert ([task], [], []) == (list(kernel.tasks.values()), list(task.mm), kernel.book.entries())
    kernel._check()


@for_each("series", SERIES[:2])
def test_execve_complains_as_the_old_process(series: str) -> None:
    """Messages of the teardown carry the old comm and pid (S3.8)."""
    kernel, task = boot(series)
    map_device(kernel, task)
    kernel.call(task, lambda: do_munmap(task.mm, 0x1001, 0x1002))
    kernel.trace.take()

    kernel.execve(task)

    assert ["x86/PAT: demo:100 freeing invalid memtype [mem 0xf8000000-0xf8000fff]"] == kernel.trace.log
    kernel._check()


@every_series
@for_each(("place", "need"), [("rmap_del", "i_mmap_rwsem"), ("memtype_erase", "memtype_lock")])
def test_an_exec_waits_as_the_end_of_a_process_does(series: str, place: str, need: str) -> None:
    """What it had is there meanwhile, and is not its own any more (S8.2.9a)."""
    *_, waits, release = run(series, SHARED, "c = fork", f"hold {place}: munmap a", "c: exec", "release")

    # From 6.16 on both have one reservation, which stays until main is done.
    by_vma = PROFILES[series].tracker == "vm_pat"
    expected = ("waits", need) if by_vma or place == "rmap_del" else ("ok", None)
    assert expected == (waits.result, waits.value)
    assert [("a[0:8]", "none@L4")] == [
        (str(seen.span), seen.entry) for seen in waits.ptes or () if seen.task == "c"
    ]
    assert () == release.book


@every_series
def test_who_looks_for_memory_waits_for_an_exec(series: str) -> None:
    """Until 7.1 an exec that waits has a lock (S8.2.9a)."""
    waiting = ("hold rmap_del: munmap a", "c: exec", "k: process_madvise a cold c", "release")
    step, release = run(series, SHARED, "c = fork", "k = fork", *waiting)[-2:]

    late = PROFILES[series].exec_tears_down_late
    expected = ("ENOMEM", None) if late else ("waits", "exec_update_lock")
    assert expected == (step.result, step.value)
    assert release.value == ("main ok; c ok" if late else "main ok; c ok; k ENOMEM")


@every_series
@for_each("end", ["exec", "exit", "kill"])
def test_who_works_on_memory_keeps_it(series: str, end: str) -> None:
    """Its mappings go when the last one has done (S8.2.9b)."""
    had = ("a = mmap bar[0:8] wc shared rw", "b = mmap anon[0:4] private rw", "c = fork", "munmap a")
    held = ("hold tlb_gather_mmu: process_madvise b cold c", f"c: {end}", "release")
    *_, ended, release = run(series, *had, *held)

    assert ("ok", ["bar[0:8] wc"], ()) == (ended.result, [str(entry) for entry in ended.book], release.book)


@every_series
def test_a_revocation_finds_what_is_kept(series: str) -> None:
    """No task has the address space, and the file has its mappings (S8.2.9b)."""
    kernel, task = boot(series)
    map_device(kernel, task)
    with kernel.mmget(task.mm):
        kernel.exit(task)

        assert ([], 1) == (kernel.processes(), len(kernel.i_mmap))
    assert [] == kernel.i_mmap


@every_series
def test_fork_adds_a_task(series: str) -> None:
    """A child is a task with the next pid and mappings of its own."""
    kernel, task = boot(series)
    map_device(kernel, task)

    assert 0 == kernel.fork(task, "child")

    child = kernel.tasks["child"]
    assert (101, [(0x1000, 0x1004)]) == (child.pid, [(vma.start, vma.end) for vma in child.mm])
    kernel._check()


@every_series
def test_a_line_that_is_printed_once(series: str) -> None:
    """Who triggers a line does not make it another line."""
    kernel, _ = boot(series)
    lines = []
    for comm in ("a", "b"):
        task = kernel.start_task(comm)
        lines.append(f"mmap: {comm} ({task.pid}) does the same")
        kernel.pr_warn_once(lines[-1])

    assert lines[:1] == kernel.trace.log


@every_series
def test_unmapped_area(series: str) -> None:
    """Free space is found top down, below what is there."""
    kernel, task = boot(series)
    first = kernel.unmapped_area(task.mm, 4)
    kernel.call(task, lambda: do_mmap(task.mm, first, 4, 3, file=None, shared=False, fixed=False))

    assert first - 2 == kernel.unmapped_area(task.mm, 2)
    kernel._check()


@every_series
@for_each(("start", "nr", "result"), [(0x1000, 0, errno.EINVAL), ((1 << 35) - 2, 4, errno.ENOMEM)])
def test_mmap_of_impossible_ranges(series: str, start: int, nr: int, result: int) -> None:
    """No pages are EINVAL, pages beyond user space ENOMEM."""
    kernel, task = boot(series)

    assert (
        result
        == kernel.call(task, lambda: do_mmap(task.mm, start, nr, 3, file=None, shared=False, fixed=False))[0]
    )
    kernel._check()
