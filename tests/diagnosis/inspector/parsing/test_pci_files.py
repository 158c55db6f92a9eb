"""PCI devices as sysfs shows them."""

from __future__ import annotations

from pathlib import Path

from fake_root import GPU, HELD

from pfnlab.diagnosis.inspector.host_snapshot import Access, PciFunction
from pfnlab.diagnosis.inspector.parsing.pci_files import devices, listed_devices, trimmed_listing
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.kernel.hw.pci_regions import Bar


def test_a_device_has_its_driver_with_module_and_group(machine_root: Path) -> None:
    """A driver's module may have another name than the driver."""
    found, source = devices(RootFolder(machine_root))

    gpu = PciFunction(
        GPU,
        "10de:1db6",
        "030000",
        "nouveau",
        (Bar(0, 0xE0000000, 0xF0000000, True),),
        ("nouveau",),
        True,
        "1",
    )
    held = PciFunction(
        HELD, "1af4:1045", "ffff00", "vfio-pci", (Bar(0, 0xF8000000, 0xF8004000),), ("vfio_pci",), True, "12"
    )
    assert ((gpu, held), Access.READ) == (found, source.access)


def test_a_device_without_a_driver_has_none(machine_root: Path) -> None:
    """It has no link."""
    (machine_root / f"sys/bus/pci/devices/{GPU}/driver").unlink()

    found, _ = devices(RootFolder(machine_root))

    assert found is not None
    assert (None, ()) == (found[0].driver, found[0].modules)


def test_memory_is_off_where_the_command_register_says_so(machine_root: Path) -> None:
    """The second bit of the command is of memory."""
    (machine_root / f"sys/bus/pci/devices/{GPU}/config").write_bytes(
        bytes.fromhex("de10b61d0500") + bytes(58)
    )

    found, _ = devices(RootFolder(machine_root))

    assert found is not None
    assert found[0].enabled is False


def test_without_the_folder_devices_are_unknown(tmp_path: Path) -> None:
    """None is not the same as no device."""
    found, source = devices(RootFolder(tmp_path))

    assert (None, Access.ABSENT) == (found, source.access)


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
