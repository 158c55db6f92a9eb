"""Lines of observations, made and read."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Defect
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import DeviceSpan, direct_map_lines, direct_map_spans


@given(st.lists(st.sampled_from(["wb", "wc", "uc-", "absent"])))
def test_what_is_read_of_the_direct_map_is_what_was_written(modes: list[str]) -> None:
    """Page by page; those that are write-back are not told."""
    read = ["wb"] * len(modes)
    for span, mode in direct_map_spans(list(direct_map_lines("low", modes))):
        assert span.name == "low"
        read[span.start : span.end] = [mode] * span.pages

    assert modes == read


@for_each("line", ["low is odd", "low[2] UC-", "low[0:4]", "low[0:4] UC- more"])
def test_another_line_is_a_defect(line: str) -> None:
    """Nothing is taken for write-back that cannot be read."""
    with pytest.raises(Defect, match="not a line about the direct map"):
        list(direct_map_spans([line]))


def test_pages_of_a_device_are_those_of_a_program() -> None:
    """Whichever of the two says them, and so in a set."""
    seen, said = DeviceSpan("bar", 0, 4), Span("bar", 0, 4)

    assert (seen == said, said == seen, {seen} == {said}) == (True, True, True)


def test_other_pages_of_a_device_are_others() -> None:
    """By their name, or where they begin."""
    assert DeviceSpan("bar", 0, 4) not in (
        Span("low", 0, 4),
        Span("bar", 1, 4),
        DeviceSpan("bar", 0, 5),
        None,
    )
