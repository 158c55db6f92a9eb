"""S12.1: the machine of the recorded runs."""

from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.platform import qemu_q35

MIB = 1 << 20


def test_q35_bar_is_neither_ram_nor_claimed() -> None:
    """The BAR begins where it was recorded and /dev/mem may map all of it."""
    q35 = qemu_q35()

    assert q35.phys.pat_pagerange_is_ram(0xF800_0000, 0xFC00_0000) == 0
    assert q35.range_is_allowed(0xF8000, 16384 * 4096)


def test_q35_bar_is_uncached_in_the_mtrrs() -> None:
    """A write-back request over the BAR is weakened: SeaBIOS makes the PCI hole UC."""
    assert (MtrrType.UC, True) == qemu_q35().mtrr.type_lookup(0xF800_0000, 0xF800_1000, merged_map=True)


def test_q35_ram_is_refused_to_devmem() -> None:
    """STRICT_DEVMEM protects RAM above 1 MiB and lets low RAM be mapped as zeros."""
    q35 = qemu_q35()

    assert [0, 2] == [q35.devmem_is_allowed(0x100), q35.devmem_is_allowed(0x1)]


def test_q35_first_byte_of_bar_is_not_exclusive() -> None:
    """Nothing has claimed the BAR, so PCI sysfs may map it."""
    assert not qemu_q35().iomem_is_exclusive(0xF800_0000)


def test_q35_ram_ends_where_asked() -> None:
    """The direct map of a small machine ends with its RAM."""
    assert 512 * MIB == qemu_q35(512 * MIB).phys.high_memory


def test_q35_big_memory_leaves_room_for_the_hole() -> None:
    """From 2816 MiB on RAM stops at 2 GiB and goes on at 4 GiB."""
    phys = qemu_q35(4096 * MIB).phys

    assert [True, False, True] == [phys.page_is_ram(pfn) for pfn in (0x7FFFF, 0x80000, 0x100000)]
    assert 6144 * MIB == phys.high_memory
