"""The words of observations for what the lens reads."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.bits import PAGE_PRESENT, PAGE_PWT, PAGE_RW, PAGE_SPECIAL, PAGE_USER
from pfnlab.lab.lens.plain import Extent, RawBook, RawEntries, RawSpace, RawState
from pfnlab.lab.running.inside_state import Words
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen
from pfnlab.programs.runs.places import Places
from pfnlab.programs.runs.pte_text import RAM

PLACES = Places(
    {"bar": PfnRange(0x100, 0x110), "low": PfnRange(0x10, 0x14)},
    {"b": (0x5000, 16), "a": (0x4000, 16)},
    ranks={"low": 0, "bar": 1},
)
WC = PAGE_PRESENT | PAGE_RW | PAGE_USER | PAGE_PWT
EMPTY = RawState((), (), (), {}, (), None, {})


def entries(*found: RawEntries) -> RawState:
    """The state of one task that has these."""
    return EMPTY._replace(spaces=(RawSpace("main", (), found, 1, None, 0x1000),))


def test_frames_are_pages_of_devices() -> None:
    """Areas come in the order of the program, and entries that go on are one run."""
    raw = entries(
        RawEntries(Extent("a", 0, 2), WC | PAGE_SPECIAL, 1, 0x102, ram=False),
        RawEntries(Extent("a", 2, 4), WC | PAGE_SPECIAL, 1, 0x104, ram=False),
        RawEntries(Extent("b", 0, 1), WC, 1, 0x900, ram=True),
    )

    state = Words().state(raw, PLACES)

    assert (
        PteSeen("main", "b", 0, 1, RAM, "L1 WC P RW US"),
        PteSeen("main", "a", 0, 4, DeviceSpan("bar", 2, 6), "L1 WC P RW US SPECIAL"),
    ) == state.ptes


@for_each(("level", "entry"), [(3, "none@L3"), (4, "none@L4"), (5, "none@L4")])
def test_what_only_some_processors_have_is_no_level_of_its_own(level: int, entry: str) -> None:
    """An exec that has loaded nothing yet has not even the table below the first entry."""
    raw = entries(RawEntries(Extent("a", 0, 16), 0, level, 0, ram=False))

    state = Words().state(raw, PLACES)

    assert (PteSeen("main", "a", 0, 16, None, entry),) == state.ptes


def test_ram_that_is_a_device_is_one_where_it_is_special() -> None:
    """Elsewhere it is whatever memory."""
    raw = entries(
        RawEntries(Extent("a", 0, 1), WC | PAGE_SPECIAL, 1, 0x10, ram=True),
        RawEntries(Extent("a", 1, 2), WC, 1, 0x11, ram=True),
    )

    state = Words().state(raw, PLACES)

    assert [Span("low", 0, 1), RAM] == [one.target for one in state.ptes]


def test_entries_are_put_into_words_once() -> None:
    """Where the lens read the same tables, and again for a program at other places."""
    raw = entries(RawEntries(Extent("a", 0, 1), WC | PAGE_SPECIAL, 1, 0x100, ram=False))
    words = Words()
    first = words.state(raw, PLACES)

    same = words.state(raw, PLACES)
    moved = words.state(raw, Places({"top": PfnRange(0x100, 0x101)}, PLACES.areas))

    assert same.ptes[0] is first.ptes[0]
    assert [Span("top", 0, 1)] == [one.target for one in moved.ptes]


def test_the_book_is_in_the_order_of_devices() -> None:
    """Not of addresses, for devices lie elsewhere on every machine; those of one device stay as they are."""
    book = (RawBook(0x102, 0x104, "wc"), RawBook(0x100, 0x110, "wc"), RawBook(0x10, 0x14, "uc-"))

    state = Words().state(EMPTY._replace(book=book), PLACES)

    assert (
        BookEntry("low", 0, 4, "uc-"),
        BookEntry("bar", 2, 4, "wc"),
        BookEntry("bar", 0, 16, "wc"),
    ) == state.book


@for_each("name", ["low", "driver"])
def test_the_direct_map_is_told_where_it_is_not_write_back(name: str) -> None:
    """Pages that are alike together."""
    raw = EMPTY._replace(direct_map={name: ["wb", "wc", "wc", "absent"]})

    assert (f"{name}[1:3] WC", f"{name}[3:4] ABSENT") == Words().state(raw, PLACES).direct_map
