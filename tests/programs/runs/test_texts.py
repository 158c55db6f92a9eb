"""Page-table entries and tracked ranges as values: what is written is read again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import PteSeen, Step
from pfnlab.programs.runs.pte_text import entry_text
from pfnlab.programs.runs.texts import (
    VM_PAT,
    TableEntry,
    TrackedRange,
    named_span,
    table_entry,
    tracked_range,
)

names = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
spans = st.builds(
    lambda name, start, pages: Span(name, start, start + pages), names, st.integers(0, 99), st.integers(1, 9)
)
ranges = st.builds(
    TrackedRange,
    spans | st.sampled_from((VM_PAT, "phys")),
    st.none() | st.integers(0, 99),
    st.lists(st.tuples(names, spans), max_size=3).map(tuple),
)


@given(st.integers(0, 2**64 - 1), st.integers(1, 3))
def test_an_entry_is_read_as_it_was_written(raw: int, level: int) -> None:
    """Whatever the raw bits are."""
    text = entry_text(raw, level)

    assert text == str(table_entry(text))


@given(ranges)
def test_a_range_is_read_as_it_was_written(tracked: TrackedRange) -> None:
    """With its count, and without."""
    assert tracked == tracked_range(str(tracked))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("L1 WC P RW US SPECIAL A D", TableEntry(1, "WC", ("P", "RW", "US", "SPECIAL", "A", "D"))),
        ("L2 UC- !P RO", TableEntry(2, "UC-", ("!P", "RO"))),
        ("none@L3", TableEntry(3, "", absent="none")),
        ("swap@L1", TableEntry(1, "", absent="swap")),
    ],
)
def test_an_entry_has_level_mode_and_flags(text: str, value: TableEntry) -> None:
    """Or a kind of absence."""
    assert value == PteSeen("main", "a", 0, 1, None, text).table_entry


def test_an_entry_that_maps_need_not_be_present() -> None:
    """PROT_NONE keeps the frame, and no processor takes it."""
    entries = [table_entry(text) for text in ("L1 WC P RO", "L1 WC !P RO", "none@L1", "swap@L1")]

    assert [(True, True), (True, False), (False, False), (False, False)] == [
        (entry.maps, entry.is_present) for entry in entries
    ]


def test_a_step_has_its_tracked_ranges() -> None:
    """The main task is not named, others are."""
    step = Step(
        "look", "main", "ok", None, (), (), tracked=("bar[0:16] x2 a[0:4] t:b[8:16]", "VM_PAT a[0:4]")
    )

    users = ("main", Span("a", 0, 4)), ("t", Span("b", 8, 16))
    assert (
        TrackedRange(Span("bar", 0, 16), 2, users),
        TrackedRange(VM_PAT, None, users[:1]),
    ) == step.tracked_ranges


def test_a_step_has_the_ranges_of_the_direct_map() -> None:
    """What names no pages is left out."""
    step = Step("look", "main", "ok", None, (), (), direct_map=("low[0:4] UC-", "nonsense"))

    assert ((Span("low", 0, 4), "UC-"),) == step.direct_map_ranges


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Files may have any; it says nothing then."""
    table_entry(text), tracked_range(text), named_span(text)
    assert table_entry(f"L{text}").level in range(10)
    assert table_entry(f"none@L{text}").level in range(10)


@pytest.mark.parametrize("text", ["a[0:4", "a[0:4] ", "a[x:4]", "[0:4]", f"a[0:{'9' * 5000}]", ""])
def test_pages_without_a_form_are_none(text: str) -> None:
    """Not even those of numbers that Python does not read."""
    assert named_span(text) is None
