"""Things found by their place: the same as looking at all of them, without looking at all of them."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.checker.judging.observed_spaces import PlaceIndex, entries_in
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import DeviceSpan, PteSeen, VmaSeen


class Thing(NamedTuple):
    """Something in an address space."""

    task: str
    span: Span


SPANS = st.builds(
    lambda name, start, pages: Span(name, start, start + pages),
    st.sampled_from(["a", "b"]),
    st.integers(0, 20),
    st.integers(1, 12),
)
THINGS = st.lists(st.builds(Thing, st.sampled_from(["main", "c"]), SPANS), max_size=12)


@given(THINGS, st.sampled_from(["main", "c", "d"]), SPANS)
def test_what_overlaps_is_found_in_its_order(things: list[Thing], task: str, span: Span) -> None:
    """Whatever lies over each other, and in whatever order it was given."""
    found = PlaceIndex(things).overlapping(task, span)

    assert [
        thing
        for thing in things
        if thing.task == task and thing.span.name == span.name
        if thing.span.start < span.end and thing.span.end > span.start
    ] == found


def test_the_pieces_of_a_range_include_its_gaps() -> None:
    """Before, between and after the things in it."""
    first, second = Thing("main", Span("a", 2, 4)), Thing("main", Span("a", 6, 12))

    pieces = PlaceIndex([first, second]).pieces("main", Span("a", 0, 14))

    assert [
        (Span("a", 0, 2), None),
        (Span("a", 2, 4), first),
        (Span("a", 4, 6), None),
        (Span("a", 6, 12), second),
        (Span("a", 12, 14), None),
    ] == list(pieces)


@given(st.lists(SPANS, max_size=4), SPANS)
def test_pieces_that_do_not_overlap_cover_a_range_once(spans: list[Span], span: Span) -> None:
    """In order, with the gaps."""
    apart: list[Thing] = []
    for one in sorted(spans, key=lambda one: one.start):
        if one.name == "a" and (not apart or apart[-1].span.end <= one.start):
            apart.append(Thing("main", one))

    pieces = [piece for piece, _ in PlaceIndex(apart).pieces("main", span)]

    assert [page for piece in pieces for page in range(piece.start, piece.end)] == [
        *range(span.start, span.end)
    ]


class CountedEntry:
    """A run of page-table entries that counts how often it is looked at."""

    looks = 0

    def __init__(self, seen: PteSeen) -> None:
        self._seen = seen
        self.task, self.target, self.table_entry = seen.task, seen.target, seen.table_entry
        self.area, self.start, self.end = seen.span.parts

    @property
    def span(self) -> Span:
        """Its pages."""
        CountedEntry.looks += 1
        return self._seen.span


def looks_at_entries(vmas: int) -> int:
    """How often entries are looked at when each of so many VMAs has one."""
    spans = [Span("a", 4 * at, 4 * at + 4) for at in range(vmas)]
    entries = [
        CountedEntry(PteSeen("main", *span.parts, DeviceSpan(*span.parts), "L1 WC P RW")) for span in spans
    ]
    CountedEntry.looks = 0
    by_place = PlaceIndex(entries)
    for span in spans:
        entries_in(VmaSeen("main", *span.parts, "rw-s", "wc", None, "sh pf"), by_place)  # type: ignore[arg-type]
    return CountedEntry.looks


def test_the_entries_of_a_vma_are_found_without_looking_at_all() -> None:
    """Ten times the VMAs, ten times the looks: not a hundred times."""
    assert 10 * looks_at_entries(40) == looks_at_entries(400)
