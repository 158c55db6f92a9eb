"""S9.6: the kernel maps a device for itself."""

from __future__ import annotations

import errno

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.memremap import ioremap, iounmap
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS

BAR = PfnRange(0xF8000, 0xF8004)
RAM = PfnRange(0x4000, 0x4002)


def kernel_of(series: str = "7.2") -> Kernel:
    """A kernel that has just booted."""
    return Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])


def book(kernel: Kernel) -> list[tuple[int, int, CacheMode]]:
    """The entries of the book, in pages."""
    return [(entry.start >> 12, entry.end >> 12, entry.type) for entry in kernel.book.entries()]


def test_a_mapping_is_booked_until_it_goes() -> None:
    """
    One entry, and exactly that one goes.
    """
    kernel = kernel_of()

    ioremap(kernel, BAR, CacheMode.WC)
    held = book(kernel)
    iounmap(kernel, BAR)

    assert [(0xF8000, 0xF8004, CacheMode.WC)] == held
    assert [] == book(kernel)


def test_memory_is_refused_with_a_warning() -> None:
    """
    RAM has its place in the direct map: a NULL pointer, and nothing booked.
    """
    kernel = kernel_of()

    with pytest.raises(ModelledErrno) as refused:
        ioremap(kernel, RAM, CacheMode.WC)

    assert errno.ENOMEM == refused.value.errno
    assert [] == kernel.book.ram_types()
    assert [
        "ioremap on RAM at 0x100000000 - 0x100000fff",
        "WARNING at arch/x86/mm/ioremap.c",
    ] == kernel.trace.take()[1]


def test_the_warning_comes_once_a_boot() -> None:
    """
    The second attempt fails in silence.
    """
    kernel = kernel_of()
    for _ in range(2):
        with pytest.raises(ModelledErrno):
            ioremap(kernel, RAM, CacheMode.WC)

    assert 2 == len(kernel.trace.take()[1])


@for_each(("series", "lines"), [("7.2", 2), ("7.3", 1)])
def test_a_range_over_the_border_of_the_hole_is_warned_about(series: str, lines: int) -> None:
    """
    It is mapped all the same; since 7.3 nobody says which resource it leaves.
    """
    kernel = kernel_of(series)

    ioremap(kernel, PfnRange(0x9F, 0xA1), CacheMode.WC)

    log = kernel.trace.take()[1]
    assert (lines, "caller CODE mapping multiple BARs") == (len(log), log[-1])
