"""The resources of physical memory in /proc/iomem."""

from __future__ import annotations

import tracemalloc

from pfnlab.diagnosis.inspector.host_snapshot import IomemLine
from pfnlab.diagnosis.inspector.parsing.iomem import IomemTable

NESTED = b"""\
c8000000-f7ffffff : PCI Bus 0000:00
  e0000000-efffffff : 0000:00:02.0
    e0000000-e02fffff : BOOTFB
"""


def test_ends_are_inclusive_and_depth_is_the_indent() -> None:
    """Two blanks are one step."""
    assert (
        IomemLine(0xC8000000, 0xF8000000, "PCI Bus 0000:00", 0),
        IomemLine(0xE0000000, 0xF0000000, "0000:00:02.0", 1),
        IomemLine(0xE0000000, 0xE0300000, "BOOTFB", 2),
    ) == tuple(IomemTable(NESTED))


def test_zeros_alone_are_hidden_addresses() -> None:
    """The kernel prints them for a user who may not see addresses."""
    assert IomemTable(b"00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n").is_hidden


def test_a_first_page_is_not_hidden() -> None:
    """It begins at zero, and does not end there; neither is a file without lines."""
    found = IomemTable(b"00000000-00000fff : Reserved\n"), IomemTable(b"")

    assert [False, False] == [one.is_hidden for one in found]


def test_a_name_may_have_any_bytes() -> None:
    """A driver names its resource as it likes."""
    assert "a\x1b : \\xff" == IomemTable(b"00001000-00001fff : a\x1b : \xff\n")[0].name


def test_a_table_is_equal_to_its_lines() -> None:
    """Whoever compares snapshots need not know what holds them."""
    table = IomemTable(NESTED)

    assert (True, True, False) == (table == tuple(table), table == IomemTable(NESTED), table == table[:2])


def test_a_line_is_kept_in_a_few_bytes() -> None:
    """Of two million lines none is an object: beside the file there are its numbers alone."""
    data = b"".join(b" %08x-%08x : r%d\n" % (at << 12, (at << 12) + 4095, at) for at in range(50_000))
    tracemalloc.start()
    try:
        table = IomemTable(data)
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert (50_000, True) == (len(table), kept < 48 * 50_000), kept
