"""The resources of physical memory in /proc/iomem."""

from __future__ import annotations

from pfnlab.inspector.host_snapshot import IomemLine
from pfnlab.inspector.parsing.iomem import is_hidden, resources

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
    ) == resources(NESTED)


def test_zeros_alone_are_hidden_addresses() -> None:
    """The kernel prints them for a user who may not see addresses."""
    assert is_hidden(resources(b"00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n"))


def test_a_first_page_is_not_hidden() -> None:
    """It begins at zero, and does not end there; neither is a file without lines."""
    assert (False, False) == (is_hidden(resources(b"00000000-00000fff : Reserved\n")), is_hidden(()))


def test_a_name_may_have_any_bytes() -> None:
    """A driver names its resource as it likes."""
    assert "a\x1b : \\xff" == resources(b"00001000-00001fff : a\x1b : \xff\n")[0].name
