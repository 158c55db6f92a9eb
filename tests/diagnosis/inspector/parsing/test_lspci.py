"""PCI devices as lspci prints them."""

from __future__ import annotations

from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.parsing.lspci import listed_devices, trimmed_listing
from pfnlab.kernel.hw.pci_regions import Bar

TEXT = b"""\
75:00.2 Ethernet controller [0200]: Mellanox Technologies Virtual Function [15b3:101e]
\tControl: I/O- Mem- BusMaster+ SpecCycle-
\tIOMMU group: 425
\tRegion 0: Memory at 8fffe100000 (64-bit, prefetchable) [virtual] [size=1M]

0001:01:00.0 VGA compatible controller [0300]: NVIDIA GV100 [10de:1db6] (rev a1) (prog-if 00 [VGA controller])
\tControl: I/O+ Mem+ BusMaster+
\tRegion 0: Memory at f6000000 (32-bit, non-prefetchable) [size=16M]
\tRegion 5: I/O ports at e000 [size=128]
\tExpansion ROM at f7000000 [disabled] [size=512K]
\tKernel driver in use: nvidia
\tKernel modules: nvidiafb, nouveau, nvidia
"""


def test_devices_have_regions_driver_and_state() -> None:
    """Modules that could serve a device say nothing of what is loaded."""
    assert (
        PciFunction(
            "0000:75:00.2",
            "15b3:101e",
            "020000",
            None,
            (Bar(0, 0x8FFFE100000, 0x8FFFE200000, True),),
            enabled=False,
            group="425",
        ),
        PciFunction(
            "0001:01:00.0",
            "10de:1db6",
            "030000",
            "nvidia",
            (Bar(0, 0xF6000000, 0xF7000000), Bar(6, 0xF7000000, 0xF7080000)),
            enabled=True,
        ),
    ) == listed_devices(TEXT)


def test_regions_without_numbers_are_counted() -> None:
    """With 64 bits one takes two numbers."""
    text = (
        b"00:06.0 Ethernet controller: Amazon.com\n"
        b"\tMemory at febf8000 (64-bit, non-prefetchable) [size=16K]\n"
        b"\tMemory at fe900000 (32-bit, prefetchable) [size=1M]\n"
    )

    assert [0, 2] == [bar.number for bar in listed_devices(text)[0].bars]


def test_other_text_has_no_devices() -> None:
    """Nor has a line that only looks like a region."""
    assert () == listed_devices(
        b"\tRegion 0: Memory at e0000000 (32-bit, prefetchable) [size=1M]\nhello\n\x00\xff"
    )


def test_serial_numbers_are_not_kept() -> None:
    """And the devices are the same."""
    text = TEXT.replace(b"IOMMU", b"Capabilities: [148 v1] Device Serial Number 98-03-9b\n\tIOMMU")

    kept = trimmed_listing(text)

    assert (listed_devices(text), False) == (listed_devices(kept), b"Serial" in kept)
