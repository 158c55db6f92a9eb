"""Mappings of page frames in /proc/PID/smaps and /proc/PID/maps, and the device files a process has open.

A VMA is of interest where its flags have ``pf`` (VM_PFNMAP) or ``io`` (VM_IO), or where it maps a file of
which page frames can be mapped. The clock pages that the kernel maps into every process ([vvar]) are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pfnlab.diagnosis.inspector.parsing.text_files import line_pieces

#: Files whose mappings, and open descriptors, are of interest.
DEVICE_FILE = (
    rb"(?:/dev/(?:mem|kfd|hpet|fb[0-9]+|dri/|nvidia|uio[0-9]|infiniband/|vfio/|accel/)"
    rb"|/proc/bus/pci/|/sys/devices/[^\n]*/resource[0-9]|anon_inode:\[vfio-device\])"
)

#: A line of maps that is of interest by its file; smaps has the same.
_OF_FILE = re.compile(
    rb"^[0-9a-f]{1,16}-[0-9a-f]{1,16} [rwxsp-]{4} [0-9a-f]{1,16} [0-9a-f]+:[0-9a-f]+ [0-9]+ +"
    + DEVICE_FILE
    + rb"[^\n]*$"
)

#: What a line of interest by its file has in it.
_PARTS = (b"/dev/", b"/proc/bus/pci/", b"/resource", b"anon_inode:[vfio-device]")

_OF_FLAGS = re.compile(rb"^VmFlags:[^\n]* (?:pf|io)(?= |$)[^\n]*$", re.MULTILINE)
_FLAGS = re.compile(rb"^VmFlags:([^\n]*)$", re.MULTILINE)

_DIGITS = b"0123456789abcdef"

#: A line of maps; its path may have any byte but the end of a line.
HEAD = re.compile(
    rb"^([0-9a-f]{1,16})-([0-9a-f]{1,16}) ([rwxsp-]{4}) ([0-9a-f]{1,16}) [0-9a-f]+:[0-9a-f]+ ([0-9]+)"
    rb"(?: +([^\n]*))?$",
    re.MULTILINE,
)

#: The same, with the line of flags after it.
_VMA = re.compile(HEAD.pattern[:-1] + rb"(?:\n(VmFlags:[ a-z0-9?]*))?$", re.MULTILINE)

#: The lines of a trimmed file, for the check of a bundle.
TRIMMED_LINE = re.compile(HEAD.pattern[1:-1] + rb"|VmFlags:[ a-z0-9?]*")

#: One of them in parts.
Vma = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes]

_OPEN = re.compile(DEVICE_FILE)

_CLOCK = b"[vvar"


def is_device_file(target: str) -> bool:
    """True for the file of an open descriptor that is of interest."""
    return _OPEN.match(target.encode("utf-8", "surrogateescape")) is not None


def trimmed(data: bytes) -> bytes:
    """The VMAs of interest of a file maps or smaps: of each its line, and the one with its flags.

    A trimmed file stays as it is. Nothing is done for the lines of other VMAs, which are nearly all.
    """
    heads: dict[int, int] = {}
    for found in _OF_FLAGS.finditer(data):
        at = _head_before(data, found.start())
        if at is not None and _CLOCK not in data[at : data.find(b"\n", at)]:
            heads[at] = found.start()
    for part in _PARTS:
        if part in data:
            heads.update((at, -1) for at in _lines_with(data, part) if at not in heads)
    kept = []
    for at in sorted(heads):
        end = _line_end(data, at)
        kept.append(data[at:end])
        flags = heads[at] if heads[at] >= 0 else _flags_after(data, end)
        if flags is not None:
            kept.append(data[flags : _line_end(data, flags)])
    return b"\n".join((*kept, b"")) if kept else b""


def vmas(data: bytes) -> Iterator[Vma]:
    """The VMAs of a trimmed file: start, end, permissions, offset, inode, path and the line of flags.

    A path or a line that is not there is empty.
    """
    for piece in line_pieces(data, _DIGITS):
        yield from _VMA.findall(piece)


def is_trimmed(data: bytes, count: int) -> bool:
    """True where a file has no lines but those of the VMAs in it, of which there are *count*."""
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return lines == count + data.count(b"\nVmFlags:")


def is_of_interest(path: bytes, flags: bytes) -> bool:
    """True for a VMA of this file, with this line of flags."""
    return _OPEN.match(path) is not None or (_OF_FLAGS.match(flags) is not None and _CLOCK not in path)


def _head_before(data: bytes, at: int) -> int | None:
    # Fields of smaps begin with a capital, the line of the VMA with a digit; there are about 25 between.
    for _ in range(64):
        if at <= 0:
            return None
        at = data.rfind(b"\n", 0, at - 1) + 1
        if data[at : at + 1] in _DIGITS:
            return at
    return None


def _lines_with(data: bytes, part: bytes) -> Iterator[int]:
    at = data.find(part)
    while at >= 0:
        start, end = data.rfind(b"\n", 0, at) + 1, _line_end(data, at)
        if _OF_FILE.match(data[start:end]):
            yield start
        at = data.find(part, end)


def _flags_after(data: bytes, at: int) -> int | None:
    # Of the next fields, up to the next VMA.
    found = _FLAGS.search(data, at, at + 4096)
    if found is None:
        return None
    between = HEAD.search(data, at, found.start())
    return found.start() if between is None else None


def _line_end(data: bytes, at: int) -> int:
    end = data.find(b"\n", at)
    return end if end >= 0 else len(data)
