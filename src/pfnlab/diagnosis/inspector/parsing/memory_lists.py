"""Lists of physical memory, in the format of every version: resources, the memtype list and MTRRs.

/proc/iomem is nested, and its ends are inclusive. In the debugfs memtype list (``x86/pat_memtype_list``) a
line is ``write-back @ 0xA-0xB`` until 5.5 and ``PAT: [mem 0xA-0xB] write-back`` later. The end is exclusive
in both, although the newer form looks like kernel messages, where it is inclusive (memtype_seq_show,
arch/x86/mm/pat/memtype.c).
"""

import re
from array import array
from collections.abc import Sequence
from operator import eq
from typing import overload

from pfnlab.diagnosis.inspector.host_snapshot import IomemLine, MtrrRegister, Reservation
from pfnlab.diagnosis.inspector.parsing.text_files import decoded, line_pieces
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType

IOMEM = "/proc/iomem"
#: A line; an unnamed resource is ``<BAD>``.
IOMEM_LINE = re.compile(rb"^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : ([^\n]*)$", re.MULTILINE)


class IomemTable(Sequence[IomemLine]):
    """The lines of a file, created on access because there may be two million."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts, self._lasts, self._names = array("Q"), array("Q"), array("Q")
        self._lengths, self._depths = array("I"), array("I")
        before = 0
        for piece in line_pieces(data):
            for found in IOMEM_LINE.finditer(piece):
                blanks, start, last, _ = found.groups()
                self._starts.append(int(start, 16))
                self._lasts.append(int(last, 16))
                self._names.append(before + found.start(4))
                self._lengths.append(found.end() - found.start(4))
                self._depths.append(len(blanks) // 2)
            before += len(piece)

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, at: int) -> IomemLine: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[IomemLine, ...]: ...
    def __getitem__(self, at: int | slice) -> IomemLine | tuple[IomemLine, ...]:
        if isinstance(at, slice):
            return tuple(self[one] for one in range(*at.indices(len(self))))
        place = self._names[at]
        name = decoded(self._data[place : place + self._lengths[at]]).rstrip("\r")
        return IomemLine(self._starts[at], self._lasts[at] + 1, name, self._depths[at])

    def __eq__(self, other: object) -> bool:
        """True for any sequence of the same lines."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    __hash__ = None  # type: ignore[assignment]

    @property
    def is_hidden(self) -> bool:
        """True if every address is zero: the kernel shows addresses only to root."""
        return len(self) > 0 and not any(self._starts) and not any(self._lasts)


MEMTYPES = "/sys/kernel/debug/x86/pat_memtype_list"
_MODES = {mode.cattr.encode(): mode for mode in CacheMode}
_MODE = rb"(?:write-(?:back|combining|through|protected)|uncached(?:-minus)?)"
_HEX = rb"0x([0-9a-f]{1,16})"
_NEW = re.compile(rb"^PAT: \[mem " + _HEX + b"-" + _HEX + rb"\] (" + _MODE + rb")[ \r]*$", re.MULTILINE)
_OLD = re.compile(rb"^(" + _MODE + b") @ " + _HEX + b"-" + _HEX + rb"[ \r]*$", re.MULTILINE)
MEMTYPES_HEAD = b"PAT memtype list:"


def reservations(data: bytes) -> tuple[Reservation, ...]:
    """Return the entries in order.

    An end of zero is the end of the 64-bit address space, wrapped around.
    A range that ends before it begins is not an entry.
    """
    modes, end_of_all = _MODES, 1 << 64
    found = [
        Reservation(first, last, modes[mode])
        for piece in (line_pieces(data) if b": [mem " in data else ())
        for start, end, mode in _NEW.findall(piece)
        if (first := int(start, 16)) < (last := int(end, 16) or end_of_all)
    ]
    found += [
        Reservation(first, last, modes[mode])
        for piece in (line_pieces(data) if b" @ " in data else ())
        for mode, start, end in _OLD.findall(piece)
        if (first := int(start, 16)) < (last := int(end, 16) or end_of_all)
    ]
    return tuple(found)


def is_memtype_line(line: bytes) -> bool:
    """True for an entry in either form, and for the header."""
    return line.count(MEMTYPES_HEAD) + len(reservations(line)) == 1


MTRRS = "/proc/mtrr"

#: Types as the kernel spells them (mtrr_attrib_to_str).
MTRR_TYPES = {
    b"uncachable": MtrrType.UC,
    b"write-combining": MtrrType.WC,
    b"write-through": MtrrType.WT,
    b"write-protect": MtrrType.WP,
    b"write-back": MtrrType.WB,
}

_UNITS = {b"": 20, b"K": 10, b"M": 20, b"G": 30}

#: Newer kernels print the count before the type, older ones after it; some old ones omit MB.
MTRR_LINE = re.compile(
    rb"^reg[0-9]+: base=0x([0-9a-f]{1,16}) \( *[0-9]+ ?[KMG]?B?\), size= *([0-9]{1,12}) ?([KMG]?)B?"
    rb"(?:, count=[0-9]+: ([a-z-]+)|: ([a-z-]+), count=[0-9]+)[ \r]*$",
    re.MULTILINE,
)


def mtrr_ranges(data: bytes) -> tuple[MtrrRegister, ...]:
    """Return the registers in use, by number; types that the kernel does not name are skipped."""
    found = []
    for base, size, unit, new, old in MTRR_LINE.findall(data):
        kind = MTRR_TYPES.get(new or old)
        if kind is not None:
            start = int(base, 16)
            found.append(MtrrRegister(start, start + (int(size) << _UNITS[unit]), kind))
    return tuple(found)
