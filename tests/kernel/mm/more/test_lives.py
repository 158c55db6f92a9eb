"""The lives of processes: fork, exec and the end, and what becomes of address spaces."""

from __future__ import annotations

from booted import boot, map_device
from for_each import for_each
from series_runs import SHARED, run

from pfnlab.kernel.mm.more.lives import execve, exit_group, fork, mmget
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.policies.profiles import PROFILES, SERIES

every_series = for_each("series", SERIES)


@every_series
def test_exit(series: str) -> None:
    """The task and its mappings go."""
    kernel, task = boot(series)
    map_device(kernel, task)

    exit_group(kernel, task)

    assert ({}, []) == (kernel.tasks, kernel.book.entries())
    kernel._check()


@every_series
def test_execve(series: str) -> None:
    """The task stays, with a fresh address space."""
    kernel, task = boot(series)
    map_device(kernel, task)

    execve(kernel, task)

    assert ([task], [], []) == (list(kernel.tasks.values()), list(task.mm), kernel.book.entries())
    kernel._check()


@for_each("series", SERIES[:2])
def test_execve_complains_as_the_old_process(series: str) -> None:
    """Messages of the teardown carry the old comm and pid (S3.8)."""
    kernel, task = boot(series)
    map_device(kernel, task)
    kernel.call(task, lambda: do_munmap(task.mm, 0x1001, 0x1002))
    kernel.trace.take()

    execve(kernel, task)

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
    with mmget(task.mm):
        exit_group(kernel, task)

        assert ([], 1) == (kernel.processes(), len(kernel.i_mmap))
    assert [] == kernel.i_mmap


@every_series
def test_fork_adds_a_task(series: str) -> None:
    """A child is a task with the next pid and mappings of its own."""
    kernel, task = boot(series)
    map_device(kernel, task)

    assert 0 == fork(kernel, task, "child")

    child = kernel.tasks["child"]
    assert (101, [(0x1000, 0x1004)]) == (child.pid, [(vma.start, vma.end) for vma in child.mm])
    kernel._check()


@every_series
def test_a_file_is_closed_as_exec_returns(series: str) -> None:
    """Behind the end of the old memory and of exec itself, where that was the last reference (S8.2.9)."""
    steps = run(series, "a = mmap bar[0:4] vfio shared rw", "read a[0]", "vfio_close bar", "exec")

    (events,) = [step.events or () for step in steps if step.op == "exec"]

    assert "erase bar[0]" == events[-1]
    assert {"free a[0]", "exec_done"} <= set(events[:-1])


@every_series
def test_a_mapping_of_another_process_keeps_the_file_open(series: str) -> None:
    """Then exec closes nothing, and the device's reservation stays."""
    opened = ("a = mmap bar[0:4] vfio shared rw", "read a[0]", "vfio_close bar", "c = fork", "c: exec")

    (step,) = [step for step in run(series, *opened) if step.op == "c: exec"]

    assert "bar[0:16] uc-" in [str(entry) for entry in step.book or ()]
