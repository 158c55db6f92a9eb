"""The BAR that a mapped file shows, and if a mapping of it is reserved."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.joined_host import MappableFile, mapped_file

_FOLDER = "/sys/devices/pci0000:00/0000:00:04.0"


@for_each(
    ("path", "file"),
    [
        (f"{_FOLDER}/resource2", MappableFile(True, False, "0000:00:04.0", "2", False)),
        (f"{_FOLDER}/resource2_wc", MappableFile(True, True, "0000:00:04.0", "2", False)),
        (f"{_FOLDER}/resource2_wc (deleted)", MappableFile(True, True, "0000:00:04.0", "2", True)),
        ("/proc/bus/pci/00/04.0", MappableFile(True)),
        ("/dev/mem", MappableFile(True)),
        ("anon_inode:[vfio-device]", MappableFile(False)),
        ("/dev/dri/card0", MappableFile(False)),
        (f"{_FOLDER}/resource", MappableFile(False)),
    ],
)
def test_a_file_by_its_path(path: str, file: MappableFile) -> None:
    """Files of sysfs say device and BAR; drivers of their own may insert without a reservation."""
    assert file == mapped_file(path)
