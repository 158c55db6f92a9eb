"""The content of a page as a number."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.mm.content import bytes_at, with_bytes, with_word, word
from pfnlab.programs.runs.texts import ascending

CONTENTS = st.integers(0, 255).map(lambda first: ascending(first, PAGE_SIZE))


@given(CONTENTS, st.data())
def test_bytes_are_stored_where_they_are_read(before: bytes, data: st.DataObject) -> None:
    """As in an array of bytes, and nothing else changes."""
    offset = data.draw(st.integers(0, PAGE_SIZE - 1))
    stored = data.draw(st.binary(max_size=min(16, PAGE_SIZE - offset)))
    array = bytearray(before)

    content = with_bytes(int.from_bytes(before, "little"), offset, stored)

    array[offset : offset + len(stored)] = stored
    assert bytes(array) == bytes_at(content, 0, PAGE_SIZE)
    assert stored == bytes_at(content, offset, len(stored))


@given(CONTENTS, st.integers(0, (1 << 32) - 1))
def test_a_word_is_the_first_four_bytes(before: bytes, value: int) -> None:
    """The lowest byte first, as the processor stores it."""
    content = with_word(int.from_bytes(before, "little"), value)

    assert value == word(content)
    assert value.to_bytes(4, "little") + before[4:] == bytes_at(content, 0, PAGE_SIZE)
