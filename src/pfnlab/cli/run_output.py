"""The output of ``pfnlab run``: its content, its format, and its place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import write_output
from pfnlab.report.run_result import RunResult, RunResults, by_weight
from pfnlab.verbs.run import RunRequest

if TYPE_CHECKING:
    from rich.text import Text

    from pfnlab.document.blocks import Document

#: The width of a table that goes to a file or a pipe.
_PIPED_WIDTH = 120


class OutputFormat(StrEnum):
    """The formats of results."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    TAP = "tap"
    MD = "md"
    HTML = "html"


def format_named(name: str) -> OutputFormat:
    """The format of that name.

    :raises Misuse: there is none
    """
    try:
        return OutputFormat(name)
    except ValueError:
        raise Misuse(f"there is no format {name!r}: write --format {'|'.join(OutputFormat)}") from None


def show_runs(request: RunRequest, results: Iterable[RunResults]) -> None:
    """Print the results, or write them to a file.

    :raises Misuse: options of the output contradict each other
    """
    if request.as_json and request.form not in (None, OutputFormat.JSON):
        raise Misuse(f"--json is --format json: leave it or --format {request.form} out")
    output = RunOutput(
        format=OutputFormat.JSON if request.as_json else format_named(request.form or OutputFormat.TEXT),
        steps=request.steps,
        trace=request.trace,
        full=request.full,
        quiet=request.quiet,
        file=request.output,
    )
    output.check()
    for found in results:
        print_results(found.of_programs, output)


class RunOutput(msgspec.Struct, frozen=True, kw_only=True):
    """How results are printed.

    :param steps: tables with VMAs, what is tracked, page-table entries and flushes too
    :param trace: tables with the order of kernel calls as well
    :param full: the tables of all programs, where several would be a summary
    :param quiet: print only what is wrong
    :param file: print there, not on standard output
    """

    format: OutputFormat = OutputFormat.TEXT
    steps: bool = False
    trace: bool = False
    full: bool = False
    quiet: bool = False
    file: Path | None = None

    @property
    def has_tables(self) -> bool:
        """True where the tables of several programs are asked for."""
        return self.full or self.steps or self.trace

    def check(self) -> None:
        """:raises Misuse: two options contradict each other"""
        if self.quiet and self.file is None and self.format is not OutputFormat.TEXT:
            raise Misuse(f"--quiet prints no {self.format}: add -o FILE for it, or leave --quiet out")
        if self.quiet and self.file is None and self.has_tables:
            raise Misuse("--quiet prints no tables: leave --full, --steps and --trace out, or add -o FILE")


def print_results(results: Sequence[RunResult], output: RunOutput) -> None:
    """Print *results*, or write them to the file that was asked for.

    :raises Misuse: the file cannot be written
    """
    if output.file is not None:
        write_output(output.file, document(results, output))
    if output.quiet or output.file is None:
        _print(results, output)


def document(results: Sequence[RunResult], output: RunOutput) -> str:
    """The results as plain text in the format asked for."""

    def table(result: RunResult) -> str:
        return str(_table(result, output, _PIPED_WIDTH, marks=True).plain)

    match output.format:
        case OutputFormat.TEXT:
            return str(_text(results, output, _PIPED_WIDTH, marks=True).plain)
        case OutputFormat.JSON:
            from pfnlab.report.run_json import PrintedRun

            return "".join(f"{PrintedRun.of(result).as_json()}\n" for result in results)
        case OutputFormat.JUNIT:
            from pfnlab.report.run_junit import junit

            return junit(results, table)
        case OutputFormat.TAP:
            from pfnlab.report.run_tap import tap

            return tap(results, table)
        case OutputFormat.MD:
            from pfnlab.document.mail import mail

            return mail(_document(results, output))
        case OutputFormat.HTML:
            from pfnlab.document.html import html

            return html(_document(results, output))


def _document(results: Sequence[RunResult], output: RunOutput) -> Document:
    """The results as ``pfnlab report`` shows them."""
    from pfnlab.document.compose import document_of
    from pfnlab.document.run_part import result_part
    from pfnlab.report.cells import ROWS, STEP_ROWS, TRACE_ROWS
    from pfnlab.result import Made

    fields = TRACE_ROWS if output.trace else STEP_ROWS if output.steps else ROWS
    parts = [result_part(result, Made.now(), fields) for result in by_weight(results)]
    return document_of(parts, unfolded=output.has_tables)


def _print(results: Sequence[RunResult], output: RunOutput) -> None:
    if output.format is not OutputFormat.TEXT and not output.quiet:
        print(document(results, output), end="")
        return
    from rich.console import Console

    from pfnlab.report.run_summary import summary_text

    console = Console(highlight=False, markup=False, emoji=False)
    if output.quiet:
        text = summary_text(results, wrong_only=True)
    else:
        width = console.width if console.is_terminal or "COLUMNS" in os.environ else _PIPED_WIDTH
        text = _text(results, output, width, marks=console.color_system is None)
    console.print(text, end="", soft_wrap=True)


def _text(results: Sequence[RunResult], output: RunOutput, width: int, *, marks: bool) -> Text:
    from rich.text import Text

    from pfnlab.report.run_summary import summary_text

    if len(results) == 1:
        return _table(results[0], output, width, marks=marks)
    if not output.has_tables:
        return summary_text(results)
    tables = (_table(result, output, width, marks=marks, name=result.name) for result in results)
    return Text("\n").join([*tables, summary_text(results)])


def _table(result: RunResult, output: RunOutput, width: int, *, marks: bool, name: str = "") -> Text:
    from pfnlab.report.table import render

    return render(
        result.program,
        result.runs,
        result.verdict,
        name=name,
        width=width,
        steps=output.steps,
        trace=output.trace,
        marks=marks,
    )
