"""The kernel around the address spaces: tasks, system calls, the log."""

from __future__ import annotations

import errno

from booted import boot, map_device
from for_each import for_each

from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS

every_series = for_each("series", SERIES)


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
