"""The book and a naive list do the same, in both eras; a broken book does not."""

from typing import NamedTuple
from unittest.mock import patch

import pytest
from for_each import for_each
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from memtype_machine import MACHINE, UC_MINUS, WC, WHO, WRITE_BACK_BAR, NaiveBook, P

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.trace import Trace
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm import memtype_interval
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry
from pfnlab.kernel.mm.memtype_interval import MemtypeIntervals


class Call(NamedTuple):
    """One call of the book, on physical bytes."""

    name: str
    start: int
    end: int
    mode: CacheMode


# Around 1 MiB and the ISA hole, in RAM, at the end of RAM, and mostly in the BAR.
page = st.one_of(
    st.integers(0xFD000, 0xFD00A),
    st.integers(0xFD000, 0xFD00A),
    st.integers(0x9D, 0xA2),
    st.integers(0xFE, 0x106),
    st.integers(0x7FFFE, 0x80002),
)
calls = st.lists(
    st.builds(
        lambda name, first, nr, mode: Call(name, first * P, (first + nr) * P, mode),
        st.sampled_from(["reserve", "reserve", "reserve_exact", "free", "free"]),
        page,
        st.integers(1, 6),
        st.sampled_from([WC, WC, WC, UC_MINUS, *CacheMode]),
    ),
    max_size=40,
)

TAIL_OF_A_TWIN = [
    Call("reserve", 0xFD000000, 0xFD008000, WC),
    Call("reserve", 0xFD000000, 0xFD008000, WC),
    Call("free", 0xFD006000, 0xFD008000, WC),
]
UNDER_ANOTHER_TYPE = [
    Call("reserve", 0xFD000000, 0xFD002000, UC_MINUS),
    Call("reserve", 0xFD000000, 0xFD002000, WC),
]


def agree(book_type: type[MemtypeBook], platform: Platform, end_match: bool, program: list[Call]) -> None:
    """Run *program* on the book and on the naive one, and compare everything after every call."""
    book = book_type(platform, Trace(), end_match=end_match)
    naive = NaiveBook(platform, end_match)
    for call in program:
        span = call.start, call.end
        if call.name == "free":
            assert naive.free(*span) == book.free(*span, who=WHO)
        else:
            assert _reserve_naively(naive, call) == _reserve(book, call)
        assert naive.entries == book.entries()
        assert naive.log == book.trace.log
        assert naive.lookup(call.start) == book.lookup(call.start)
        book._check()
    pages = {pfn: run.type for run in book.ram_types() for pfn in range(run.start // P, run.end // P)}
    assert naive.ram == pages


def _reserve_naively(naive: NaiveBook, call: Call) -> object:
    try:
        got = naive.reserve(call.start, call.end, call.mode, call.name == "reserve")
        return got if call.name == "reserve" else None
    except ModelledErrno as error:
        return error.errno, str(error)


def _reserve(book: MemtypeBook, call: Call) -> object:
    reserve = book.reserve if call.name == "reserve" else book.reserve_exact
    try:
        return reserve(call.start, call.end, call.mode, who=WHO)
    except ModelledErrno as error:
        return error.errno, str(error)


@settings(max_examples=300)
@given(calls, st.booleans(), st.sampled_from([MACHINE, WRITE_BACK_BAR]), st.sampled_from([2, 1000]))
@example(TAIL_OF_A_TWIN, True, MACHINE, 1000)
@example(UNDER_ANOTHER_TYPE, True, MACHINE, 1000)
def test_book_is_the_naive_book(program: list[Call], end_match: bool, platform: Platform, load: int) -> None:
    """Whatever is called, results, entries in order, RAM pages and the log are those of a plain list."""
    with patch.object(memtype_interval, "LOAD", load):
        agree(MemtypeBook, platform, end_match, program)


@settings(max_examples=100)
@given(calls, calls, st.booleans())
def test_copy_is_independent(before: list[Call], after: list[Call], end_match: bool) -> None:
    """What is done to a copy leaves the book as it was, and the other way round."""
    book = MemtypeBook(MACHINE, Trace(), end_match=end_match)
    for call in before:
        _reserve(book, call)
    kept = book.debugfs(), book.ram_types()

    twin = book.copy(Trace())
    for call in after:
        if call.name == "free":
            twin.free(call.start, call.end, who=WHO)
        else:
            _reserve(twin, call)

    assert kept == (book.debugfs(), book.ram_types())
    book._check()
    twin._check()


class KeepsPlace(MemtypeBook):
    """Broken: a shrunk entry stays before its equals instead of moving behind them."""

    def _shrink(self, entry: MemtypeEntry, end: int) -> None:
        entries = self.entries()
        entries[entries.index(entry)] = MemtypeEntry(entry.start, end, entry.type)
        self._entries = MemtypeIntervals(entries)


class KeepsOwnType(MemtypeBook):
    """Broken: a new entry is booked with the type asked for, not with that of what it overlaps."""

    def _check_conflict(self, overlap, start, end, actual, req, who, adopts):  # type: ignore[no-untyped-def]
        super()._check_conflict(overlap, start, end, actual, req, who, adopts)
        return actual


class MatchesNoEnd(MemtypeBook):
    """Broken: the older era without its end match."""

    def _erase(self, start: int, end: int) -> bool:
        return self._entries.remove(start, end) is not None


@for_each(
    ("broken", "program"),
    [
        (KeepsPlace, TAIL_OF_A_TWIN),
        (KeepsOwnType, UNDER_ANOTHER_TYPE),
        (MatchesNoEnd, TAIL_OF_A_TWIN),
    ],
)
def test_broken_book_is_seen(broken: type[MemtypeBook], program: list[Call]) -> None:
    """The same comparison fails on a known short program for every way a book was broken on purpose."""
    with pytest.raises(AssertionError):
        agree(broken, MACHINE, True, program)


@pytest.mark.target("long")
@for_each("broken", [KeepsPlace, KeepsOwnType, MatchesNoEnd])
def test_broken_book_is_found(broken: type[MemtypeBook]) -> None:
    """Searching without a hint finds a program that tells the broken book apart."""

    # A small program is not wanted, only whether there is one.
    @settings(max_examples=20000, database=None, derandomize=True, phases=[Phase.generate])
    @given(calls)
    def search(program: list[Call]) -> None:
        agree(broken, MACHINE, True, program)

    with pytest.raises(AssertionError):
        search()


def test_check_sees_overlapping_types() -> None:
    """The book's own check notices two overlapping entries of different types."""
    book = MemtypeBook(MACHINE, Trace(), end_match=False)

    book.load(
        [
            MemtypeEntry(0xFD000000, 0xFD005000, WC),
            MemtypeEntry(0xFD001000, 0xFD002000, WC),
            MemtypeEntry(0xFD004000, 0xFD006000, UC_MINUS),
        ]
    )

    with pytest.raises(AssertionError, match=str(0xFD004000)):
        book._check()
