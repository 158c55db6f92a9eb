"""The canonical layout of a program text, and its problems with places, for editors and ``pfnlab fmt``."""

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from pfnlab.base.errors import ProgramError
from pfnlab.base.inert import annotation
from pfnlab.base.result import Outcome, PrintedStruct
from pfnlab.programs.lang.lines import Line, lines_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import expect_lines, format_program, header_lines, op_lines
from pfnlab.programs.lang.text import parse_lines
from pfnlab.programs.lang.words import HEADERS


class _LayoutRow(NamedTuple):
    """One line of the result; ``section`` is header, operation, expectation or "" (comment or blank)."""

    section: str
    content: str
    comment: str

    @property
    def blank(self) -> bool:
        return not self.content and not self.comment


def format_text(text: str, source: str = "<program>") -> str:
    """*text* in canonical layout: columns aligned, comments and single blank lines kept.

    :raises ProgramError: if *text* is not a valid program
    """
    lines = list(lines_of(text, source))
    program = parse_lines(lines, source)
    rows = _rows(lines, program)
    for section in ("header", "operation"):
        _part_after(rows, section)
    return "".join(f"{line}\n" for line in _aligned(_single_blanks(rows)))


def program_text(program: Program) -> str:
    """The text of *program* as a complete file."""
    return format_text(format_program(program), "counterexample")


def _rows(lines: list[Line], program: Program) -> list[_LayoutRow]:
    """The canonical content of every line, in the order of the text."""
    # The text may have its header lines in a different order from the canonical one.
    headers: dict[str, list[str]] = {keyword: [] for keyword in ("pfnlab", *HEADERS)}
    for content in header_lines(program):
        headers[content.partition(" ")[0]].append(content)
    ops, expects = iter(op_lines(program)), iter(expect_lines(program))
    rows = []
    for line in lines:
        first = line.free[0] if line.free else line.tokens[0].text if line.tokens else ""
        if not first:
            rows.append(_LayoutRow("", "", line.comment))
        elif first in headers:
            rows.append(_LayoutRow("header", headers[first].pop(0), line.comment))
        elif first == "expect":
            rows.append(_LayoutRow("expectation", next(expects), line.comment))
        else:
            rows.append(_LayoutRow("operation", next(ops), line.comment))
    return rows


def _part_after(rows: list[_LayoutRow], section: str) -> None:
    """Put a blank line after the last row of *section*, unless there is one before the next section."""
    last = max((at for at, row in enumerate(rows) if row.section == section), default=len(rows))
    for row in rows[last + 1 :]:
        if row.blank:
            return
        if row.section:
            rows.insert(last + 1, _LayoutRow("", "", ""))
            return


def _single_blanks(rows: list[_LayoutRow]) -> list[_LayoutRow]:
    """*rows* without blank lines at either end, and with no two in a row."""
    kept: list[_LayoutRow] = []
    for row in rows:
        if not row.blank or (kept and not kept[-1].blank):
            kept.append(row)
    if kept and kept[-1].blank:
        kept.pop()
    return kept


def _aligned(rows: list[_LayoutRow]) -> list[str]:
    """The text of *rows*; trailing comments between two blank lines share a column."""
    lines: list[str] = []
    start = 0
    for end in range(len(rows) + 1):
        if end == len(rows) or rows[end].blank:
            block = rows[start:end]
            width = max((len(row.content) for row in block if row.content and row.comment), default=0)
            for row in block:
                trailing = bool(row.content and row.comment)
                lines.append(
                    f"{row.content:<{width}}  {row.comment}" if trailing else row.content + row.comment
                )
            if end < len(rows):
                lines.append("")
            start = end + 1
    return lines


#: The extent of an error: the word where it starts, or else one character.
_WORD = re.compile(r"[A-Za-z0-9_]+(?:-[A-Za-z0-9_]+)*-?|.")


#: A number counted from 1.
_Number = Annotated[int, Meta(ge=1)]


class TextPlace(msgspec.Struct, frozen=True):
    """A place between two characters in a text.

    :param line: counted from 1
    :param column: counted from 1, in characters
    """

    line: _Number
    column: _Number


class TextProblem(msgspec.Struct, frozen=True):
    """An error or layout problem in a program text.

    :param file: the name of the text; ``-`` for standard input
    :param line: the line where it starts, counted from 1
    :param column: the column where it starts, counted from 1, in characters
    :param end: the place after its last character
    :param severity: ``error`` if the text is not a program, ``layout`` if it is not in canonical form
    :param message: the problem and its correction, in one line
    :param fix: the text to put between the two places; null if there is no automatic fix
    """

    file: str
    line: _Number
    column: _Number
    end: TextPlace
    severity: Literal["error", "layout"]
    message: str
    fix: str | None


class FmtResult(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-fmt/1"):
    """The result of checking the layout of programs.

    :param problems: the places that are not in canonical form, ordered by file and line
    """

    problems: tuple[TextProblem, ...]

    @property
    def outcome(self) -> Outcome:
        """A layout problem is a discovery; a text that is not a program is misuse."""
        if any(problem.severity == "error" for problem in self.problems):
            return Outcome.MISUSE
        return Outcome.DISCOVERY if self.problems else Outcome.AS_EXPECTED

    def as_lines(self, form: str) -> str:
        """One line per problem.

        :param form: ``text``: the compiler format, which editors can read; ``github``: the format that GitHub
            shows next to the changed line
        """
        if form == "github":
            return "".join(f"{_command(problem)}\n" for problem in self.problems)
        return "".join(f"{one.file}:{one.line}:{one.column}: {one.message}\n" for one in self.problems)


def _command(problem: TextProblem) -> str:
    kind = "error" if problem.severity == "error" else "warning"
    fields = {"file": problem.file, "line": problem.line, "col": problem.column}
    if problem.end.line == problem.line:
        fields |= {"endLine": problem.end.line, "endColumn": problem.end.column}
    said = ",".join(f"{name}={annotation(str(value), ',:')}" for name, value in fields.items())
    return f"::{kind} {said},title=pfnlab fmt::{annotation(problem.message)}"


def problems_of(text: str, source: str = "<program>") -> list[TextProblem]:
    """Problems in *text*: the first error or, in a valid program, every place not in canonical form.

    Applying all fixes, last one first, gives the canonical form of the text.

    :raises ProgramError: if *text* cannot be a program text because it is too large, or binary
    """
    try:
        formatted = format_text(text, source)
    except ProgramError as error:
        if not error.line:
            raise
        return [_error(text, source, error)]
    return list(_layout(text, source, formatted))


def _error(text: str, source: str, error: ProgramError) -> TextProblem:
    lines = text.split("\n")
    line = lines[error.line - 1] if error.line <= len(lines) else ""
    match = _WORD.match(line, error.column - 1)
    end = TextPlace(error.line, match.end() + 1 if match else error.column)
    return TextProblem(source, error.line, error.column, end, "error", error.message, None)


def _layout(text: str, source: str, formatted: str) -> Iterator[TextProblem]:
    """Each line that differs from its canonical form, and each run of missing or superfluous lines."""
    before, after = text.splitlines(keepends=True), formatted.splitlines(keepends=True)
    # Lines are compared without spaces, since canonical form mostly changes only spaces.
    keys, new_keys = (["".join(line.split()) for line in lines] for lines in (before, after))
    matcher = SequenceMatcher(a=keys, b=new_keys, autojunk=False)
    for _, first, last, new_first, new_last in matcher.get_opcodes():
        if last - first == new_last - new_first:
            for number in range(last - first):
                line, new_line = before[first + number], after[new_first + number]
                if line != new_line:
                    yield _line(source, first + number + 1, line, new_line)
        else:
            yield _run(source, first, before[first:last], after[new_first:new_last])


def _run(source: str, first: int, before: list[str], after: list[str]) -> TextProblem:
    """Lines from number *first* (counted from 0) on, where canonical form has more or fewer lines."""
    if "".join((*before, *after)).strip():
        message = f"write {'; '.join(map(_shown, after))}"
    elif len(after) > len(before):
        message = "an empty line is missing above this one"
    else:
        message = "this empty line is too much"
    end = TextPlace(first + len(before) + 1, 1)
    if before and not before[-1].endswith("\n"):
        end = TextPlace(first + len(before), len(before[-1]) + 1)
    return TextProblem(source, first + 1, 1, end, "layout", message, "".join(after))


def _line(source: str, number: int, before: str, after: str) -> TextProblem:
    """The part of a line that differs from its canonical form."""
    start = next((at for at, pair in enumerate(zip(before, after, strict=False)) if len(set(pair)) > 1), None)
    start = min(len(before), len(after)) if start is None else start
    most = min(len(before), len(after)) - start
    same = next((back for back in range(most) if before[-1 - back] != after[-1 - back]), most)
    end, new_end = len(before) - same, len(after) - same
    message = f"write {_shown(after)}" if before.strip("\n") != after.strip("\n") else "the line does not end"
    place = TextPlace(number, end + 1)
    return TextProblem(source, number, start + 1, place, "layout", message, after[start:new_end])


def _shown(line: str) -> str:
    return f"`{line.rstrip()}`" if line.strip() else "an empty line"
