"""Texts of one shape: the same words, whatever their numbers are."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.diagnosis.messages.seeds import WordShapes

#: Words of which some may lie in a number, at its edge, or around one.
WORDS = ("free", "bad", "x86", "e820", "0", "12", "1:1", "7,", "[0-7]:", "0x70", "add", "count=0", "be mem")

PARTS = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(["0x", "x", " ", "-", ":", "[mem ", "]", "_", "é", "freed", "be ", "mem"]),
    st.integers(0, 1 << 40).map(str),
    st.integers(0, 1 << 40).map(hex),
)


@given(st.lists(PARTS, max_size=8).map("".join), st.randoms(use_true_random=False))
def test_texts_of_one_shape_have_the_same_words(text: str, drawn: random.Random) -> None:
    """A text with other numbers in it has another shape, or the same words."""
    shapes = WordShapes(WORDS)
    other = re.sub(r"[0-9a-f]+", lambda _: f"{drawn.randrange(1 << 20):x}", text)

    same = shapes.of(text) == shapes.of(other)

    words = [[word for word in WORDS if word in one] for one in (text, other)]
    assert not same or words[0] == words[1]


def test_lines_that_differ_in_numbers_have_one_shape() -> None:
    """Pid, stamp and address of a line of a log are no words."""
    shapes = WordShapes(("freeing", "memtype", "bad"))

    found = {
        shapes.of(f"[{stamp}] x86/PAT: Xorg:{pid} freeing invalid memtype [mem {start:#x}-{start + 4095:#x}]")
        for stamp, pid, start in (("1.5", 7, 0xF8004000), ("12.75", 31234, 0xFD70CD00E000))
    }

    assert 1 == len(found)
