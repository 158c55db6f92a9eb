"""The resources of physical memory in /proc/iomem."""

from __future__ import annotations

import tracemalloc

from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import IomemLine, MtrrRegister, Reservation
from pfnlab.diagnosis.inspector.parsing.memory_lists import (
    MTRR_LINE,
    IomemTable,
    is_memtype_line,
    mtrr_ranges,
    reservations,
)
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType

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


@for_each(
    ("line", "entry"),
    [
        (
            b"write-combining @ 0x4000000000-0x4010000000",
            Reservation(0x4000000000, 0x4010000000, CacheMode.WC),
        ),
        (
            b"PAT: [mem 0x0000001840000000-0x0000001c40000000] write-back",
            Reservation(0x1840000000, 0x1C40000000, CacheMode.WB),
        ),
        (b"uncached-minus @ 0xfed91000-0xfed92000", Reservation(0xFED91000, 0xFED92000, CacheMode.UC_MINUS)),
        (
            b"PAT: [mem 0x00000000fed00000-0x00000000fed01000] uncached",
            Reservation(0xFED00000, 0xFED01000, CacheMode.UC),
        ),
        (b"write-through @ 0x1000-0x0", Reservation(0x1000, 1 << 64, CacheMode.WT)),
    ],
)
def test_both_ends_of_both_forms_are_exclusive(line: bytes, entry: Reservation) -> None:
    """The newer form looks like a message's, and its end is no inclusive one."""
    found = reservations(b"PAT memtype list:\n" + line + b"\n")

    assert (entry,) == found


@for_each("before", [b"", b"$ "])
def test_the_header_is_a_line_of_the_list(before: bytes) -> None:
    """Also behind the rest of a prompt."""
    assert is_memtype_line(before + b"PAT memtype list:")


@for_each(
    "line",
    [
        b"write-combining @ 0x1000",
        b"write-combining @ 0x11111111111111111-0x2",
        b"PAT: [mem 0x1000-0x2000] write-twice",
        b"PAT: [mem 0x2000-0x1000] uncached",
        b"> PAT: [mem 0x1000-0x2000] uncached",
    ],
)
def test_other_lines_are_no_entries(line: bytes) -> None:
    """Also numbers of more than 64 bits, modes that are none, and ends before their starts."""
    assert ((), False) == (reservations(line), is_memtype_line(line))


@for_each(
    ("line", "register"),
    [
        (
            b"reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable",
            MtrrRegister(0xC0000000, 0x1_0000_0000, MtrrType.UC),
        ),
        (
            b"reg01: base=0xe5000000 (3664MB), size=  16MB: uncachable, count=1",
            MtrrRegister(0xE5000000, 0xE6000000, MtrrType.UC),
        ),
        (
            b"reg03: base=0x0ffde0000 ( 4093MB), size=  128KB, count=1: write-protect",
            MtrrRegister(0xFFDE0000, 0xFFE00000, MtrrType.WP),
        ),
        (
            b"reg00: base=0x000000000 (    0MB), size=131072MB, count=1: write-back",
            MtrrRegister(0, 128 << 30, MtrrType.WB),
        ),
        (
            b"reg00: base=0x00000000 (0 MB), size= 512: write-back, count=1",
            MtrrRegister(0, 512 << 20, MtrrType.WB),
        ),
    ],
)
def test_a_register_is_read_in_every_form(line: bytes, register: MtrrRegister) -> None:
    """With the count before or after the type, and with KB, MB or no unit."""
    assert (register,) == mtrr_ranges(line + b"\n")


def test_other_lines_are_no_registers() -> None:
    """As where the file says that there are none."""
    assert MTRR_LINE.fullmatch(b"reg00: base=0xzz") is None
