"""The regions of a PCI device in physical memory, as resources have them (include/linux/ioport.h)."""

import re
from collections.abc import Sequence

import msgspec

#: A line of the sysfs file ``resource``: first byte, last byte, flags.
RESOURCE_LINE = re.compile(rb"^0x([0-9a-f]{16}) 0x([0-9a-f]{16}) 0x([0-9a-f]{16})[ \r]*$", re.MULTILINE)

# Of a resource's flags: memory, prefetchable, without an address yet.
_MEMORY, _PREFETCH, _UNSET = 0x200, 0x2000, 0x2000_0000

#: Windows of a bridge, the last of its resources: they are no memory of its own.
_WINDOWS = 4


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A region of a PCI device in memory, in bytes: *start* up to *end*.

    :param number: 0 to 5; 6 is the expansion ROM, from 7 on those of virtual functions
    """

    number: int
    start: int
    end: int
    prefetchable: bool = False


def bar_of(number: int, start: int, last: int, flags: int) -> Bar | None:
    """The region of a resource; None where that is no memory, or has no address.

    :param last: its last byte
    """
    if flags & _MEMORY and not flags & _UNSET and last > start:
        return Bar(number, start, last + 1, bool(flags & _PREFETCH))
    return None


def bars(data: bytes, *, bridge: bool = False) -> tuple[Bar, ...]:
    """The regions in memory of a file ``resource``; their numbers are those of its lines.

    :param bridge: the last lines are windows to what is behind it
    """
    lines: Sequence[tuple[bytes, bytes, bytes]] = RESOURCE_LINE.findall(data)
    if bridge and len(lines) > 7 + _WINDOWS - 1:
        lines = lines[:-_WINDOWS]
    found = (bar_of(number, *(int(text, 16) for text in texts)) for number, texts in enumerate(lines))
    return tuple(bar for bar in found if bar is not None)
