"""S9.7, S4.9: memory, and what is to be taken for it."""

from __future__ import annotations

import errno

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.more.aperture import set_memory
from pfnlab.kernel.mm.more.memremap import ioremap, memremap, memremap_pages, memunmap, memunmap_pages
from pfnlab.kernel.policies.profiles import SERIES, profile_of
from pfnlab.kernel.policies.trackers import TRACKERS

BAR = PfnRange(0xF8000, 0xF8200)
RAM = PfnRange(0x4000, 0x4002)

every_series = for_each("series", SERIES)


def kernel_of(series: str = "7.2") -> Kernel:
    """A kernel that has just booted."""
    profile = profile_of(series)
    return Kernel(profile, qemu_q35(), TRACKERS[profile.tracker])


def modes(kernel: Kernel) -> list[CacheMode]:
    """The modes of the book's entries."""
    return [entry.type for entry in kernel.book.entries()]


@for_each(
    ("asked", "booked"),
    [
        (CacheMode.WB, CacheMode.UC_MINUS),
        (CacheMode.WT, CacheMode.WT),
        (CacheMode.WC, CacheMode.WC),
    ],
)
def test_device_pages_are_booked_as_ioremap_does(asked: CacheMode, booked: CacheMode) -> None:
    """
    Of a write-back request the MTRRs leave UC-.
    """
    kernel = kernel_of()

    memremap(kernel, BAR, asked)

    assert [booked] == modes(kernel)


def test_undoing_it_frees_the_entry() -> None:
    """
    As iounmap does.
    """
    kernel = kernel_of()

    memremap(kernel, BAR, CacheMode.WC)
    memunmap(kernel, BAR)

    assert [] == modes(kernel)


def test_memory_as_write_back_is_in_the_direct_map_already() -> None:
    """
    Nothing is booked, whatever mode the pages have, and nothing freed.
    """
    kernel = kernel_of()
    set_memory(kernel, RAM, CacheMode.WC)

    memremap(kernel, RAM, CacheMode.WB)
    memunmap(kernel, RAM)

    assert [CacheMode.WC] == [entry.type for entry in kernel.book.ram_types()]


@for_each("mode", [CacheMode.WT, CacheMode.WC])
def test_memory_in_another_mode_is_refused_with_a_warning(mode: CacheMode) -> None:
    """
    The direct map cannot have it in two modes.
    """
    kernel = kernel_of()

    with pytest.raises(ModelledErrno) as refused:
        memremap(kernel, RAM, mode)

    assert errno.ENOMEM == refused.value.errno
    assert [
        "memremap attempted on ram 0x0000000004000000 size: 0x2000",
        "WARNING at kernel/iomem.c",
    ] == kernel.trace.take()[1]


@every_series
def test_struct_pages_are_booked_while_they_are_there(series: str) -> None:
    """
    The range has one entry, which goes with them.
    """
    kernel = kernel_of(series)

    memremap_pages(kernel, BAR, CacheMode.UC_MINUS)
    held = modes(kernel)
    memunmap_pages(kernel, BAR)

    assert [CacheMode.UC_MINUS] == held
    assert [] == modes(kernel)


@every_series
def test_struct_pages_adopt_the_mode_they_find(series: str) -> None:
    """
    As mappings of user space do; with write-combining nobody warns.
    """
    kernel = kernel_of(series)
    ioremap(kernel, PfnRange(BAR.start, BAR.start + 4), CacheMode.WC)

    memremap_pages(kernel, BAR, CacheMode.WB)

    assert [CacheMode.WC, CacheMode.WC] == modes(kernel)
    assert [] == kernel.trace.take()[1]


@for_each(("version", "said"), [("6.1.180", True), ("6.1.187", False), ("6.12", False)])
def test_how_many_struct_pages_were_made_is_said(version: str, said: bool) -> None:
    """
    At level info up to some release after 6.1.180.
    """
    kernel = kernel_of(version)

    memremap_pages(kernel, BAR, CacheMode.WC)

    line = f"memmap_init_zone_device initialised {BAR.nr} pages in Nms"
    assert ([line] if said else []) == kernel.trace.take()[1]


def test_a_mode_with_the_pat_bit_does_not_fit_the_direct_map() -> None:
    """
    There it would be the bit of a large entry: a warning, and the pages are there all the same.
    """
    kernel = kernel_of()
    ioremap(kernel, PfnRange(BAR.start, BAR.start + 4), CacheMode.WT)

    memremap_pages(kernel, BAR, CacheMode.WB)

    assert ["WARNING at arch/x86/mm/init_64.c"] == kernel.trace.take()[1]
    assert [CacheMode.WT, CacheMode.WT] == modes(kernel)


def test_two_modes_are_in_the_way_of_struct_pages() -> None:
    """
    The book's own error comes through, where remap_pfn_range would make it EINVAL.
    """
    kernel = kernel_of()
    ioremap(kernel, PfnRange(BAR.start, BAR.start + 4), CacheMode.WC)
    ioremap(kernel, PfnRange(BAR.start + 4, BAR.start + 8), CacheMode.UC_MINUS)

    with pytest.raises(ModelledErrno) as refused:
        memremap_pages(kernel, BAR, CacheMode.UC_MINUS)

    assert errno.EBUSY == refused.value.errno


def test_ram_below_1_mib_is_memory() -> None:
    """
    Unlike for ioremap it is in the direct map already, and nothing is booked.
    """
    kernel = kernel_of()

    memremap(kernel, PfnRange(0x98, 0x9C), CacheMode.WB)

    assert [] == modes(kernel)


def test_a_mixed_range_is_refused() -> None:
    """
    RAM and reserved bytes in one range are mapped in no mode.
    """
    kernel = kernel_of()

    with pytest.raises(ModelledErrno) as refused:
        memremap(kernel, PfnRange(0x98, 0xA0), CacheMode.WB)

    assert errno.ENOMEM == refused.value.errno
    assert "memremap attempted on mixed range" in kernel.trace.take()[1][0]
