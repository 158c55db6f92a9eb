"""S9.1: /dev/mem on the machine of the worked examples (S11)."""

from __future__ import annotations

import errno

from for_each import for_each
from s11_machine import boot, lines, s11_machine

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.mm.flags import VM_READ, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.policies.profiles import SERIES

BAR = PfnRange(0xFD000, 0xFD010)
RW = VM_READ | VM_WRITE

every_series = for_each("series", SERIES)


def devmem(kernel: Kernel, task: Task, pfn: int, nr: int, *, sync: bool = False, shared: bool = True) -> int:
    """Map *nr* pages at *pfn*; returns the errno."""
    mm = task.mm
    file = DevMem(sync, kernel.profile.devmem_mmap_prepare)
    refused, _ = kernel.call(
        task, lambda: do_mmap(mm, 0x1000, nr, RW, file=file, pgoff=pfn, shared=shared, fixed=False)
    )
    kernel._check()
    return refused


def cache_bits(task: Task) -> int:
    """The cache bits of the first entry."""
    entry = task.mm.tables.entry(0x1000)
    assert entry is not None
    return entry.bits & 0x98


@every_series
@for_each("sync", [False, True])
def test_device_pages_nobody_mapped(series: str, sync: bool) -> None:
    """Both ways of opening end with UC-: the MTRRs weaken a write-back request (S9.1.3)."""
    kernel, task = boot(series)

    assert 0 == devmem(kernel, task, BAR.start, 4, sync=sync)

    assert ["[mem 0x00000000fd000000-0x00000000fd004000] uncached-minus"] == lines(kernel)
    assert 0x10 == cache_bits(task)


@every_series
@for_each("sync", [False, True])
def test_pages_a_driver_reserved(series: str, sync: bool) -> None:
    """What a driver booked write-combining is inherited, silently (S9.1.3)."""
    kernel, task = boot(series)
    kernel.book.reserve(0xFD00_0000, 0xFD01_0000, CacheMode.WC, who="driver:1")

    assert 0 == devmem(kernel, task, BAR.start, 4, sync=sync)

    assert 0x08 == cache_bits(task)
    assert [] == kernel.trace.log


@every_series
def test_ram_is_refused(series: str) -> None:
    """System RAM is EPERM with CONFIG_STRICT_DEVMEM (S11.12)."""
    kernel, task = boot(series)

    assert errno.EPERM == devmem(kernel, task, 0x100, 1, shared=False)
    assert [] == lines(kernel)


@every_series
def test_low_ram_is_allowed(series: str) -> None:
    """RAM below 1 MiB may be mapped, and is booked write-back (S11.12)."""
    kernel, task = boot(series)

    assert 0 == devmem(kernel, task, 0x9E, 1, shared=False)

    assert ["[mem 0x000000000009e000-0x000000000009f000] write-back"] == lines(kernel)
    assert 0 == cache_bits(task)


@every_series
def test_the_isa_hole_is_never_booked(series: str) -> None:
    """Pages of the ISA hole are write-back, and no line says so (S11.12)."""
    kernel, task = boot(series)

    assert 0 == devmem(kernel, task, 0xA0, 1, sync=True)

    assert [] == lines(kernel)
    assert 0 == cache_bits(task)


@every_series
def test_a_range_into_the_isa_hole_is_booked(series: str) -> None:
    """A range not wholly inside the hole has an entry (S11.12)."""
    kernel, task = boot(series)

    assert 0 == devmem(kernel, task, 0x9F, 2)

    assert 1 == len(lines(kernel))
    assert lines(kernel)[0].startswith("[mem 0x000000000009f000-0x00000000000a1000] ")


@every_series
def test_addresses_the_cpu_does_not_have(series: str) -> None:
    """Beyond the physical address bits the answer is EINVAL (S9.1.2)."""
    kernel, task = boot(series)

    assert errno.EINVAL == devmem(kernel, task, 1 << 28, 1)


@every_series
def test_a_claimed_device_is_refused(series: str) -> None:
    """With CONFIG_IO_STRICT_DEVMEM a device a driver claimed is EPERM (S9.1.2)."""
    claimed = s11_machine().phys.with_resource(Resource(0xFD00_0000, 0xFD01_0000, "driver", busy=True))
    kernel, task = boot(series, phys=claimed)

    assert errno.EPERM == devmem(kernel, task, BAR.start, 1)


@every_series
def test_a_conflict_is_eagain(series: str) -> None:
    """Every failure of the remap becomes EAGAIN, with the two lines of the book (S11.7)."""
    kernel, task = boot(series)
    kernel.book.reserve(0xFD00_0000, 0xFD00_1000, CacheMode.WC, who="driver:1")
    kernel.book.reserve(0xFD00_1000, 0xFD00_2000, CacheMode.UC_MINUS, who="driver:1")

    assert errno.EAGAIN == devmem(kernel, task, BAR.start, 2)

    assert [
        "x86/PAT: demo:100 conflicting memory types fd000000-fd002000 write-combining<->uncached-minus",
        "x86/PAT: memtype_reserve failed [mem 0xfd000000-0xfd001fff], track uncached-minus, req write-back",
    ] == kernel.trace.log


@for_each("series", SERIES[2:])
@for_each("sync", [False, True])
def test_without_strict_devmem_ram_is_write_back(series: str, sync: bool) -> None:
    """Where RAM may be mapped it is mapped as it is; only an O_SYNC mapping is told so (S9.1.3)."""
    kernel, task = boot(series, strict_devmem=False)

    assert 0 == devmem(kernel, task, 0x100, 1, sync=sync)

    warned = (
        "x86/PAT: demo:100 map pfn RAM range req uncached-minus for [mem 0x00100000-0x00100fff], "
        "got write-back"
    )
    assert [warned] * sync == kernel.trace.log
    assert 0 == cache_bits(task)
