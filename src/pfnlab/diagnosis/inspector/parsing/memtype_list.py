"""The memtype list of debugfs (``x86/pat_memtype_list``) in the forms of all versions.

Until 5.5 a line is ``write-back @ 0xA-0xB``, later ``PAT: [mem 0xA-0xB] write-back``. Both ends are
exclusive, although the newer form looks like that of messages, where they are inclusive
(memtype_seq_show, arch/x86/mm/pat/memtype.c).
"""

from __future__ import annotations

import re

from pfnlab.diagnosis.inspector.host_snapshot import Reservation
from pfnlab.diagnosis.inspector.parsing.text_files import line_pieces
from pfnlab.kernel.hw.cachemode import CacheMode

#: The file.
PATH = "/sys/kernel/debug/x86/pat_memtype_list"

_MODES = {mode.cattr.encode(): mode for mode in CacheMode}
_MODE = rb"(?:write-(?:back|combining|through|protected)|uncached(?:-minus)?)"
_HEX = rb"0x([0-9a-f]{1,16})"

_NEW = re.compile(rb"^PAT: \[mem " + _HEX + b"-" + _HEX + rb"\] (" + _MODE + rb")[ \r]*$", re.MULTILINE)
_OLD = re.compile(rb"^(" + _MODE + b") @ " + _HEX + b"-" + _HEX + rb"[ \r]*$", re.MULTILINE)

#: The first line.
HEAD = b"PAT memtype list:"


def reservations(data: bytes) -> tuple[tuple[Reservation, ...], int]:
    """The entries in the order of the file, and how many of its lines are one or the head.

    An end of zero is the end of memory that is addressed with 64 bits, which wrapped. A range that ends
    before it begins is none.
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
    return tuple(found), len(found) + data.count(HEAD)


def is_line(line: bytes) -> bool:
    """True for an entry of either form, and for the head."""
    return line.strip() == HEAD or reservations(line)[1] == 1
