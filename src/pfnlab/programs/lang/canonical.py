"""The canonical layout of a program a person wrote: its comments kept, its content unchanged."""

from __future__ import annotations

from typing import NamedTuple

from pfnlab.programs.lang.lines import Line, lines_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import expect_lines, format_program, header_lines, op_lines
from pfnlab.programs.lang.text import parse_lines
from pfnlab.programs.lang.words import HEADERS


class _LayoutRow(NamedTuple):
    """One line of the result: ``section`` is header, operation, expectation or "" (comment, blank)."""

    section: str
    content: str
    comment: str

    @property
    def blank(self) -> bool:
        return not self.content and not self.comment


def format_text(text: str, source: str = "<program>") -> str:
    """*text* in canonical layout: every comment and single blank lines kept, columns aligned.

    :raises ProgramError: *text* is no correct program
    """
    lines = list(lines_of(text, source))
    program = parse_lines(lines, source)
    rows = _rows(lines, program)
    for section in ("header", "operation"):
        _part_after(rows, section)
    return "".join(f"{line}\n" for line in _aligned(_single_blanks(rows)))


def program_text(program: Program) -> str:
    """A program as a file of its own."""
    return format_text(format_program(program), "counterexample")


def _rows(lines: list[Line], program: Program) -> list[_LayoutRow]:
    """Canonical content for every line, in the order of the text."""
    # The text may order its header otherwise than the canonical program does.
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
    """Put a blank line after the last row of *section*, unless one follows before the next section."""
    last = max((at for at, row in enumerate(rows) if row.section == section), default=len(rows))
    for row in rows[last + 1 :]:
        if row.blank:
            return
        if row.section:
            rows.insert(last + 1, _LayoutRow("", "", ""))
            return


def _single_blanks(rows: list[_LayoutRow]) -> list[_LayoutRow]:
    """*rows* without blank lines at either end or next to another."""
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
