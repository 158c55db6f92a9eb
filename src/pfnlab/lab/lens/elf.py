"""The part of ELF that the lens needs: sections of a kernel image, and memory segments of a core file."""

import struct
from collections.abc import Callable
from mmap import mmap
from typing import NamedTuple

from pfnlab.lab.lens import LensError

#: Maximum number of program headers in a core file; /proc/kcore and dumps have a few dozen.
MAX_HEADERS = 65_535

_HEAD = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_MANY_SEGMENTS = 0xFFFF
_PT_LOAD = 1
_NO_CONTENT = 8
_EXECUTABLE = 4
_MACHINE_X86_64 = 62

#: Reads *count* bytes at file offset *offset*; fewer at the end of the file.
ReadAt = Callable[[int, int], bytes]


class Segment(NamedTuple):
    """Memory in a core file: *size* bytes at file offset *offset*.

    :param physical: its physical address; all ones if the file does not give one
    """

    physical: int
    offset: int
    size: int


def _header(read: ReadAt, name: str) -> tuple[int, ...]:
    head = read(0, _HEAD.size)
    if len(head) < _HEAD.size or head[:6] != b"\x7fELF\x02\x01":
        raise LensError(f"{name} is not a 64-bit little-endian ELF file")
    fields = _HEAD.unpack(head)
    if fields[2] != _MACHINE_X86_64:
        raise LensError(f"{name} is for machine {fields[2]}, not for x86-64")
    return fields[1:]


class Section(NamedTuple):
    """A section of an ELF file: *size* bytes at *offset*, linked to *address*."""

    address: int
    offset: int
    size: int
    executable: bool

    def of(self, data: bytes | mmap) -> bytes:
        """The section's content."""
        return data[self.offset : self.offset + self.size]


def named_sections(data: bytes | mmap, name: str) -> dict[str, Section]:
    """The non-empty sections of an ELF file, the first of each name; LensError, with *name*, if damaged."""

    def read(offset: int, count: int) -> bytes:
        return data[offset : offset + count]

    fields = _header(read, name)
    at, entry_size, count, strings_at = fields[5], fields[10], fields[11], fields[12]
    if entry_size != _SECTION.size or at + count * _SECTION.size > len(data) or strings_at >= count:
        raise LensError(f"{name}: its section headers are damaged")
    table = list(_SECTION.iter_unpack(data[at : at + count * _SECTION.size]))
    strings = data[table[strings_at][4] : table[strings_at][4] + table[strings_at][5]]
    found: dict[str, Section] = {}
    for row in table:
        label = strings[row[0] :].partition(b"\0")[0].decode(errors="replace")
        one = Section(row[3], row[4], row[5], bool(row[2] & _EXECUTABLE))
        if row[1] != _NO_CONTENT and label not in found:
            if one.offset + one.size > len(data):
                size = one.offset + one.size
                raise LensError(f"{name}: section {label} ends past the file, at byte {size:,}")
            found[label] = one
    return found


def section(data: bytes, wanted: str, name: str) -> bytes:
    """The content of section *wanted* of an ELF file; LensError, with *name*, if there is no such section."""
    sections = named_sections(data, name)
    if wanted not in sections:
        raise LensError(f"{name} has no section {wanted}")
    return sections[wanted].of(data)


def segments(read: ReadAt, name: str) -> list[Segment]:
    """The memory segments of a core file, in file order; LensError if the headers are damaged."""
    fields = _header(read, name)
    at, section_at, entry_size, count = fields[4], fields[5], fields[8], fields[9]
    if count == _MANY_SEGMENTS and section_at:
        first_section = read(section_at, _SECTION.size)
        if len(first_section) == _SECTION.size:
            count = _SECTION.unpack(first_section)[7]
    if entry_size != _SEGMENT.size or count > MAX_HEADERS:
        raise LensError(
            f"{name}: {count} program headers of {entry_size} bytes are not valid for a core file"
        )
    table = read(at, count * _SEGMENT.size)
    if len(table) != count * _SEGMENT.size:
        raise LensError(f"{name}: its program headers are cut off")
    rows = _SEGMENT.iter_unpack(table)
    return [Segment(row[4], row[2], row[5]) for row in rows if row[0] == _PT_LOAD]
