"""S2.10: reservations made for a mapping, and what is granted instead of what was asked."""

import pytest
from for_each import for_each
from memtype_machine import BAR, UC_MINUS, WB, WC, WHO, WRITE_BACK_BAR, WT, P, bar, book_of

from pfnlab.base.errors import ModelledErrno
from pfnlab.kernel.hw.bits import PAGE_RW
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pat import FULL_PAT
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry

RAM = 0x200000


def reserve_pfn_range(
    book: MemtypeBook, paddr: int, nr: int, mode: CacheMode, strict: bool = False
) -> CacheMode:
    """The mode granted for *nr* pages at *paddr*."""
    prot = PAGE_RW | FULL_PAT.cachemode2protval(mode)
    got = book.reserve_pfn_range(paddr, nr * P, prot, strict=strict, who=WHO)
    return FULL_PAT.pgprot2cachemode(got)


def test_write_back_over_mmio_becomes_uncached_minus() -> None:
    """The MTRRs say the BAR is not WB, so it is booked and mapped UC-, silently (a)."""
    book = book_of()

    granted = reserve_pfn_range(book, BAR, 4, WB)

    assert UC_MINUS == granted
    assert ([bar(0, 4, UC_MINUS)], []) == (book.entries(), book.trace.log)
    book._check()


def test_write_combining_over_uncached_minus_yields() -> None:
    """WC takes UC- where UC- is booked, silently (b)."""
    book = book_of()
    book.reserve(BAR, BAR + 4 * P, UC_MINUS, who=WHO)

    granted = reserve_pfn_range(book, BAR, 2, WC)

    assert UC_MINUS == granted
    assert [bar(0, 4, UC_MINUS), bar(0, 2, UC_MINUS)] == book.entries()
    assert [] == book.trace.log
    book._check()


@for_each(("booked", "req"), [(WB, UC_MINUS), (WB, WC), (WB, WT), (WC, WT)])
def test_too_weak_a_mode_is_refused(booked: CacheMode, req: CacheMode) -> None:
    """A mode the caller cannot live with fails, and leaves the book as it was (c)."""
    book = book_of(WRITE_BACK_BAR)
    book.reserve(BAR, BAR + P, booked, who=WHO)

    with pytest.raises(ModelledErrno, match="EINVAL"):
        reserve_pfn_range(book, BAR, 1, req)

    assert [bar(0, 1, booked)] == book.entries()
    assert [
        f"x86/PAT: demo:100 map pfn expected mapping type {req.cattr} "
        f"for [mem 0xfd000000-0xfd000fff], got {booked.cattr}"
    ] == book.trace.log
    book._check()


def test_strict_takes_nothing_else() -> None:
    """The older era's fork refuses UC- for WC, which any other mapping would take."""
    book = book_of()
    book.reserve(BAR, BAR + P, UC_MINUS, who=WHO)

    with pytest.raises(ModelledErrno, match="EINVAL"):
        reserve_pfn_range(book, BAR, 1, WC, strict=True)

    assert [bar(0, 1, UC_MINUS)] == book.entries()
    book._check()


def test_ram_keeps_its_mode_with_a_warning() -> None:
    """Mapping RAM uncached maps it as it is, says so, and books nothing."""
    book = book_of()

    granted = reserve_pfn_range(book, RAM, 1, UC_MINUS)

    assert WB == granted
    assert [
        "x86/PAT: demo:100 map pfn RAM range req uncached-minus "
        "for [mem 0x00200000-0x00200fff], got write-back"
    ] == book.trace.log
    assert [] == book.trace.events
    book._check()


def test_mixed_range_is_treated_as_ram() -> None:
    """A gap and then RAM takes the mode of its first page, here the default of non-RAM."""
    book = book_of()

    granted = reserve_pfn_range(book, 0x9F000, 0x70, UC_MINUS)

    assert UC_MINUS == granted
    assert ([], []) == (book.entries(), book.trace.log)
    book._check()


def test_freeing_ram_does_nothing() -> None:
    """free_pfn_range() leaves the type of RAM alone, which somebody else reserved."""
    book = book_of()
    book.reserve_exact(RAM, RAM + P, WC, who=WHO)

    book.free_pfn_range(RAM, P, who=WHO)

    assert WC == book.lookup(RAM)
    book._check()


def test_freeing_undoes_reserving() -> None:
    """The same range given back empties the book."""
    book = book_of()
    reserve_pfn_range(book, BAR, 4, WC)

    book.free_pfn_range(BAR, 4 * P, who=WHO)

    assert ([], []) == (book.entries(), book.trace.log)
    book._check()


def test_debugfs_text() -> None:
    """Sixteen hex digits, an exclusive end, and a title line (S2.11)."""
    book = book_of()

    book.load([bar(0, 2, WC), MemtypeEntry(0x1000, 0x2000, UC_MINUS)])

    assert (
        "PAT memtype list:\n"
        "PAT: [mem 0x0000000000001000-0x0000000000002000] uncached-minus\n"
        "PAT: [mem 0x00000000fd000000-0x00000000fd002000] write-combining\n"
    ) == book.debugfs()
    book._check()


def test_mapping_low_ram_changes_the_direct_map_for_good() -> None:
    """UC- over RAM below 1 MiB reaches the direct map, and freeing does not turn it back (S2.8.2)."""
    book = book_of()

    reserve_pfn_range(book, 0x1000, 0x9E, UC_MINUS)
    book.free_pfn_range(0x1000, 0x9E * P, who=WHO)

    assert ([], UC_MINUS) == (book.entries(), book.direct_map(0x9E000))
    book._check()
