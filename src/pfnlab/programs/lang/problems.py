"""Problems of a program text, as places in it: for editors, and for ``pfnlab fmt --check``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

from pfnlab.errors import ProgramError
from pfnlab.programs.lang.layout import format_text

#: The extent of an error that begins at a word: that word; else one character.
_WORD = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*-?|.")


class TextPlace(NamedTuple):
    """A place between two characters of a text.

    :param line: counted from 1
    :param column: counted from 1, in characters
    """

    line: int
    column: int


class TextProblem(NamedTuple):
    """Something wrong with a program text.

    :param start: where it begins
    :param end: where it ends; the place itself belongs to it no more
    :param severity: ``error`` where the text is no program, ``layout`` where it is not in canonical form
    :param message: what is wrong and what to write instead, one line
    :param fix: the text to put between *start* and *end*; None where nobody knows one
    """

    start: TextPlace
    end: TextPlace
    severity: Literal["error", "layout"]
    message: str
    fix: str | None


def problems_of(text: str, source: str = "<program>") -> list[TextProblem]:
    """Problems of *text*: the first error, or else every place that is not in canonical form.

    All fixes together, applied from the last to the first, make the canonical form of the text.

    :raises ProgramError: *text* is no text of a program at all: too large, or binary
    """
    try:
        formatted = format_text(text, source)
    except ProgramError as error:
        if not error.line:
            raise
        return [_error(text, error)]
    return list(_layout(text, formatted))


def _error(text: str, error: ProgramError) -> TextProblem:
    lines = text.split("\n")
    line = lines[error.line - 1] if error.line <= len(lines) else ""
    match = _WORD.match(line, error.column - 1)
    start = TextPlace(error.line, error.column)
    return TextProblem(
        start, TextPlace(error.line, match.end() + 1 if match else error.column), "error", error.message, None
    )


def _layout(text: str, formatted: str) -> Iterator[TextProblem]:
    """Each line that is otherwise in canonical form, and each run of lines that are missing or too much."""
    before, after = text.splitlines(keepends=True), formatted.splitlines(keepends=True)
    # By their letters alone: what canonical form changes in a line is its spaces, mostly.
    keys, new_keys = (["".join(line.split()) for line in lines] for lines in (before, after))
    matcher = SequenceMatcher(a=keys, b=new_keys, autojunk=False)
    for _, first, last, new_first, new_last in matcher.get_opcodes():
        if last - first == new_last - new_first:
            for number in range(last - first):
                line, new_line = before[first + number], after[new_first + number]
                if line != new_line:
                    yield _line(first + number + 1, line, new_line)
        else:
            yield _run(first, before[first:last], after[new_first:new_last])


def _run(first: int, before: list[str], after: list[str]) -> TextProblem:
    """Lines from number *first* on, counted from 0: canonical form has more or fewer of them."""
    if "".join((*before, *after)).strip():
        message = f"write {'; '.join(map(_shown, after))}"
    elif len(after) > len(before):
        message = "an empty line is missing above this one"
    else:
        message = "this empty line is too much"
    end = TextPlace(first + len(before) + 1, 1)
    if before and not before[-1].endswith("\n"):
        end = TextPlace(first + len(before), len(before[-1]) + 1)
    return TextProblem(TextPlace(first + 1, 1), end, "layout", message, "".join(after))


def _line(number: int, before: str, after: str) -> TextProblem:
    """The part of a line that is otherwise in its canonical form."""
    start = next((at for at, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1), None)
    start = min(len(before), len(after)) if start is None else start
    most = min(len(before), len(after)) - start
    same = next((back for back in range(most) if before[-1 - back] != after[-1 - back]), most)
    end, new_end = len(before) - same, len(after) - same
    message = f"write {_shown(after)}" if before.strip("\n") != after.strip("\n") else "the line does not end"
    return TextProblem(
        TextPlace(number, start + 1), TextPlace(number, end + 1), "layout", message, after[start:new_end]
    )


def _shown(line: str) -> str:
    return f"`{line.rstrip()}`" if line.strip() else "an empty line"
