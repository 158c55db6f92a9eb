"""A PCI device's memory regions, read from its resources (include/linux/ioport.h)."""

import re
from collections.abc import Sequence

import msgspec

#: A line in the sysfs file ``resource``: first byte, last byte, flags.
RESOURCE_LINE = re.compile(rb"^0x([0-9a-f]{16}) 0x([0-9a-f]{16}) 0x([0-9a-f]{16})[ \r]*$", re.MULTILINE)

# Resource flags: memory, prefetchable, no address assigned yet.
_MEMORY, _PREFETCH, _UNSET = 0x200, 0x2000, 0x2000_0000

#: A bridge's windows, which are its last resources and not its own memory.
_WINDOWS = 4


class Bar(msgspec.Struct, frozen=True, gc=False):
    """A PCI device's memory region: bytes *start* up to but not including *end*.

    :param number: 0 to 5; 6 is the expansion ROM; 7 and up belong to virtual functions
    """

    number: int
    start: int
    end: int
    prefetchable: bool = False


def bar_of(number: int, start: int, last: int, flags: int) -> Bar | None:
    """The region described by a resource; None if it is not memory or has no address.

    :param last: its last byte
    """
    if flags & _MEMORY and not flags & _UNSET and last > start:
        return Bar(number, start, last + 1, bool(flags & _PREFETCH))
    return None


def bars(data: bytes, *, bridge: bool = False) -> tuple[Bar, ...]:
    """The memory regions in *data*, the content of a ``resource`` file, numbered by line.

    :param bridge: the device is a bridge, whose last lines are windows to the devices below it
    """
    lines: Sequence[tuple[bytes, bytes, bytes]] = RESOURCE_LINE.findall(data)
    if bridge and len(lines) > 7 + _WINDOWS - 1:
        lines = lines[:-_WINDOWS]
    found = (bar_of(number, *(int(text, 16) for text in texts)) for number, texts in enumerate(lines))
    return tuple(bar for bar in found if bar is not None)
