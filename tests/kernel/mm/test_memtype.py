"""S2 and the worked examples of S11 that concern only the book."""

import pytest
from for_each import for_each
from memtype_machine import (
    BAR,
    MACHINE,
    UC,
    UC_MINUS,
    WB,
    WC,
    WHO,
    WITHOUT_PAT,
    WP,
    WRITE_BACK_BAR,
    WT,
    P,
    bar,
    book_of,
)

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.trace import Event, Trace
from pfnlab.kernel.hw.bits import PAGE_RW
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry
from pfnlab.kernel.mm.processors import Call, Need, Operation, Processors

ERAS = for_each("end_match", [False, True], ids=["exact", "end match"])
RAM = 0x200000


def reserve(book: MemtypeBook, first: int, end: int, mode: CacheMode) -> CacheMode:
    """Reserve pages of the BAR."""
    return book.reserve(BAR + first * P, BAR + end * P, mode, who=WHO)


def free(book: MemtypeBook, first: int, end: int) -> bool:
    """Free pages of the BAR."""
    return book.free(BAR + first * P, BAR + end * P, who=WHO)


def map_pfns(book: MemtypeBook, paddr: int, nr: int, mode: CacheMode, *, strict: bool = False) -> CacheMode:
    """The mode with which *nr* pages at *paddr* get mapped when asked for with *mode*."""
    prot = PAGE_RW | FULL_PAT.cachemode2protval(mode)
    got = book.reserve_pfn_range(paddr, nr * P, prot, strict=strict, who=WHO)
    assert PAGE_RW == got & PAGE_RW
    return FULL_PAT.pgprot2cachemode(got)


# S11


def test_vector_1_to_3_later_mappings_adopt_write_combining() -> None:
    """Write-back and UC- requests over a WC entry are booked WC, without a word."""
    book = book_of()

    granted = [map_pfns(book, BAR, 4, WC), map_pfns(book, BAR, 4, WB), map_pfns(book, BAR, 2, UC_MINUS)]

    assert [WC, WC, WC] == granted
    assert [bar(0, 4, WC), bar(0, 4, WC), bar(0, 2, WC)] == book.entries()
    assert [] == book.trace.log
    book._check()


def test_vector_4_freeing_the_head_first_leaks() -> None:
    """In the older era a freed head is refused and a freed tail leaves the head booked for ever."""
    book = book_of(end_match=True)
    reserve(book, 0, 4, WC)

    freed = [free(book, 0, 1), free(book, 1, 4)]

    assert [False, True] == freed
    assert ["x86/PAT: demo:100 freeing invalid memtype [mem 0xfd000000-0xfd000fff]"] == book.trace.log
    assert [bar(0, 1, WC)] == book.entries()
    book._check()


def test_vector_5_freeing_the_tail_first_is_clean() -> None:
    """In the older era a freed tail shrinks the entry, so that the rest matches it."""
    book = book_of(end_match=True)
    reserve(book, 0, 4, WC)

    freed = [free(book, 3, 4), free(book, 0, 3)]

    assert [True, True] == freed
    assert [] == book.entries()
    book._check()


def test_vector_6_a_hole_leaks_the_front() -> None:
    """Freeing the middle and then the sides leaves the first two pages booked in the older era."""
    book = book_of(end_match=True)
    reserve(book, 0, 4, WC)

    freed = [free(book, 1, 2), free(book, 0, 1), free(book, 2, 4)]

    assert [False, False, True] == freed
    assert [
        "x86/PAT: demo:100 freeing invalid memtype [mem 0xfd001000-0xfd001fff]",
        "x86/PAT: demo:100 freeing invalid memtype [mem 0xfd000000-0xfd000fff]",
    ] == book.trace.log
    assert [bar(0, 2, WC)] == book.entries()
    book._check()


def test_newer_era_frees_only_what_was_reserved() -> None:
    """Without the end match a freed tail is as invalid as a freed head."""
    book = book_of()
    reserve(book, 0, 4, WC)

    freed = [free(book, 3, 4), free(book, 0, 1), free(book, 0, 4)]

    assert [False, False, True] == freed
    assert [] == book.entries()
    book._check()


@for_each(("req", "text"), [(UC_MINUS, "uncached-minus"), (WB, "write-back")])
def test_vector_7_bridging_two_types_is_refused(req: CacheMode, text: str) -> None:
    """A range over a WC and a UC- entry conflicts; the log names both and what was asked."""
    book = book_of()
    reserve(book, 0, 1, WC)
    reserve(book, 1, 2, UC_MINUS)

    with pytest.raises(ModelledErrno, match="EBUSY"):
        map_pfns(book, BAR, 2, req)

    assert [
        "x86/PAT: demo:100 conflicting memory types fd000000-fd002000 write-combining<->uncached-minus",
        f"x86/PAT: memtype_reserve failed [mem 0xfd000000-0xfd001fff], track uncached-minus, req {text}",
    ] == book.trace.log
    assert [bar(0, 1, WC), bar(1, 2, UC_MINUS)] == book.entries()
    book._check()


@ERAS
def test_vector_8_write_back_is_too_strong_for_a_device(end_match: bool) -> None:
    """UC- over a write-back entry is refused, and the temporary entry is gone again."""
    book = book_of(WRITE_BACK_BAR, end_match=end_match)
    reserve(book, 0, 1, WB)

    with pytest.raises(ModelledErrno, match="EINVAL"):
        map_pfns(book, BAR, 1, UC_MINUS)

    assert [
        "x86/PAT: demo:100 map pfn expected mapping type uncached-minus "
        "for [mem 0xfd000000-0xfd000fff], got write-back"
    ] == book.trace.log
    assert [bar(0, 1, WB)] == book.entries()
    book._check()


def test_vector_12_low_ram_is_booked_write_back() -> None:
    """RAM below 1 MiB counts as non-RAM, so mapping it is booked, WB by the fixed MTRR."""
    book = book_of()

    granted = map_pfns(book, 0x9E000, 1, WB)

    assert WB == granted
    assert [MemtypeEntry(0x9E000, 0x9F000, WB)] == book.entries()
    book._check()


def test_vector_12_isa_hole_is_never_booked() -> None:
    """Inside the ISA hole any request is granted as write-back and leaves no entry."""
    book = book_of()

    granted = map_pfns(book, 0xA0000, 1, UC_MINUS)

    assert WB == granted
    assert WB == book.lookup(0xA0000)
    assert [] == book.entries()
    book._check()


@for_each(("merged_map", "mode"), [(False, WB), (True, UC_MINUS)])
def test_vector_12_half_in_the_hole_is_booked(merged_map: bool, mode: CacheMode) -> None:
    """A range that begins before the hole is one entry; its type depends on how MTRRs are read."""
    book = MemtypeBook(MACHINE, Trace(), end_match=False, mtrr_merged_map=merged_map)

    book.reserve(0x9F000, 0xA1000, WB, who=WHO)

    assert [MemtypeEntry(0x9F000, 0xA1000, mode)] == book.entries()
    book._check()


@ERAS
def test_vector_18_equal_entries_go_one_by_one(end_match: bool) -> None:
    """Two mappings of the same page are two entries, and each free takes one."""
    book = book_of(end_match=end_match)
    reserve(book, 0, 1, UC_MINUS)
    reserve(book, 0, 1, UC_MINUS)

    left = [(free(book, 0, 1), len(book.entries())) for _ in range(2)]

    assert [(True, 1), (True, 0)] == left
    assert [] == book.trace.log
    book._check()


# S2.2 to S2.4


def test_shrunk_entry_moves_behind_its_equals() -> None:
    """Of two equal entries the first is shrunk and then stands second (measured)."""
    book = book_of(end_match=True)
    reserve(book, 0, 8, WC)
    reserve(book, 0, 8, WC)

    free(book, 6, 8)

    assert [bar(0, 8, WC), bar(0, 6, WC)] == book.entries()
    book._check()


def test_exact_match_comes_before_end_match() -> None:
    """An entry with the very bounds goes, though an earlier one ends there too."""
    book = book_of(end_match=True)
    reserve(book, 0, 8, WC)
    reserve(book, 6, 8, WC)

    free(book, 6, 8)

    assert [bar(0, 8, WC)] == book.entries()
    book._check()


def test_exact_reservation_refuses_another_type() -> None:
    """A caller that insists on its mode conflicts where another would adopt."""
    book = book_of()
    reserve(book, 0, 2, WC)

    with pytest.raises(ModelledErrno, match="EBUSY"):
        book.reserve_exact(BAR, BAR + P, UC_MINUS, who=WHO)

    assert [
        "x86/PAT: demo:100 conflicting memory types fd000000-fd001000 uncached-minus<->write-combining",
        "x86/PAT: memtype_reserve failed [mem 0xfd000000-0xfd000fff], "
        "track uncached-minus, req uncached-minus",
    ] == book.trace.log
    book._check()


def test_empty_range_warns() -> None:
    """Nothing to reserve is a bug of the caller's."""
    book = book_of()

    with pytest.raises(ModelledErrno, match="EINVAL"):
        book.reserve(BAR, BAR, WC, who=WHO)

    assert [
        "memtype_reserve failed: [mem 0xfd000000-0xfcffffff], req write-combining",
        "WARNING at arch/x86/mm/pat/memtype.c",
    ] == book.trace.log
    book._check()


def test_mixed_range_is_refused_silently() -> None:
    """A range that runs from below 1 MiB into RAM is neither, and nothing is logged."""
    book = book_of()

    with pytest.raises(ModelledErrno, match="EINVAL"):
        book.reserve(0x9F000, 0x101000, WC, who=WHO)

    assert not book.free(0x9F000, 0x101000, who=WHO)
    assert [] == book.trace.log
    book._check()


def test_addresses_beyond_the_physical_bits_wrap() -> None:
    """Bits above bit 51 do not count, neither in reserving nor in freeing."""
    book = book_of()

    book.reserve((1 << 52) + BAR, (1 << 52) + BAR + P, WC, who=WHO)

    assert [bar(0, 1, WC)] == book.entries()
    assert book.free((1 << 53) + BAR, (1 << 53) + BAR + P, who=WHO)
    book._check()


def test_end_of_the_address_space_cannot_be_freed() -> None:
    """Freeing masks the end to 0, which passes for the ISA hole: success, and the entry stays."""
    book = book_of()
    top = MemtypeEntry((1 << 52) - P, 1 << 52, WC)
    book.reserve(top.start, top.end, WC, who=WHO)

    freed = book.free(top.start, top.end, who=WHO)

    assert freed
    assert [top] == book.entries()
    book._check()


def test_events_are_the_two_kernel_functions() -> None:
    """Every call of memtype_reserve() is an event, and every search for an entry to erase."""
    book = book_of()
    reserve(book, 0, 4, WC)
    free(book, 0, 4)

    events, _ = book.trace.take()

    assert [
        Event("memtype_reserve", 0xFD000, 0xFD004),
        Event("memtype_erase", 0xFD000, 0xFD004),
    ] == events


def test_pat_disabled_books_nothing() -> None:
    """Without PAT everything is granted as asked and the list is not even there (S1.10.3)."""
    book = book_of(WITHOUT_PAT)

    granted = reserve(book, 0, 4, WC), map_pfns(book, RAM, 1, UC_MINUS)

    assert (WC, UC_MINUS) == granted
    assert free(book, 0, 2)
    assert ([], "") == (book.entries(), book.debugfs())
    book._check()


# S2.5, S2.8, S2.9: RAM and the direct map


def test_ram_pages_carry_their_type_outside_the_list() -> None:
    """A reservation of RAM shows in lookups and not in debugfs; freeing makes it WB again."""
    book = book_of()

    book.reserve_exact(RAM, RAM + 2 * P, WC, who=WHO)

    assert ([], WC) == (book.entries(), book.lookup(RAM + P))
    assert book.free(RAM + P, RAM + 2 * P, who=WHO)
    assert [MemtypeEntry(RAM, RAM + P, WC)] == book.ram_types()
    book._check()


def test_ram_reservations_do_not_nest() -> None:
    """Even the same type again is refused, with both types in hex."""
    book = book_of()
    book.reserve_exact(RAM + P, RAM + 2 * P, UC_MINUS, who=WHO)

    with pytest.raises(ModelledErrno, match="EBUSY"):
        book.reserve(RAM, RAM + 4 * P, UC_MINUS, who=WHO)

    assert [
        "x86/PAT: reserve_ram_pages_type failed [mem 0x00200000-0x00203fff], track 0x2, req 0x2"
    ] == book.trace.log
    book._check()


def test_ram_cannot_be_write_protected() -> None:
    """Page flags have no room for WP."""
    book = book_of()

    with pytest.raises(ModelledErrno, match="EINVAL"):
        book.reserve(RAM, RAM + P, WP, who=WHO)

    book._check()


def test_uncached_ram_becomes_uncached_minus_and_warns_once() -> None:
    """UC on RAM is stored as UC-, and the kernel complains the first time."""
    book = book_of()

    granted = [book.reserve(RAM + i * P, RAM + (i + 1) * P, UC, who=WHO) for i in range(2)]

    assert [UC_MINUS, UC_MINUS] == granted
    assert ["WARNING at arch/x86/mm/pat/memtype.c"] == book.trace.log
    book._check()


def test_the_direct_map_that_follows_waits_for_every_processor() -> None:
    """It does the first time; when it has the mode there is nothing to flush (S2.8.5)."""
    processors = Processors()
    book = MemtypeBook(MACHINE, Trace(), end_match=True, processors=processors)

    def elsewhere() -> None:
        with processors.inside("unmap_vmas"):
            pass

    waits = []
    for _ in range(2):
        processors.begin(Operation("main", elsewhere, hold=Call("unmap_vmas")))
        follow = Operation("t", lambda: book.kernel_map_sync(0x10000, P, UC_MINUS))
        processors.begin(follow)
        waits.append(follow.waits)
        processors.release()

    assert [Need.IPI, None] == waits


def test_the_last_page_could_not_be_reserved_before_5_15() -> None:
    """C05: its end wrapped to 0, so the range was empty."""
    book = MemtypeBook(MACHINE, Trace(), end_match=True, reserve_keeps_top=False)

    with pytest.raises(ModelledErrno):
        book.reserve((1 << 52) - P, 1 << 52, WC, who=WHO)
    assert ([], True) == (book.entries(), "memtype_reserve failed" in book.trace.log[0])


def test_neighbours_overlapped_while_ends_were_searched() -> None:
    """C02: an entry that begins where a range ends was taken for a part of it (not confirmed on a kernel)."""
    book = MemtypeBook(MACHINE, Trace(), end_match=True, neighbours_apart=False)

    reserve(book, 4, 8, UC_MINUS)

    assert (UC_MINUS, UC_MINUS) == (reserve(book, 0, 4, WC), book.lookup(BAR + 3 * P))
    assert WC == reserve(book, 8, 12, WC)


@for_each(
    ("modes", "last"),
    [
        ((WC, UC_MINUS), UC),
        ((UC_MINUS, WC), WC),
        ((WT, UC_MINUS), WT),
        ((UC, UC_MINUS), UC_MINUS),
        ((WC, UC_MINUS, WB), WB),
        ((UC_MINUS, WT), WT),
    ],
)
def test_the_direct_map_only_gains_bits_of_some_modes(modes: tuple[CacheMode, ...], last: CacheMode) -> None:
    """UC- and WT are added to what is there, WB and WC replace it (S2.9.6)."""
    book = book_of()

    for mode in modes:
        book.kernel_map_sync(RAM, P, mode)

    assert last is book.direct_map(RAM)
    book._check()
