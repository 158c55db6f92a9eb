"""S2.7, S2.9: what drivers book before anybody maps, and cache modes of memory."""

from __future__ import annotations

import errno

import pytest

from pfnlab.errors import ModelledErrno
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.platform import qemu_q35
from pfnlab.mm.aperture import arch_io_free_memtype_wc, arch_io_reserve_memtype_wc, set_memory
from pfnlab.mm.ioremap import ioremap
from pfnlab.mm.kernel import Kernel
from pfnlab.policies.profiles import PROFILES
from pfnlab.policies.trackers import TRACKERS
from pfnlab.units import PfnRange

BAR = PfnRange(0xF8000, 0xF8004)
RAM = PfnRange(0x4000, 0x4004)


@pytest.fixture
def kernel() -> Kernel:
    """A kernel that has just booted."""
    return Kernel(PROFILES["7.2"], qemu_q35(), TRACKERS["track_ctx"])


def book(kernel: Kernel) -> list[CacheMode]:
    """The modes of the book's entries."""
    return [entry.type for entry in kernel.book.entries()]


def runs(kernel: Kernel) -> list[tuple[int, int, CacheMode]]:
    """The pages of memory that have a mode of their own."""
    return [(run.start >> 12, run.end >> 12, run.type) for run in kernel.book.ram_types()]


def test_an_aperture_is_booked_write_combining(kernel: Kernel) -> None:
    """
    One entry a call, however often.
    """
    arch_io_reserve_memtype_wc(kernel, BAR)
    arch_io_reserve_memtype_wc(kernel, BAR)

    assert [CacheMode.WC, CacheMode.WC] == book(kernel)


def test_an_aperture_adopts_a_mode_that_is_no_weaker(kernel: Kernel) -> None:
    """
    Beside an uncached mapping of the kernel it is uncached.
    """
    ioremap(kernel, BAR, CacheMode.UC)

    arch_io_reserve_memtype_wc(kernel, BAR)

    assert [CacheMode.UC, CacheMode.UC] == book(kernel)


def test_anybody_may_free_an_entry_of_the_range(kernel: Kernel) -> None:
    """
    The book does not know whose an entry is: this one was ioremap's.
    """
    ioremap(kernel, BAR, CacheMode.WC)

    arch_io_free_memtype_wc(kernel, BAR)

    assert [] == book(kernel)


def test_memory_keeps_its_mode_in_page_flags(kernel: Kernel) -> None:
    """
    Not in the list; uncached is stored as UC-.
    """
    set_memory(kernel, PfnRange(RAM.start, RAM.start + 2), CacheMode.WC)
    set_memory(kernel, PfnRange(RAM.start + 2, RAM.end), CacheMode.UC)

    assert [(0x4000, 0x4002, CacheMode.WC), (0x4002, 0x4004, CacheMode.UC_MINUS)] == runs(kernel)
    assert [] == book(kernel)


def test_a_page_with_a_mode_cannot_get_another(kernel: Kernel) -> None:
    """
    Not even the same one: reservations of memory do not nest, and all of the range stays as it was.
    """
    set_memory(kernel, PfnRange(RAM.start, RAM.start + 1), CacheMode.WC)

    with pytest.raises(ModelledErrno) as refused:
        set_memory(kernel, RAM, CacheMode.WC)

    assert errno.EBUSY == refused.value.errno
    assert [(0x4000, 0x4001, CacheMode.WC)] == runs(kernel)


def test_write_back_takes_the_mode_away(kernel: Kernel) -> None:
    """
    Of those pages only.
    """
    set_memory(kernel, RAM, CacheMode.WC)
    set_memory(kernel, PfnRange(RAM.start + 1, RAM.start + 2), CacheMode.WB)

    assert [(0x4000, 0x4001, CacheMode.WC), (0x4002, 0x4004, CacheMode.WC)] == runs(kernel)
