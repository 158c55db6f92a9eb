"""PCI devices as sysfs shows them."""

from __future__ import annotations

from pathlib import Path

from fake_root import GPU, HELD

from pfnlab.diagnosis.inspector.host_snapshot import Access, PciFunction
from pfnlab.diagnosis.inspector.parsing.pci_files import devices
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
