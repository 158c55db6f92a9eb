"""One line by itself, with the names of a program in mind."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Munmap, Op
from pfnlab.programs.lang.single import read_device, read_op, read_span
from pfnlab.programs.lang.span import Span

PROGRAM = load_text("pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:8] wc shared rw\n")


@for_each("line", ["munmap a", "  munmap a[0:8]  # all of it", "munmap a\n"])
def test_an_operation_is_read_as_in_a_program(line: str) -> None:
    """Names mean what they mean behind the last line, and a comment may follow."""
    assert Op(Munmap(Span("a", 0, 8))) == read_op(line, PROGRAM)


def test_an_error_names_the_line_that_it_would_be() -> None:
    """And its column, with the line below."""
    with pytest.raises(ProgramError) as refused:
        read_op("munmap b", PROGRAM, "<here>")

    assert str(refused.value).startswith("<here>:2:8: nothing is mapped as `b` yet")
    assert "    munmap b\n           ^" in str(refused.value)


@for_each(
    ("line", "says"),
    [
        ("", "nothing is written here"),
        ("# nothing", "nothing is written here"),
        ("munmap a\nmunmap a", "more than one line"),
        ("title x", "not an operation"),
        ("device b: pci, 4 pages", "not an operation"),
        ("expect 6.1 nothing left", "not an operation"),
        ("pfnlab program 1", "not an operation"),
        ("c: munmap a", "there is no task `c`"),
        ("release", "nothing is held here"),
    ],
)
def test_what_is_no_operation_here_is_refused(line: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(ProgramError, match=says):
        read_op(line, PROGRAM)


@for_each(
    ("text", "span"),
    [
        ("a", Span("a", 0, 8)),
        ("a[3]", Span("a", 3, 4)),
        ("a[2:4]", Span("a", 2, 4)),
        ("bar", Span("bar", 0, 16)),
        ("bar[4:8]", Span("bar", 4, 8)),
        ("ram[0:4]", Span("ram", 0, 4)),
        ("anon[0:2]", Span("anon", 0, 2)),
    ],
)
def test_a_range_is_of_an_area_or_a_device(text: str, span: Span) -> None:
    """Whole, one page, or some."""
    assert span == read_span(text, PROGRAM)


@for_each(
    ("text", "says"),
    [
        ("", "nothing is written here"),
        ("b", "nothing is mapped as `b`"),
        ("a[2:", "missing"),
        ("a[0:2] rw", "too much after the range"),
        ("a[0:2] # two", "a range has no comment"),
        ("a[0:2]\na", "more than one line"),
        ("7", "is not a valid range"),
    ],
)
def test_what_is_no_range_is_refused(text: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(ProgramError, match=says):
        read_span(text, PROGRAM)


def test_a_device_is_read_as_in_a_header() -> None:
    """Without the word."""
    assert Device("low", "lowmem", 4) == read_device("low: lowmem, 16 KiB")


@for_each(
    ("text", "says"),
    [("bar", "`:` is missing"), ("bar: usb, 4 pages", "usb"), ("b: pci, 1 page\nthp always", "one line")],
)
def test_what_is_no_device_is_refused(text: str, says: str) -> None:
    """With what to write instead."""
    with pytest.raises(ProgramError, match=says):
        read_device(text)
