"""Lines of observations, made and read."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Defect
from pfnlab.programs.runs.observation import direct_map_lines, direct_map_spans


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
    with pytest.raises(Defect, match="no line about the direct map"):
        list(direct_map_spans([line]))
