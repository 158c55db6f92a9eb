"""``pfnlab fmt``: program files in their canonical form, or what keeps them from it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pfnlab.errors import Misuse
from pfnlab.files import cannot_write, check_regular
from pfnlab.programs.lang.canonical import format_text
from pfnlab.programs.lang.library import STDIN, program_paths, read_stdin
from pfnlab.programs.lang.load import read_program_text
from pfnlab.programs.lang.problems import FmtResult, TextProblem, problems_of

#: The forms in which problems are printed.
FORMATS = ("text", "json", "github")


def format_programs(words: Sequence[str], *, check: bool, form: str | None = None) -> int:
    """Rewrite files in place, standard input to standard output.

    :param words: files, folders and patterns; names too where nothing is written
    :param check: write nothing; print what is wrong, and return 1 when a file is not in canonical form and
        2 when one is no program
    :param form: one of :data:`FORMATS`, for a check; None for text
    """
    if form is not None and form not in FORMATS:
        raise Misuse(f"there is no format {form!r}: write {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    paths = program_paths(words, names=check)
    if check:
        result = FmtResult(
            problems=tuple(found for path in paths for found in problems_of(_text(path), str(path)))
        )
        _print(result, form or FORMATS[0])
        wrong = any(problem.severity == "error" for problem in result.problems)
        return Misuse.exit_code if wrong else result.outcome.value
    if form is not None:
        raise Misuse("--format says how --check answers: add --check")
    for path in paths:
        text = _text(path)
        formatted = format_text(text, str(path))
        if path == STDIN:
            sys.stdout.write(formatted)
        elif formatted != text:
            _write(path, formatted)
    return 0


def _print(result: FmtResult, form: str) -> None:
    if form == "json":
        print(result.as_json(indent=2))
        return
    line = _command if form == "github" else _line
    for problem in result.problems:
        print(line(problem))


def _line(problem: TextProblem) -> str:
    """The form that compilers have and editors read."""
    return f"{problem.file}:{problem.line}:{problem.column}: {problem.message}"


def _command(problem: TextProblem) -> str:
    """The form that GitHub shows beside the changed line."""
    kind = "error" if problem.severity == "error" else "warning"
    fields = {"file": problem.file, "line": problem.line, "col": problem.column}
    if problem.end.line == problem.line:
        fields |= {"endLine": problem.end.line, "endColumn": problem.end.column}
    told = ",".join(f"{name}={_escaped(str(value), ',:')}" for name, value in fields.items())
    return f"::{kind} {told},title=pfnlab fmt::{_escaped(problem.message)}"


def _escaped(text: str, more: str = "") -> str:
    return "".join(f"%{ord(letter):02X}" if letter in f"%\r\n{more}" else letter for letter in text)


def _text(path: Path) -> str:
    text = _read(path)
    if text.lstrip().startswith("{"):
        raise Misuse(f"{path} is a program in JSON: fmt lays out the text form")
    return text


def _read(path: Path) -> str:
    if path != STDIN:
        return read_program_text(path).replace("\r\n", "\n")
    return read_stdin()


def _write(path: Path, text: str) -> None:
    # A pipe could be read, and writing into one may wait for ever.
    check_regular(path, "program")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
