"""A snapshot from the files of a machine."""

from __future__ import annotations

from pathlib import Path

from fake_root import LIST, fake_root, link, smaps, write
from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import Access, Process, Reservation, Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import config_path, snapshot_of
from pfnlab.diagnosis.inspector.parsing.memory_lists import MEMTYPES
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.kernel.hw.cachemode import CacheMode


def found(root: Path) -> Snapshot:
    """The snapshot of the machine below *root*."""
    return snapshot_of(RootFolder(root))


def test_processes_are_those_with_mappings_or_device_files(machine_root: Path) -> None:
    """A kernel thread has neither."""
    assert (
        Process(99, "CPU 0/KVM", ("/dev/vfio/12", "anon_inode:[vfio-device]")),
        Process(1234, "Xorg", ("/dev/dri/card0",)),
    ) == found(machine_root).processes


def test_physical_ranges_come_from_files_and_offsets(machine_root: Path) -> None:
    """VFIO's from the group the process has open; of a file that says nothing there is none."""
    mappings = found(machine_root).mappings

    assert mappings is not None
    assert [
        (0xF8000000, 0xF8004000),
        (0xFED00000, 0xFED01000),
        (0xF8002000, 0xF8003000),
        (0xE0000000, 0xF0000000),
        None,
        None,
    ] == [one.physical for one in mappings]


def test_a_descriptor_names_its_device(machine_root: Path) -> None:
    """Before the group does, which may have several."""
    syspath = "vfio-device-syspath:\t/sys/devices/pci0000:00/0000:00:02.0\n"
    write(machine_root, "proc/99/fdinfo/31", f"ino:\t3091\n{syspath}")

    mappings = found(machine_root).mappings

    assert mappings is not None
    assert (0xE0000000, 0xE0004000) == mappings[0].physical


def of_two_devices(root: Path, inode: int) -> tuple[int, int] | None:
    """The place of the mapping of inode 3091, where one device has that and the other *inode*."""
    path = "vfio-device-syspath:\t/sys/devices/pci0000:00/"
    write(root, "proc/99/fdinfo/31", f"ino:\t{inode}\n{path}0000:00:02.0\n")
    link(root, "proc/99/fd/32", "anon_inode:[vfio-device]")
    write(root, "proc/99/fdinfo/32", f"ino:\t3091\n{path}0000:00:03.0\n")
    mappings = found(root).mappings
    assert mappings is not None
    return mappings[0].physical


def test_two_devices_differ_by_their_files(machine_root: Path) -> None:
    """Since 6.10 each has an inode of its own."""
    assert (0xF8000000, 0xF8004000) == of_two_devices(machine_root, 1)


def test_two_devices_behind_one_inode_are_unknown(machine_root: Path) -> None:
    """Nothing is guessed."""
    assert of_two_devices(machine_root, 3091) is None


def test_hidden_addresses_are_no_resources(machine_root: Path) -> None:
    """The source says which command shows them."""
    write(machine_root, "proc/iomem", "00000000-00000000 : System RAM\n")

    snapshot = found(machine_root)

    source = snapshot.source("/proc/iomem")
    assert source is not None
    assert (None, Access.HIDDEN, "sudo cat /proc/iomem") == (
        snapshot.resources,
        source.access,
        source.command,
    )


def test_a_list_that_is_not_mounted_names_the_mount(machine_root: Path) -> None:
    """Without debugfs the folder is empty."""
    (machine_root / LIST).unlink()
    (machine_root / LIST).parent.rmdir()

    snapshot = found(machine_root)

    source = snapshot.source(MEMTYPES)
    assert source is not None
    assert (None, "sudo mount -t debugfs none /sys/kernel/debug") == (snapshot.book, source.command)


def test_a_list_that_a_kernel_has_not_needs_no_mount(machine_root: Path) -> None:
    """Debugfs is there, and has other things."""
    (machine_root / LIST).unlink()

    source = found(machine_root).source(MEMTYPES)

    assert source is not None
    assert (Access.ABSENT, "") == (source.access, source.command)


def test_a_line_that_is_not_understood_is_said(machine_root: Path) -> None:
    """The others hold: a kernel may print something new."""
    write(machine_root, LIST, "write-back @ 0x1000-0x2000\nsomething\x1b new\n")

    snapshot = found(machine_root)

    source = snapshot.source(MEMTYPES)
    assert source is not None
    assert (
        (Reservation(0x1000, 0x2000, CacheMode.WB),),
        Access.CUT,
        "line 2 has not the form of this file: something\\x1b new",
    ) == (snapshot.book, source.access, source.why)


def test_a_file_that_another_process_has_open_names_the_device(machine_root: Path) -> None:
    """A mapping outlives the descriptor, which may be of the process that passed it on."""
    (machine_root / "proc/99/fd/31").unlink()
    (machine_root / "proc/99/fd/30").unlink()
    link(machine_root, "proc/5/fd/3", "anon_inode:[vfio-device]")
    syspath = "vfio-device-syspath:\t/sys/devices/pci0000:00/0000:00:02.0\n"
    write(machine_root, "proc/5/fdinfo/3", f"ino:\t3091\n{syspath}")

    mappings = found(machine_root).mappings

    assert mappings is not None
    assert (0xE0000000, 0xE0004000) == mappings[0].physical


def test_the_only_device_of_vfio_is_the_one(machine_root: Path) -> None:
    """Where nobody has a descriptor left."""
    for name in ("30", "31"):
        (machine_root / f"proc/99/fd/{name}").unlink()

    mappings = found(machine_root).mappings

    assert mappings is not None
    assert (0xF8000000, 0xF8004000) == mappings[0].physical


@for_each("target", ["/dev/vfio/77", "/dev/vfio/devices/vfio0"])
def test_with_another_file_of_vfio_open_the_device_is_unknown(tmp_path: Path, target: str) -> None:
    """It may be that of no PCI device."""
    root = fake_root(tmp_path / target.replace("/", "-"))
    for name in ("30", "31"):
        (root / f"proc/99/fd/{name}").unlink()
    link(root, "proc/5/fd/3", target)

    mappings = found(root).mappings

    assert mappings is not None
    assert mappings[0].physical is None


def test_without_flags_the_maps_are_read(machine_root: Path) -> None:
    """A kernel without CONFIG_PROC_PAGE_MONITOR has no smaps."""
    (machine_root / "proc/99/smaps").unlink()
    line = "7f3100000000-7f3100001000 rw-s fed00000 00:05 12 /dev/mem"
    write(machine_root, "proc/99/maps", f"{line}\n")

    mappings = found(machine_root).mappings

    assert mappings is not None
    assert ("/dev/mem", None) == (mappings[0].path, mappings[0].flags)


@for_each("address", ["0xffff888012340000", "none", "0x0"])
def test_memory_of_the_kernels_own_has_no_range(tmp_path: Path, address: str) -> None:
    """UIO shows its virtual address, or none."""
    line = "7f3200000000-7f3200001000 rw-s 00001000 00:05 13 /dev/uio0"
    write(tmp_path, "proc/7/smaps", smaps(line, ("pf",)))
    write(tmp_path, "sys/class/uio/uio0/maps/map1/addr", f"{address}\n")

    mappings = found(tmp_path).mappings

    assert mappings is not None
    assert mappings[0].physical is None


def test_hidden_processes_are_said(machine_root: Path) -> None:
    """A user who does not see the first process sees none of other users."""
    (machine_root / "proc/1/smaps").unlink()
    (machine_root / "proc/1/fd").rmdir()
    (machine_root / "proc/1").rmdir()
    files = RootFolder(machine_root)
    files.root = False

    source = snapshot_of(files).source("/proc/*/smaps")

    assert source is not None
    assert (Access.CUT, "sudo pfnlab inspect") == (source.access, source.command)


def test_an_empty_folder_has_nothing_and_says_so(tmp_path: Path) -> None:
    """None everywhere, and every source is absent."""
    snapshot = found(tmp_path)

    parts = (
        snapshot.book,
        snapshot.resources,
        snapshot.devices,
        snapshot.mappings,
        snapshot.mtrrs,
        snapshot.log,
    )
    assert ((None,) * 6, {Access.ABSENT}) == (parts, {one.access for one in snapshot.sources})


def test_a_reversed_vma_has_no_physical_range(machine_root: Path) -> None:
    """Only a damaged file has one."""
    line = "2000-1000 rw-s fed00000 00:05 12 /dev/mem"
    write(machine_root, "proc/99/smaps", smaps(line, ("pf",)))

    mappings = found(machine_root).mappings

    assert mappings is not None
    assert mappings[0].physical is None


def test_a_version_that_is_a_path_names_no_configuration() -> None:
    """It comes from a file that anybody may have written."""
    assert (None, "/boot/config-6.1.0-26-amd64") == (config_path("../../etc"), config_path("6.1.0-26-amd64"))
