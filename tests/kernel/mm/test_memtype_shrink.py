"""shrink_pfn_range: what no kernel can do, a reservation of which only parts stay."""

from for_each import for_each
from memtype_machine import BAR, MACHINE, UC_MINUS, WC, WHO, WITHOUT_PAT, P, bar, book_of

from pfnlab.base.trace import Trace
from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry

BASE = phys_to_pfn(BAR)


def shrink(book: MemtypeBook, first: int, end: int, *rest: tuple[int, int]) -> None:
    """Leave only *rest* of the reservation of these pages of the BAR."""
    kept = [PfnRange(BASE + start, BASE + stop) for start, stop in rest]
    book.shrink_pfn_range(BAR + first * P, (end - first) * P, kept, who=WHO)
    book._check()


@for_each("rest", [[], [(0, 1)], [(0, 1), (2, 4)], [(1, 2), (3, 4)]])
def test_the_rest_keeps_its_mode(rest: list[tuple[int, int]]) -> None:
    """Each part is an entry of its own, and nothing is logged."""
    book = book_of()
    book.reserve(BAR, BAR + 4 * P, WC, who=WHO)

    shrink(book, 0, 4, *rest)

    assert [bar(start, end, WC) for start, end in rest] == book.entries()
    assert [] == book.trace.log


def test_others_are_left_alone() -> None:
    """Of two equal reservations one shrinks, and what overlaps stays."""
    book = book_of()
    for end in (4, 4, 6):
        book.reserve(BAR, BAR + end * P, UC_MINUS, who=WHO)

    shrink(book, 0, 4, (2, 4))

    assert [bar(0, 4, UC_MINUS), bar(0, 6, UC_MINUS), bar(2, 4, UC_MINUS)] == book.entries()


@for_each("end_match", [False, True])
def test_only_what_was_reserved(end_match: bool) -> None:
    """A range that is no entry is freed in vain, whatever the era; the tail of one is not taken for it."""
    book = book_of(end_match=end_match)
    book.reserve(BAR, BAR + 4 * P, WC, who=WHO)

    shrink(book, 2, 4, (2, 3))

    assert [bar(0, 4, WC)] == book.entries()
    assert ["freeing invalid memtype" in line for line in book.trace.log] == [True]


@for_each(("platform", "start"), [(WITHOUT_PAT, BAR), (MACHINE, 0x200000)])
def test_ram_and_no_pat(platform: Platform, start: int) -> None:
    """Where nothing was booked nothing is looked for."""
    book = MemtypeBook(platform, Trace(), end_match=False)

    book.shrink_pfn_range(start, 4 * P, [PfnRange(phys_to_pfn(start), phys_to_pfn(start) + 1)], who=WHO)

    assert ([], []) == (book.entries(), book.trace.log)


@for_each("start", [(1 << 52) - 4 * P, (1 << 53) + BAR])
def test_addresses_are_those_of_the_reservation(start: int) -> None:
    """Also of the last pages of physical memory, and of pages behind it."""
    book = book_of()
    book.reserve(start, start + 4 * P, WC, who=WHO)
    first = phys_to_pfn(start)

    book.shrink_pfn_range(start, 4 * P, [PfnRange(first + 2, first + 4)], who=WHO)

    masked = start & ((1 << 52) - 1)
    assert [MemtypeEntry(masked + 2 * P, masked + 4 * P, WC)] == book.entries()
    assert [] == book.trace.log
