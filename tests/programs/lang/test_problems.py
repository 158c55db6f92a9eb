"""The problems of a text, as places in it."""

from __future__ import annotations

import random

import pytest
from asking import PROGRAM
from for_each import for_each
from litmus_files import FILES

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.problems import TextPlace, TextProblem, format_text, problems_of


def offset(text: str, place: TextPlace) -> int:
    """The place as a number of characters."""
    lines = text.splitlines(keepends=True)
    return sum(map(len, lines[: place.line - 1])) + place.column - 1


def start_of(problem: TextProblem) -> TextPlace:
    """The place where it begins."""
    return TextPlace(problem.line, problem.column)


def mended(text: str, problems: list[TextProblem]) -> str:
    """*text* with every fix, from the last to the first."""
    for problem in reversed(problems):
        start, end = (offset(text, place) for place in (start_of(problem), problem.end))
        assert problem.fix is not None
        text = text[:start] + problem.fix + text[end:]
    return text


def spoiled(text: str, seed: int) -> str:
    """The same program in another layout."""
    choose = random.Random(seed)
    lines = []
    for line in text.splitlines():
        if choose.random() < 0.3:
            line = line.replace(" ", choose.choice(["  ", "\t"]))
        lines.append(line)
        if choose.random() < 0.1:
            lines.append("")
    if choose.random() < 0.5:
        lines = [line for line in lines if line]
    return "\n".join(lines) + choose.choice(["", "\n", "\n\n"])


def test_canonical_form_has_no_problem() -> None:
    """Nothing is said of what fmt would leave."""
    assert problems_of(PROGRAM) == []


def test_spaces_too_many_are_a_place_and_a_fix() -> None:
    """The place is that of the spaces, not of the line."""
    text = PROGRAM.replace("munmap a[4:8]", "munmap   a[4:8]")

    assert problems_of(text) == [
        TextProblem("<program>", 7, 8, TextPlace(7, 10), "layout", "write `munmap a[4:8]`", "")
    ]


def test_an_error_is_as_long_as_its_word() -> None:
    """What editors underline."""
    text = PROGRAM.replace("wc shared", "wcc shared")

    (problem,) = problems_of(text)

    assert (start_of(problem), problem.end) == (TextPlace(6, 20), TextPlace(6, 23))
    assert (problem.severity, problem.fix) == ("error", None)


def test_an_error_at_the_end_of_a_line_has_no_extent() -> None:
    """Something is missing there."""
    (problem,) = problems_of(PROGRAM.replace("munmap a[4:8]", "munmap"))

    assert (start_of(problem), problem.end) == (TextPlace(7, 7), TextPlace(7, 7))


@for_each(
    "text, message",
    [
        (PROGRAM.replace("pages\n\n", "pages\n"), "an empty line is missing above this one"),
        (PROGRAM.replace("pages\n\n", "pages\n\n\n"), "this empty line is too much"),
        (PROGRAM.removesuffix("\n"), "the line does not end"),
    ],
)
def test_lines_as_such_have_messages(text: str, message: str) -> None:
    """An empty line cannot be shown as what to write."""
    assert [problem.message for problem in problems_of(text)] == [message]


def test_what_is_no_text_is_refused() -> None:
    """There is no place in it that could be named."""
    with pytest.raises(ProgramError, match="binary"):
        problems_of("pfnlab\0")


@for_each("seed", range(3))
def test_all_fixes_together_make_the_canonical_form(seed: int) -> None:
    """Of every litmus program, in a layout of its own."""
    for path in FILES.values():
        text = spoiled(path.read_text(encoding="utf-8"), seed)

        assert mended(text, problems_of(text)) == format_text(text), path
