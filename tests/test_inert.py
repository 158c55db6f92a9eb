"""Texts that others wrote act on nothing: no terminal, no line of a message."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.inert import json_line, message, path_word, visible


@given(st.text())
def test_a_message_moves_no_cursor(text: str) -> None:
    """Nothing in it is a control character but the end of a line and the tabulator; it can be written."""
    said = message(text)

    assert set() == {*"\x1b\x07\x08\r\x00\x7f\x9b"} & {*said}
    assert bool(text) == bool(said.encode())


@pytest.mark.parametrize("text", ["a.pfn:1:2: no\n    x y\n\t^", "é 漢 …", ""])
def test_a_message_stays_as_it_is(text: str) -> None:
    """Its lines, the caret under the place, and letters of all languages."""
    assert text == message(text)


def test_a_long_message_has_its_beginning_and_its_end() -> None:
    """The place is said at the beginning, the remedy at the end; each line by itself."""
    said = message(f"{'a' * 999}\nfile: {'b' * 10_000}: write c")

    assert ["a" * 999, 1003] == [said.split("\n")[0], len(said.split("\n")[1])]
    assert said.split("\n")[1].startswith("file: b") and said.endswith("b: write c")


def test_a_line_of_json_is_visible_and_means_the_same() -> None:
    """What JSON itself leaves as it is, is escaped."""
    value = {"a\x9b\x7f": ["\x1b[2J", "\u202e", "\U000e0041", "é\t\n"]}

    line = json_line(value)

    assert (value, line) == (json.loads(line), visible(line)) and "é" in line


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("x.toml", "x.toml"),
        ("a b", "'a b'"),
        ("---x.toml", "./---x.toml"),
        ("-a b", "'./-a b'"),
        ("a;b", "'a;b'"),
        ("", "''"),
        ("a/-b", "a/-b"),
    ],
)
def test_a_path_is_one_word_of_a_command(path: str, word: str) -> None:
    """Whatever it is called, and never an option."""
    assert word == path_word(path)
