"""``pfnlab fmt --check``: what is wrong, in forms that editors and services read."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import jsonschema
import pytest
from asking import PROGRAM, Ask

from pfnlab.base.schema_files import schema

SPACES = PROGRAM.replace("munmap a[4:8]", "munmap   a[4:8]")
WRONG = PROGRAM.replace("munmap a[4:8]", "munmop a[4:8]")


def test_positions_are_in_the_form_of_compilers(ask: Ask, program: Path) -> None:
    """FILE:LINE:COLUMN: MESSAGE."""
    program.write_text(SPACES)

    assert ask("fmt", "--check", program) == (1, f"{program}:7:8: write `munmap a[4:8]`\n", "")


def test_an_error_is_an_answer_too(ask: Ask, program: Path, tmp_path: Path) -> None:
    """It has the same form, other files are looked at all the same, and the exit code is 2."""
    program.write_text(WRONG)
    other = tmp_path / "other.pfn"
    other.write_text(SPACES)

    assert ask("fmt", "--check", program, other) == (
        2,
        f"{program}:7:1: unknown operation `munmop`: did you mean `munmap`?\n"
        f"{other}:7:8: write `munmap a[4:8]`\n",
        "",
    )


def test_standard_input_is_checked(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editor checks what was not saved yet."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(SPACES))

    assert ask("fmt", "--check", "-") == (1, "-:7:8: write `munmap a[4:8]`\n", "")


@pytest.mark.parametrize("text", [PROGRAM, SPACES, WRONG])
def test_json_is_of_its_schema(ask: Ask, program: Path, text: str) -> None:
    """Whatever there is to say."""
    program.write_text(text)

    answer = ask("fmt", "--check", "--format", "json", program)

    jsonschema.validate(json.loads(answer.out), schema("fmt"), cls=jsonschema.Draft202012Validator)


def test_json_has_the_place_and_the_fix(ask: Ask, program: Path) -> None:
    """An editor can mend the place alone."""
    program.write_text(SPACES)

    (problem,) = json.loads(ask("fmt", "--check", "--format", "json", program).out)["problems"]

    assert problem == {
        "file": str(program),
        "line": 7,
        "column": 8,
        "end": {"line": 7, "column": 10},
        "severity": "layout",
        "message": "write `munmap a[4:8]`",
        "fix": "",
    }


def test_github_shows_it_beside_the_line(ask: Ask, tmp_path: Path) -> None:
    """A workflow command, in which no name of a file can begin a command of its own."""
    program = tmp_path / "a,b%0A::stop.pfn"
    program.write_text(WRONG)

    answer = ask("fmt", "--check", "--format", "github", program)

    assert answer.out == (
        f"::error file={tmp_path}/a%2Cb%250A%3A%3Astop.pfn,line=7,col=1,endLine=7,endColumn=7,"
        "title=pfnlab fmt::unknown operation `munmop`: did you mean `munmap`?\n"
    )


@pytest.mark.parametrize(
    "words, says",
    [
        (("--check", "--format", "xml"), "--format has no 'xml': write one of text, json, github"),
        (("--format", "json"), "--format needs --check: add it"),
    ],
)
def test_formats_that_cannot_be_are_misuse(
    ask: Ask, program: Path, words: tuple[str, ...], says: str
) -> None:
    """Nothing is rewritten by mistake."""
    assert ask("fmt", *words, program) == (2, "", f"pfnlab: {says}\n")
