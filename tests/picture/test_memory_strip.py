"""Physical memory around a finding, as bars."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from pfnlab.inspector.around import MemoryRow
from pfnlab.picture.memory_strip import memory_strip

_RECT, _TEXT = "{http://www.w3.org/2000/svg}rect", "{http://www.w3.org/2000/svg}text"

ROWS = (
    MemoryRow("bar", "0x1000", "0x9000", "BAR 2"),
    MemoryRow("reservation", "0x1000", "0x5000", "reserved", "wc", found=True),
    MemoryRow("free", "0x5000", "0x9000", "not <reserved>"),
)


def test_what_covers_what_is_seen() -> None:
    """The BAR is as wide as both of its parts, which share a border."""
    svg = ElementTree.fromstring(memory_strip("t", ROWS))
    bar, entry, outline, free = (
        (float(rect.attrib["x"]), float(rect.attrib["width"])) for rect in svg.iter(_RECT)
    )

    assert entry == outline
    assert bar[1] == entry[1] + free[1]
    assert free[0] == entry[0] + entry[1]


def test_every_row_has_its_words() -> None:
    """The mode is written, and what was found says so; names go in as text."""
    svg = ElementTree.fromstring(memory_strip("t", ROWS))

    words = [element.text for element in svg.iter(_TEXT)]

    assert ["BAR 2, 32 KiB", "reserved wc, 16 KiB (found)", "not <reserved>, 16 KiB"] == words[:3]
    assert ["0x1000", "0x5000", "0x9000"] == words[3:]
