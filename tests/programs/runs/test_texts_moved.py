"""Bytes that were moved, in the words of observations."""

from __future__ import annotations

from for_each import for_each

from pfnlab.programs.runs.texts import ascending, moved_text


@for_each(
    ("content", "text"),
    [
        (b"\7", "1 byte: 07"),
        (b"\0\0\0", "3 bytes: 00*3"),
        (b"\7\x08\x09", "3 bytes: 07+3"),
        (b"\0\0\1\2", "4 bytes: 00*2 01+2"),
        (b"\xfe\xff\0\0\0\0", "6 bytes: fe+3 00*3"),
        (b"\x0a\x05\x03", "3 bytes: 0a 05 03"),
    ],
)
def test_bytes_are_told_in_runs(content: bytes, text: str) -> None:
    """Equal ones, those that ascend, and others."""
    assert text == moved_text(len(content), content)


def test_bytes_that_were_written_are_counted() -> None:
    """Which they are is known."""
    assert "8 bytes" == moved_text(8)


def test_bytes_ascend_and_begin_again() -> None:
    """After 255 comes 0."""
    assert b"\xfe\xff\0\1" == ascending(254, 4)
