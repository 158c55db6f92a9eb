"""A paste with several files from one machine, presented as that machine's files.

A paste never shows that it is complete, so files that may be incomplete are marked CUT and missing lines
prove nothing.
"""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import log_pieces
from pfnlab.base.inert import visible_name
from pfnlab.base.units import number_of
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing import memory_lists, pci_files, text_files
from pfnlab.diagnosis.inspector.parsing.text_files import DMESG, LSPCI, FileText, SnapshotBounds
from pfnlab.diagnosis.inspector.sources.pasted_lines import PROCESS, LineSorter, PastedFile

#: Maximum number of files in one machine's folder.
_MOST_LOOSE = 256
#: Files of which a paste needs one to be joined; a log alone is not enough.
_JOINED = (memory_lists.MEMTYPES, memory_lists.IOMEM, memory_lists.MTRRS, LSPCI, "maps", "fd", "resource")
_NOT_THERE = "not in the text"


class PastedFiles(text_files.TextFiles):
    """Files found by a sorter, presented as the files of one machine."""

    def __init__(self, sorter: LineSorter, origin: str) -> None:
        self.origin, self.bounds = origin, sorter.bounds
        self._sorter = sorter
        self._files = sorter.files

    @classmethod
    def at(cls, paths: Iterable[Path], origin: str, bounds: SnapshotBounds) -> "PastedFiles":
        """Read the files from texts; raise Misuse if a text cannot be read."""
        sorter = LineSorter(bounds)
        for path in paths:
            sorter.begin(str(path))
            for _ in sorter.passing(log_pieces(path, "text")):
                pass
        return cls(sorter, origin)

    @cached_property
    def parts(self) -> frozenset[str]:
        """The files in the text that can be joined; maps, fd and resource may be of any process or device."""
        found = {name if name in _JOINED else name.split("/")[-1] for name in self._files}
        found |= {"fd" for name in self._files if "/fd/" in name}
        found |= {LSPCI} if self._sorter.blocks else set()
        return frozenset(found & set(_JOINED))

    @cached_property
    def _pids(self) -> list[str]:
        return sorted({name.split("/")[2] for name in self._files if PROCESS.match(name)})

    @cached_property
    def _devices(self) -> list[str]:
        own = (name.split("/")[-2] for name in self._files if name.startswith(pci_files.DEVICES))
        return sorted(own)

    def read(self, path: str, most: int = text_files.MOST_SMALL) -> FileText:
        """Return the lines of a file in the text."""
        if path == DMESG and self._sorter.log.lines:
            return self._sorter.log.text()
        if path == LSPCI and self._sorter.blocks:
            return self._listing()
        file = self._files.get(path)
        if file is None:
            return FileText(b"", Access.ABSENT, _NOT_THERE)
        return file.text(self._lack(path, file))

    def link(self, path: str) -> str | None:
        """Return the target of a descriptor, or of a device's driver link."""
        if path.startswith(pci_files.DEVICES) and path.endswith("/driver"):
            return self._sorter.drivers.get(path.split("/")[-2])
        file = self._files.get(path) if "/fd/" in path else None
        return file.lines[0] if file is not None and file.lines else None

    def names(self, folder: str) -> FileText:
        """Return the processes, devices or descriptors in the text."""
        names: list[str] = []
        if folder == "/proc":
            names = self._pids
        elif folder == pci_files.DEVICES:
            names = self._devices
        elif folder.endswith("/fd"):
            names = [name.rpartition("/")[2] for name in self._files if name.startswith(f"{folder}/")]
        if not names:
            return FileText(b"", Access.ABSENT, _NOT_THERE)
        what = {"/proc": ("process", "processes"), pci_files.DEVICES: ("device", "devices")}.get(folder)
        why = f"the text has {number_of(len(names), *what)}" if what else ""
        return FileText("\n".join(names).encode(), Access.CUT if what else Access.READ, why)

    def _listing(self) -> FileText:
        """Return the lspci output; it is partial if the resources name devices it does not list."""
        blocks = self._sorter.blocks
        lines = (line for address, block in blocks.items() for line in self._of_device(address, block))
        data = "".join(f"{line}\n" for line in lines)
        iomem = self._files.get(memory_lists.IOMEM)
        named = {
            name
            for line in (iomem.lines if iomem is not None else ())
            if pci_files.is_address(name := line.partition(" : ")[2])
        }
        missing = sorted(named - set(blocks))
        why = f"no {missing[0]} in it" if missing else ""
        if not missing and not any(address.endswith(":00:00.0") for address in blocks):
            why = "it may be a part"
        return FileText(data.encode("utf-8", "surrogatepass"), Access.CUT if why else Access.READ, why)

    def _of_device(self, address: str, block: PastedFile) -> list[str]:
        """Return a device's lines, with the driver taken from a link if the listing has none."""
        driver = self._sorter.drivers.get(address)
        if driver is None or any("Kernel driver in use: " in line for line in block.lines):
            return block.lines
        return [*block.lines, f"\tKernel driver in use: {driver}"]

    def _lack(self, path: str, file: PastedFile) -> str:
        """Return why a list may be partial: its first line is missing."""
        first = file.lines[0] if file.lines else ""
        if path == memory_lists.MEMTYPES and first.encode() != memory_lists.MEMTYPES_HEAD:
            return "its first line is not in the text: it may be a part"
        if path == memory_lists.IOMEM and not first.startswith(("00000000-", "0000000000000000-")):
            return "its first line is not in the text: it may be a part"
        return ""


def loose_files(folder: Path) -> list[Path]:
    """Return the files in a folder, by name; raise Misuse if it is unreadable or has no or too many files."""
    name = visible_name(folder)
    try:
        found = sorted(place for place in folder.iterdir() if place.is_file())
    except OSError as trouble:
        raise Misuse(f"{name}: the folder cannot be read: {trouble.strerror}") from None
    if not found:
        raise Misuse(f"{name}: no files in this directory: name the files, or the folder they are in")
    if len(found) > _MOST_LOOSE:
        raise Misuse(f"{name}: this is a directory of {len(found):,} files: name those of one machine")
    return found
