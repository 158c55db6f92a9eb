"""A modelled kernel with one process, and device memory that it maps."""

from __future__ import annotations

from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS


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
