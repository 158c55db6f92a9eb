"""The physical range of a mapping by its file and offset."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.parsing.mapped_range import VFIO, BarPlaces
from pfnlab.kernel.hw.pci_regions import Bar

GPU, NIC = "0000:00:02.0", "0000:00:03.0"
PLACES = BarPlaces(
    [
        PciFunction(
            GPU, "", "", None, (Bar(0, 0xE0000000, 0xF0000000), Bar(2, 0x380000000000, 0x380010000000))
        ),
        PciFunction(NIC, "", "", None, (Bar(0, 0xF8000000, 0xF8004000),)),
    ]
)
SYSFS = f"/sys/devices/pci0000:00/{GPU}/resource"


@for_each(
    ("path", "offset", "device", "start"),
    [
        ("/dev/mem", 0xFED00000, None, 0xFED00000),
        ("/proc/bus/pci/00/02.0", 0xE0001000, None, 0xE0001000),
        # A kernel leaves the address in the offset of what maps a BAR.
        (f"{SYSFS}0", 0xE0001000, None, 0xE0001000),
        (f"{SYSFS}2_wc", 0x380000001000, None, 0x380000001000),
        (f"{SYSFS}0", 0x1000, None, 0xE0001000),
        (f"{SYSFS}0 (deleted)", 0xE0001000, None, 0xE0001000),
        # VFIO until 6.9, and later.
        (VFIO, 0xF8001000, None, 0xF8001000),
        (VFIO, 0x380000001000, GPU, 0x380000001000),
        (VFIO, 0x1000, NIC, 0xF8001000),
        ("/sys/devices/pci0000:00/0000:00:1f.7/resource2 (deleted)", 0xF0002000, None, 0xF0002000),
        (VFIO, (2 << 40) + 0x1000, GPU, 0x380000001000),
    ],
)
def test_an_offset_says_the_address(path: str, offset: int, device: str | None, start: int) -> None:
    """As the address itself, or as a place in the region of a device."""
    assert (start, start + 0x1000) == PLACES.range_of(path, offset, 0x1000, device)


@for_each(
    ("path", "offset", "device"),
    [
        ("/dev/dri/card0", 0xE0001000, None),
        ("/home/a/file", 0xE0001000, None),
        (f"{SYSFS}1", 0x1000, None),
        (f"{SYSFS}0", 0x10000000, None),
        (VFIO, 0x1000, None),
        (VFIO, 0x1000, "0000:09:00.0"),
        (VFIO, 0x4000, NIC),
        (VFIO, 7 << 40, GPU),
        ("/dev/mem", (1 << 64) - 0x800, None),
    ],
)
def test_an_offset_that_says_none_gives_none(path: str, offset: int, device: str | None) -> None:
    """Cookies, regions that are not there, and ends beyond 64 bits."""
    assert PLACES.range_of(path, offset, 0x1000, device) is None
