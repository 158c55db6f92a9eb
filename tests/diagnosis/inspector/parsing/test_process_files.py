"""VMAs of interest in maps and smaps."""

from __future__ import annotations

from fake_root import FLAGS_1234, MAPS_1234, smaps
from for_each import for_each

from pfnlab.diagnosis.inspector.parsing.process_files import is_device_file, trimmed, vmas

WHOLE = smaps(MAPS_1234, FLAGS_1234).encode()


def paths(data: bytes) -> list[bytes]:
    """The files of the VMAs that stay."""
    return [path for _, _, _, _, _, path, _ in vmas(trimmed(data))]


def test_flags_and_files_decide_what_stays() -> None:
    """A VM_PFNMAP of any file, and a device's file without it; not the clock's pages, nor a library."""
    gpu = b"/sys/devices/pci0000:00/0000:00:02.0/resource0_wc"

    assert [gpu, b"/home/alice/jail/gpu", b"/dev/dri/card0"] == paths(WHOLE)


def test_without_flags_files_decide() -> None:
    """As in maps, where a file of another name is not seen."""
    gpu = b"/sys/devices/pci0000:00/0000:00:02.0/resource0_wc"

    assert [gpu, b"/dev/dri/card0"] == paths(MAPS_1234.encode())


def test_a_trimmed_file_stays_as_it_is() -> None:
    """So a bundle is trimmed once more without harm."""
    once = trimmed(WHOLE)

    assert once == trimmed(once)


def test_a_vma_has_its_own_flags() -> None:
    """Not those of the one after it."""
    flags = [flags for *_, flags in vmas(trimmed(WHOLE))]

    assert [f"VmFlags: {FLAGS_1234[at]} ".encode() for at in (1, 2, 3)] == flags


def test_flags_of_the_next_vma_are_not_taken() -> None:
    """Where a file ends in the middle of a VMA, and another follows."""
    head = b"1000-2000 rw-s 0 00:05 1 /dev/mem\n"
    other = b"3000-4000 rw-p 00000000 00:00 0 \nSize: 4 kB\nVmFlags: rd \n"

    assert [b""] == [flags for *_, flags in vmas(trimmed(head + other))]


@for_each(
    ("target", "is_one"),
    [
        ("/dev/mem", True),
        ("/dev/nvidia0", True),
        ("/dev/vfio/12", True),
        ("anon_inode:[vfio-device]", True),
        ("/sys/devices/pci0000:00/0000:00:02.0/resource2", True),
        ("/proc/bus/pci/00/02.0", True),
        ("/dev/null", False),
        ("/home/a/dev/mem", False),
        ("anon_inode:[eventfd]", False),
    ],
)
def test_a_device_file_is_known_by_its_whole_path(target: str, is_one: bool) -> None:
    """A folder of that name elsewhere is none."""
    assert is_one == is_device_file(target)


@for_each("data", [b"", b"\n\n", b"VmFlags: rd pf \n", b"\xff\x00VmFlags: pf \n", b"VmFlags: io" * 9])
def test_flags_without_a_vma_are_nothing(data: bytes) -> None:
    """As in a damaged file."""
    assert b"" == trimmed(data)
