"""S3.3, S4.6, S11.10: what a driver's remap_pfn_range does."""

from __future__ import annotations

import errno
from dataclasses import dataclass

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import VM_READ, VM_REMAP, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.more.lives import exit_group
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS

BAR = PfnRange(0xF8000, 0xF8010)
every_series = for_each("series", SERIES)


@dataclass(frozen=True)
class Driver(PciBar):
    """A driver that asks for write combining, and maps the first pages of a VMA only."""

    nr: int = 2

    def mmap(self, vma: Vma) -> None:
        """Pages from the start of the BAR."""
        prot = pgprot_set_cachemode(vma.page_prot, CacheMode.WC, vma.mm.kernel.platform.pat)
        pfns = PfnRange(self.bar.start, self.bar.start + self.nr)
        remap_pfn_range(vma, vma.start, pfns, prot)


def boot(series: str) -> tuple[Kernel, Task]:
    """A kernel with one process."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    return kernel, kernel.start_task("demo")


def mmap(kernel: Kernel, task: Task, nr: int, *, shared: bool = True) -> int:
    """Map four pages, of which the driver fills *nr*; returns the errno."""
    driver = Driver(BAR, False, True, 0, nr=nr)
    access = VM_READ | VM_WRITE
    refused, _ = kernel.call(
        task, lambda: do_mmap(task.mm, 0x1000, 4, access, file=driver, shared=shared, fixed=False)
    )
    kernel._check()
    return refused


@every_series
def test_a_part_is_not_booked(series: str) -> None:
    """Two of four pages, nothing booked: UC- whatever was asked, and no entry (S11.10)."""
    kernel, task = boot(series)

    assert 0 == mmap(kernel, task, 2)

    assert [] == kernel.book.entries()
    assert [0x10] == [run.bits & 0x98 for run in task.mm.tables.runs(0x1000, 0x1004)]


@every_series
def test_a_part_takes_the_mode_of_the_book(series: str) -> None:
    """A part of pages that are booked gets their mode."""
    kernel, task = boot(series)
    kernel.book.reserve(0xF800_0000, 0xF801_0000, CacheMode.WC, who="driver:1")

    assert 0 == mmap(kernel, task, 2)

    assert [0x08] == [run.bits & 0x98 for run in task.mm.tables.runs(0x1000, 0x1004)]


@every_series
def test_a_part_of_two_modes(series: str) -> None:
    """Page 0 booked write-combining and page 1 not: EINVAL (S11.10)."""
    kernel, task = boot(series)
    kernel.book.reserve(0xF800_0000, 0xF800_1000, CacheMode.WC, who="driver:1")

    assert errno.EINVAL == mmap(kernel, task, 2)

    assert [] == list(task.mm)


@every_series
def test_a_part_leaves_nothing_at_its_end(series: str) -> None:
    """What was never booked is not freed either."""
    kernel, task = boot(series)
    mmap(kernel, task, 2)

    exit_group(kernel, task)

    assert ([], []) == (kernel.book.entries(), kernel.trace.log)
    kernel._check()


@every_series
def test_a_part_of_a_private_mapping(series: str) -> None:
    """A private mapping must be remapped whole: EINVAL (S3.3.2b, S4.6.1)."""
    kernel, task = boot(series)

    assert errno.EINVAL == mmap(kernel, task, 2, shared=False)

    assert ([], []) == (list(task.mm), kernel.book.entries())


@every_series
@for_each(("shared", "pgoff"), [(True, 0), (False, 0xF8000)])
def test_vm_pgoff_of_a_whole_mapping(series: str, shared: bool, pgoff: int) -> None:
    """Only a private mapping's vm_pgoff becomes the pfn (S5.2)."""
    kernel, task = boot(series)

    mmap(kernel, task, 4, shared=shared)

    assert [pgoff] == [vma.pgoff for vma in task.mm]


@every_series
def test_flags_and_protection(series: str) -> None:
    """The four flags are set, and vm_page_prot stays as the driver left it (S3.3.4)."""
    kernel, task = boot(series)

    mmap(kernel, task, 4)

    assert [(VM_REMAP, 0)] == [(vma.flags & VM_REMAP, vma.page_prot & 0x98) for vma in task.mm]


@every_series
def test_a_refused_tracker_fills_nothing(series: str) -> None:
    """When the book refuses, no entry is made."""
    kernel, task = boot(series)
    kernel.book.reserve(0xF800_0000, 0xF800_1000, CacheMode.WC, who="driver:1")
    kernel.book.reserve(0xF800_1000, 0xF800_2000, CacheMode.UC_MINUS, who="driver:1")
    vma = Vma(task.mm, 0x1000, 0x1004, pgoff=0, flags=VM_READ, page_prot=0x25, file=None)

    with pytest.raises(ModelledErrno) as refused:
        remap_pfn_range(vma, 0x1000, PfnRange(0xF8000, 0xF8004), 0x25)

    assert errno.EINVAL == refused.value.errno
    assert [] == task.mm.tables.runs(0, 0x2000)
    kernel._check()
