"""Widths of texts: lines stay within theirs, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.present.picture.canvas import cut, text_width, wrapped

texts = st.text("abcm iW:[]0", max_size=80)


@given(texts, st.floats(20, 300))
def test_wrapped_lines_fit(text: str, width: float) -> None:
    """And have every letter of the text."""
    lines = wrapped(text, width, 12)

    assert all(text_width(line, 12) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


@given(texts, st.floats(20, 300))
def test_a_cut_text_fits(text: str, width: float) -> None:
    """It ends in an ellipsis where something is missing; where no letter has room, it is empty."""
    short = cut(text, width, 12)

    assert text_width(short, 12) <= width
    assert short in (text, "") or short.endswith("…")


def test_letters_from_far_are_wide() -> None:
    """No font is asked, so every width is a safe one."""
    assert text_width("漢字", 12) > text_width("ab", 12)


@pytest.mark.timeout(60)
def test_a_word_of_many_letters_is_broken() -> None:
    """The work grows with the letters, not with their square: that would be hours."""
    word = "y" * 200_000

    lines = wrapped(word, 100, 12)

    assert (word, 13) == ("".join(lines), max(map(len, lines)))


@pytest.mark.timeout(60)
def test_a_text_of_many_letters_is_cut() -> None:
    """Only the beginning that has room is measured."""
    assert "y" * 11 + "…" == cut("y" * 200_000, 100, 12)
