"""Other addresses keep every relation."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.memory_lists import IOMEM, MEMTYPES
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, Entry, written
from pfnlab.diagnosis.inspector.sources.redaction import redacted

_PAGES = st.tuples(st.integers(0x1000, 0x3000), st.integers(1, 0x400))
RANGES = st.lists(
    _PAGES.map(lambda one: (one[0] * PAGE_SIZE, (one[0] + one[1]) * PAGE_SIZE)), min_size=1, max_size=8
)
Ranges = list[tuple[int, int]]


def moved(kept: Ranges, others: Ranges) -> tuple[Ranges, Ranges]:
    """Reservations and memory, where a redacted bundle has them."""
    book = "".join(f"PAT: [mem {start:#018x}-{end % (1 << 64):#018x}] uncached\n" for start, end in kept)
    memory = "".join(f"{start:08x}-{end - 1:08x} : System RAM\n" for start, end in others)
    entries = [Entry("file", MEMTYPES, book.encode()), Entry("file", IOMEM, memory.encode())]

    snapshot = snapshot_of(Bundle(redacted(written(entries, [])), "b"))

    assert snapshot.book is not None and snapshot.resources is not None
    return [(one.start, one.end) for one in snapshot.book], [
        (one.start, one.end) for one in snapshot.resources
    ]


def relation(one: tuple[int, int], other: tuple[int, int]) -> tuple[bool, ...]:
    """How two ranges lie to each other."""
    return (
        *(one[at] < other[beside] for at, beside in product((0, 1), (0, 1))),
        *(one[at] == other[beside] for at, beside in product((0, 1), (0, 1))),
    )


@given(RANGES, RANGES)
def test_every_relation_stays(kept: Ranges, others: Ranges) -> None:
    """Order, nesting, touching and overlap of any two ranges."""
    found = moved(kept, others)

    before, after = [*kept, *others], [*found[0], *found[1]]
    assert [relation(*pair) for pair in product(before, before)] == [
        relation(*pair) for pair in product(after, after)
    ]


@given(RANGES, RANGES, st.integers(1, PAGE_SIZE - 1))
def test_sizes_of_kept_ranges_and_places_in_a_page_stay(kept: Ranges, others: Ranges, at: int) -> None:
    """Also of a range that begins or ends inside a page."""
    inside = [(start + at, end + at) for start, end in others]

    book, memory = moved(kept, inside)

    assert [end - start for start, end in kept] == [end - start for start, end in book]
    assert {(at, at)} == {(start % PAGE_SIZE, end % PAGE_SIZE) for start, end in memory}


@given(RANGES, RANGES)
def test_no_address_stays(kept: Ranges, others: Ranges) -> None:
    """None of a range is also one of another machine's."""
    book, memory = moved(kept, others)

    known = {end for pair in (*kept, *others) for end in pair}
    assert set() == known & {end for pair in (*book, *memory) for end in pair}


def test_ranges_move_by_different_amounts() -> None:
    """So one known address, like that of the IOAPIC, does not tell the others."""
    kept = [(at << 30, (at << 30) + PAGE_SIZE) for at in range(1, 9)]

    book, _ = moved(kept, [])

    assert len({one[0] - other[0] for one, other in zip(book, kept, strict=True)}) > 4


def test_addresses_below_the_first_megabyte_stay() -> None:
    """There all machines are alike."""
    low = [(0x1000, 0x9F000), (0xC0000, 0x100000)]

    assert low == moved([], low)[1]


def test_addresses_of_all_widths_move_by_whole_pages() -> None:
    """With no digit lost beyond the 53 bits of a double; the end of all addresses stays the end."""
    kept = [(at, at + PAGE_SIZE) for at in (0xFD_FC00_0000, 0xF_FFFF_FFFF_F000, 0xFEDC_BA98_7654_3000)]

    book, _ = moved([*kept, ((1 << 64) - PAGE_SIZE, 1 << 64)], [])

    assert [PAGE_SIZE] * 3 == [end - start for start, end in book[:3]]
    assert [0] * 3 == [(one[0] - other[0]) % (1 << 21) for one, other in zip(book[:3], kept, strict=True)]
    assert 1 << 64 == book[3][1]
