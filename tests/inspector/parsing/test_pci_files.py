"""PCI devices as sysfs shows them."""

from __future__ import annotations

from pathlib import Path

from fake_root import GPU, HELD

from pfnlab.inspector.host_snapshot import Access, Bar, PciFunction
from pfnlab.inspector.parsing.pci_files import bars, devices
from pfnlab.inspector.sources.root_folder import RootFolder

MEMORY = b"0x00000000e0000000 0x00000000efffffff 0x000000000014220c\n"
PORTS = b"0x000000000000e000 0x000000000000e03f 0x0000000000040101\n"
UNSET = b"0x0000000000000000 0x0000000000003fff 0x0000000020040200\n"
NONE = b"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"


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


def test_only_regions_in_memory_that_have_a_place_are_bars() -> None:
    """The numbers are those of the lines."""
    assert (Bar(1, 0xE0000000, 0xF0000000, True),) == bars(PORTS + MEMORY + UNSET + NONE * 10, bridge=False)


def test_windows_of_a_bridge_are_no_bars() -> None:
    """They are the last four lines; of another device those are of virtual functions."""
    lines = NONE * 13 + MEMORY * 4

    assert ((), 4) == (bars(lines, bridge=True), len(bars(lines, bridge=False)))


def test_without_the_folder_devices_are_unknown(tmp_path: Path) -> None:
    """None is not the same as no device."""
    found, source = devices(RootFolder(tmp_path))

    assert (None, Access.ABSENT) == (found, source.access)
