"""Bytes that an operation moved, in the words of observations: how many, and which."""

from __future__ import annotations

from collections.abc import Iterator


def ascending(first: int, length: int) -> bytes:
    """The bytes that a write stores: *first*, and every next byte one more, after 255 again 0."""
    return bytes((first + place) % 256 for place in range(length))


def moved_text(count: int, content: bytes | None = None) -> str:
    """``12 bytes: 00*4 07+8``, four zeros and then eight bytes that ascend from 7.

    :param content: what was read; None where bytes were written
    """
    text = f"{count} {'byte' if count == 1 else 'bytes'}"
    return text if content is None else f"{text}: {' '.join(_runs(content))}"


def _runs(content: bytes) -> Iterator[str]:
    """Equal bytes as ``00*4``, those that ascend as ``07+8``, others alone; the longer run at each place."""
    place = 0
    while place < len(content):
        length, sign = max((_length(content, place, step), sign) for step, sign in ((0, "*"), (1, "+")))
        yield f"{content[place]:02x}{sign}{length}" if length > 1 else f"{content[place]:02x}"
        place += length


def _length(content: bytes, place: int, step: int) -> int:
    """How many bytes from *place* on are each *step* more than the one before."""
    end = place + 1
    while end < len(content) and content[end] == (content[end - 1] + step) % 256:
        end += 1
    return end - place
