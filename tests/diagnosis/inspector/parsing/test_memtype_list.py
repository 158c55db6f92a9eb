"""The memtype list of debugfs in the forms of all versions."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import Reservation
from pfnlab.diagnosis.inspector.parsing.memtype_list import is_line, reservations
from pfnlab.kernel.hw.cachemode import CacheMode


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
    found, lines = reservations(b"PAT memtype list:\n" + line + b"\n")

    assert ((entry,), 2) == (found, lines)


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
    assert (((), 0), False) == (reservations(line), is_line(line))
