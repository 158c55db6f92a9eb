"""Sources of a kernel's memory: its bytes, the ranges of physical memory, and VMCOREINFO.

A source is a guest's RAM, a core file from a dead kernel, or the running kernel.
"""

import mmap
import os
import re
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.elf import Segment, segments

#: Guest RAM above this size moves elsewhere in physical memory (q35 has a hole below 4 GiB). VMCOREINFO is a
#: page or two; text longer than this limit is something else.
MAX_RAM, MAX_VMCOREINFO = 2 << 30, 16 << 10

_OSRELEASE = b"OSRELEASE="
_PROOF = b"\nSYMBOL(swapper_pg_dir)="
#: Each line of VMCOREINFO assigns a value to a name. Programs that read VMCOREINFO also have
#: its words in memory.
_LINES = re.compile(rb"(?:[A-Za-z][\w-]*(?:\([!-~]+\))?=[ -~]*\n)+")
_SEARCH_CHUNK = 4 << 20
#: Notes are within the first bytes of a core: one for each of up to 150 processors, then VMCOREINFO.
_NOTES = 1 << 16
_NO_PHYSICAL = (1 << 64) - 1


class VmCoreInfo:
    """A kernel's description of itself for tools that read its memory, as lines ``NAME=value``."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        lines = (line.partition("=") for line in text.decode("ascii", "replace").splitlines())
        self._values = {name: value for name, equals, value in lines if equals}
        #: The release, as printed by ``uname -r``.
        self.release = self._values.get("OSRELEASE", "unknown")

    def number(self, name: str, default: int | None = None) -> int:
        """``NUMBER(name)``, decimal or, with ``0x``, hexadecimal; LensError if missing and no *default*."""
        return self._value(f"NUMBER({name})", 0, default)

    def symbol(self, name: str) -> int | None:
        """``SYMBOL(name)``, a run-time address; None if it is not listed."""
        return self._value(f"SYMBOL({name})", 16, 0) or None

    def address(self, name: str) -> int:
        """The same; LensError if it is not listed."""
        address = self.symbol(name)
        if address is None:
            raise LensError(f"VMCOREINFO of kernel {self.release} has no address of {name}")
        return address

    def _value(self, name: str, base: int, default: int | None) -> int:
        text = self._values.get(name)
        if text is None:
            if default is None:
                raise LensError(f"VMCOREINFO of kernel {self.release} has no {name}")
            return default
        try:
            return int(text, base)
        except ValueError:
            raise LensError(f"VMCOREINFO of kernel {self.release}: {name} is {text[:40]!r}") from None


class MemorySource(ABC):
    """The physical memory of one kernel, which is running if *live*; a context manager that closes it."""

    name: str
    live = False

    @abstractmethod
    def ranges(self) -> list[tuple[int, int]]:
        """The start and size of each piece of physical memory, in ascending order."""

    @abstractmethod
    def read(self, address: int, size: int) -> bytes:
        """*size* bytes of physical memory; LensError if any are missing."""

    @abstractmethod
    def close(self) -> None:
        """Release the memory; does nothing the second time."""

    @cached_property
    def info(self) -> VmCoreInfo:
        """The kernel's description of itself; LensError if it is not found."""
        for text in self._candidates():
            content, end, _ = text.partition(b"\0")
            if end and _PROOF in content and _LINES.fullmatch(content):
                return VmCoreInfo(content)
        raise LensError(
            f"{self.name} has no VMCOREINFO: no Linux kernel is running in it, or the kernel has none"
        )

    def _candidates(self) -> Iterator[bytes]:
        for start, size in self.ranges():
            for at in _occurrences(self, start, size, _OSRELEASE):
                yield self.read(at, min(MAX_VMCOREINFO, start + size - at))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _occurrences(source: MemorySource, start: int, size: int, text: bytes) -> Iterator[int]:
    # Addresses at which a text begins; chunks overlap by its length, so that none are missed.
    for at in range(start, start + size, _SEARCH_CHUNK):
        piece = source.read(at, min(_SEARCH_CHUNK + len(text) - 1, start + size - at))
        index = piece.find(text)
        while index >= 0:
            yield at + index
            index = piece.find(text, index + 1)


class GuestRam(MemorySource):
    """A guest's RAM, in the file that QEMU shares (``memory-backend-file,share=on``); at most 2 GiB."""

    live = True

    #: Where earlier guests had VMCOREINFO: without KASLR all guests of a kernel have it in one place.
    _places: ClassVar[dict[int, None]] = {}

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if not 0 < size <= MAX_RAM:
                    raise LensError(f"{path}: {size:,} bytes; guest RAM of up to {MAX_RAM:,} can be read")
                self._memory = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
        except (OSError, ValueError) as trouble:
            raise LensError(f"{path} cannot be read as guest RAM: {trouble}") from trouble
        self._size = size

    def ranges(self) -> list[tuple[int, int]]:
        """A single piece that starts at 0."""
        return [(0, self._size)]

    def read(self, address: int, size: int) -> bytes:
        """The bytes at this offset in the file."""
        end = address + size
        if address >= 0 and end <= self._size and size >= 0:
            return self._memory[address:end]
        raise LensError(f"{self.name}: no memory at {address:#x}, {size:,} bytes")

    def write(self, address: int, data: bytes) -> None:
        """Write bytes to guest memory at this offset in the file; LensError on failure."""
        if not 0 <= address <= self._size - len(data):
            raise LensError(f"{self.name}: no memory at {address:#x}, {len(data):,} bytes")
        try:
            with open(self.name, "r+b") as file:
                file.seek(address)
                file.write(data)
        except OSError as trouble:
            raise LensError(f"{self.name} cannot be written: {trouble}") from trouble

    def _candidates(self) -> Iterator[bytes]:
        for at in [*self._places]:
            if self._memory[at : at + len(_OSRELEASE)] == _OSRELEASE:
                yield self._memory[at : at + MAX_VMCOREINFO]
        # Searching the mapping directly, without making a copy, takes 13 ms for 256 MiB.
        at = self._memory.find(_OSRELEASE)
        while at >= 0:
            text = self._memory[at : at + MAX_VMCOREINFO]
            if _PROOF in text:
                self._places[at] = None
            yield text
            at = self._memory.find(_OSRELEASE, at + 1)

    def close(self) -> None:
        """Unmap the file."""
        self._memory.close()


class CoreFile(MemorySource):
    """A file with a kernel's memory, running if *live*; LensError if it is not such a file, or is damaged."""

    def __init__(self, path: Path, *, live: bool = False) -> None:
        self.name, self.live = str(path), live
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as trouble:
            raise LensError(f"{path} cannot be read: {trouble.strerror}") from trouble
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _open(self) -> None:
        """Read the headers that locate the memory."""

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _size(self) -> int:
        return os.fstat(self._file).st_size

    def _pread(self, offset: int, count: int) -> bytes:
        try:
            return os.pread(self._file, count, offset)
        except (OSError, OverflowError) as trouble:
            raise LensError(
                f"{self.name}: {count:,} bytes at {offset:#x} cannot be read: {trouble}"
            ) from trouble


class ElfCore(CoreFile):
    """An ELF core of a kernel: from QEMU's ``dump-guest-memory``, kdump's /proc/vmcore, or /proc/kcore."""

    def _open(self) -> None:
        file_segments = segments(self._pread, self.name)
        self._segments = _physical(file_segments, 0 if self.live else self._size(), self.name)
        self._starts = [segment.physical for segment in self._segments]

    def ranges(self) -> list[tuple[int, int]]:
        """The pieces in the file, in ascending order."""
        return [(segment.physical, segment.size) for segment in self._segments]

    def read(self, address: int, size: int) -> bytes:
        """Read bytes, which may span adjacent pieces."""
        parts = []
        while size > 0:
            place = bisect_right(self._starts, address) - 1
            segment = self._segments[place] if place >= 0 else None
            offset = address - segment.physical if segment else 0
            if segment is None or offset >= segment.size:
                raise LensError(f"{self.name}: no memory at {address:#x}")
            count = min(size, segment.size - offset)
            part = self._pread(segment.offset + offset, count)
            if len(part) != count:
                raise LensError(f"{self.name}: the file ends where memory {address:#x} should be")
            parts.append(part)
            address, size = address + count, size - count
        return b"".join(parts)

    def _candidates(self) -> Iterator[bytes]:
        # For the running kernel and for kdump it is in a note; QEMU does not write one.
        match = re.search(rb"OSRELEASE=[^\0]*SYMBOL\(swapper_pg_dir\)[^\0]*", self._pread(0, _NOTES))
        if match:
            yield match[0] + b"\0"
        yield from super()._candidates()


def _physical(file_segments: list[Segment], file_size: int, name: str) -> list[Segment]:
    # Segments with a physical address, ascending; one that overlaps an earlier one (kcore's text) is dropped.
    usable: list[Segment] = []
    for segment in sorted(file_segments, key=lambda segment: (segment.physical, -segment.size)):
        if segment.physical == _NO_PHYSICAL or not segment.size:
            continue
        if segment.physical + segment.size > _NO_PHYSICAL or segment.offset > 1 << 62:
            raise LensError(
                f"{name}: a segment of {segment.size:,} bytes at {segment.physical:#x} is invalid"
            )
        if file_size and segment.offset + segment.size > file_size:
            raise LensError(f"{name} is cut off: {file_size:,} bytes, and a segment at {segment.offset:,}")
        if usable and segment.physical < usable[-1].physical + usable[-1].size:
            continue
        usable.append(segment)
    if not usable:
        raise LensError(f"{name} holds no memory")
    return usable


def running_kernel(path: Path = Path("/proc/kcore")) -> ElfCore:
    """The memory of the running kernel.

    :raises LensError: if it cannot be read: reading needs root and a kernel that is not locked down
    """
    return ElfCore(path, live=True)


def open_core(path: Path) -> MemorySource:
    """A vmcore in ELF format or compressed by kdump; LensError if it is neither, or is damaged."""
    from pfnlab.lab.lens.kdump import SIGNATURES, KdumpCore

    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as trouble:
        raise LensError(f"{path} cannot be read: {trouble.strerror}") from trouble
    return KdumpCore(path) if head[:8] in SIGNATURES else ElfCore(path)
