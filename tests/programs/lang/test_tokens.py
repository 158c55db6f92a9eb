"""The table that colours a text, against the parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from colouring import coloured
from for_each import for_each
from litmus_files import FILES
from table_lines import LINES

from pfnlab.programs.lang.lines import Line, lines_of
from pfnlab.programs.lang.process_ops import ADVICE
from pfnlab.programs.lang.text import Reading
from pfnlab.programs.lang.tokens import KINDS_OF_TOKEN, contexts, token_table
from pfnlab.programs.lang.words import HEADERS, KEYWORDS, PREFIXES, PROTS, UNITS, VERBS

#: The token at a field that the parser found; fields of no word of their own are not here.
FIELDS = {
    "verb": {"operation"},
    # An area, or the pages of the clock.
    "span": {"name", "builtin"},
    "over": {"name"},
    "source": {"name", "builtin"},
    "via": {"mode", "option"},
    "driver": {"option"},
    "sharing": {"option"},
    "prot": {"option"},
    "advice": {"option"},
    "mode": {"mode"},
    "pages": {"number"},
    "value": {"number"},
    "bytes": {"number"},
    "length": {"number"},
    "kind": {"option"},
    "first": {"number"},
    "populate": {"option"},
    "locked": {"option"},
    "maymove": {"option"},
    "fixed": {"option"},
    "dontunmap": {"option"},
    **{prefix: {"keyword"} for prefix in PREFIXES},
    **{f"{prefix} function": {"function"} for prefix in PREFIXES},
}


class Fields(Reading):
    """A reading that keeps the columns of the fields of every line."""

    def fields(self, text: str) -> Iterator[tuple[Line, dict[str, int]]]:
        """Every line with content, with the columns of its fields."""
        for line in lines_of(text, self.source):
            if line.tokens or line.free is not None:
                self.line(line)
                yield line, self.at


def disagreements(path: Path, text: str) -> list[str]:
    """Where table and parser differ about a program: what a token's extent is, and what it is."""
    wrong = []
    for line, fields in Fields(str(path)).fields(text):
        tokens = {token.start + 1: token for token in coloured(line.raw)}
        for token in line.tokens if line.free is None else ():
            other = tokens.get(token.column)
            if other is None or other.end - other.start != len(token.text) or other.token == "error":
                wrong.append(f"{path}:{line.number}:{token.column}: {token.text} is {other}")
        for field, column in fields.items():
            wanted = FIELDS.get(field)
            found = tokens[column].token if column in tokens else None
            if wanted is not None and found not in wanted and column <= len(line.raw):
                # Of an operation, a task and a name begin where its verb would.
                wrong.append(f"{path}:{line.number}:{column}: {field} is {found}")
    return wrong


@for_each("path", FILES.values(), ids=lambda path: path.stem)
def test_table_and_parser_agree(path: Path) -> None:
    """Each token of the parser is one of the table, and of the kind of its field."""
    assert disagreements(path, path.read_text(encoding="utf-8")) == []


@for_each("path", FILES.values(), ids=lambda path: path.stem)
def test_no_letter_is_without_a_token(path: Path) -> None:
    """Nor is any an error, in a program that is none."""
    for line in path.read_text(encoding="utf-8").splitlines():
        seen = [" "] * len(line)
        for start, end, token in coloured(line):
            assert token != "error", line
            seen[start:end] = "x" * (end - start)

        assert not [letter for letter, mark in zip(line, seen, strict=True) if mark == " " and letter.strip()]


def test_a_disagreement_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test above can fail: here a table that takes every operation for a name."""
    original = coloured
    monkeypatch.setitem(
        globals(), "coloured", lambda line: (token._replace(token="name") for token in original(line))
    )
    path = next(iter(FILES.values()))

    assert disagreements(path, path.read_text(encoding="utf-8"))


@for_each("verb", VERBS)
def test_every_operation_is_one(verb: str) -> None:
    """A new operation is coloured without a word about it."""
    (token,) = coloured(verb)

    assert token == (0, len(verb), "operation")


@for_each("line", [line for _, line in LINES])
def test_a_line_of_the_table_has_no_error(line: str) -> None:
    """Every operation, with each of its words."""
    assert "error" not in {token.token for token in coloured(line)}


def test_every_word_of_the_language_is_in_a_rule() -> None:
    """Of headers, options, units and all."""
    words = {word for rules in contexts().values() for rule in rules for word in rule.words}

    # These stand in observations only, where they must not be taken for names.
    missing = {*KEYWORDS, *HEADERS, *PREFIXES, *VERBS, *UNITS, *PROTS, *ADVICE} - words
    assert missing == {"phys", "region", "end"}


@for_each(
    "line, wrong",
    [
        ("a = mmap bar[0:4] wx shared rw", "wx"),
        ("munmop a", "munmop"),
        ("munmap a extra", "extra"),
        ("a = mmap bar[0:4] wc shared rwz", "rwz"),
        ("madvise a dontforkk", "dontforkk"),
        ("device bar: usb, 4 pages", "usb"),
        ("read $", "$"),
        ("prefixread a", "prefixread"),
    ],
)
def test_what_cannot_stand_there_is_an_error(line: str, wrong: str) -> None:
    """The word as a whole, as soon as it is typed."""
    errors = [line[token.start : token.end] for token in coloured(line) if token.token == "error"]

    assert errors == [wrong]


@for_each("name", ["r", "at", "cold", "always"])
def test_a_name_may_be_a_word_of_another_place(name: str) -> None:
    """Words that are no words of the language everywhere can be names."""
    tokens = list(coloured(f"{name} = mmap bar[0:4] wc shared r")), list(coloured(f"munmap {name}"))

    assert (tokens[0][0].token, tokens[1][-1].token) == ("name", "name")


def test_patterns_are_of_the_common_kind() -> None:
    """Nothing that JavaScript, Oniguruma and Vim do not all have: no looking back, no named groups."""
    patterns = [row[1] for rows in token_table()["contexts"].values() for row in rows]

    assert not [pattern for pattern in patterns if re.search(r"\(\?(?![:=!])|\\[bBdDwWsSAZ]", pattern)]


def test_contexts_end_with_what_matches_anything() -> None:
    """So the table gives a token at any place."""
    for context, rules in contexts().items():
        assert re.fullmatch(rules[-1].regex, "$"), context


def test_tokens_are_those_that_are_named() -> None:
    """The list in the table is all of them."""
    used = {row[0] for rows in token_table()["contexts"].values() for row in rows}

    assert used == set(KINDS_OF_TOKEN)
