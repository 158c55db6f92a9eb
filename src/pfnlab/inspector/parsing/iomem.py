"""The resources of physical memory: /proc/iomem, nested, with inclusive ends."""

from __future__ import annotations

import re

from pfnlab.inspector.host_snapshot import IomemLine
from pfnlab.inspector.parsing.text_files import decoded

#: The file.
PATH = "/proc/iomem"

#: A line; a resource without a name is ``<BAD>``.
LINE = re.compile(rb"^( *)([0-9a-f]{1,16})-([0-9a-f]{1,16}) : ([^\n]*)$", re.MULTILINE)


def resources(data: bytes) -> tuple[IomemLine, ...]:
    """The lines as resources, half-open, in their order."""
    names: dict[bytes, str] = {}
    found = []
    for blanks, start, end, name in LINE.findall(data):
        text = names.get(name)
        if text is None:
            text = names[name] = decoded(name).rstrip("\r")
        found.append(IomemLine(int(start, 16), int(end, 16) + 1, text, len(blanks) // 2))
    return tuple(found)


def is_hidden(found: tuple[IomemLine, ...]) -> bool:
    """True where every address is zero: the kernel shows them to the superuser alone."""
    return bool(found) and all(one.start == 0 and one.end == 1 for one in found)
