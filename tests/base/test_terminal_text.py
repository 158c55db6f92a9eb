"""Lines broken at the width of a terminal."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.terminal_text import ANY_WIDTH, PROSE, linkless, terminal_width, wrapped


def test_without_a_terminal_lines_have_any_width() -> None:
    """A file and a pipe are none: a verb of prose says how wide."""
    assert (ANY_WIDTH, PROSE) == (terminal_width(), terminal_width(PROSE))


def test_lines_are_indented_behind_the_first_word() -> None:
    """The name stands in the indent of the first alone."""
    lines = wrapped("word " * 30, 6, "  A06")

    assert lines[0].startswith("  A06 word")
    assert all(line.startswith("      word") for line in lines[1:])


def test_a_long_word_stays_whole() -> None:
    """Who copies a path or a commit has all of it."""
    assert ["x" * 200] == wrapped("x" * 200)


@given(st.text(max_size=400))
def test_any_text_has_no_control_in_its_lines(text: str) -> None:
    """Nothing in it moves the cursor."""
    assert not [line for line in wrapped(text) if re.search(r"[\x00-\x1f\x7f-\x9f]", line)]


def test_a_link_is_its_words() -> None:
    """Brackets that are no link stay."""
    assert "see this [1] (x)" == linkless("see [this](../a.md) [1] (x)")
