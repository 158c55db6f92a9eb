"""The output of ``pfnlab run``: content, format and destination."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pfnlab.base.errors import Misuse
from pfnlab.base.files import write_output
from pfnlab.base.terminal_text import terminal_width
from pfnlab.present.report.run_result import RunResults, by_weight
from pfnlab.programs.runs.compared import RunResult
from pfnlab.verbs.run import RunRequest

if TYPE_CHECKING:
    from pfnlab.present.document.blocks import Document
    from pfnlab.present.report.table import StyledText

#: The width of a table in a file or a pipe.
_PIPED_WIDTH = 120

#: Environment variables that force colours if the output is not a terminal.
_AS_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE")

#: The formats for results.
FORMATS = ("text", "json", "junit", "tap", "md", "html")


def show_runs(request: RunRequest, results: Iterable[RunResults]) -> None:
    """Print the results, or write them to a file; Misuse if options conflict or writing fails."""
    form = _format(request)
    for found in results:
        if request.output is not None:
            write_output(request.output, document(found.of_programs, request, form))
        if request.quiet or request.output is None:
            _print(found.of_programs, request, form)


def _format(request: RunRequest) -> str:
    """Return the requested format; Misuse if it does not exist, or two options conflict."""
    if request.as_json and request.form not in (None, "json"):
        raise Misuse(f"--json is --format json: drop it or --format {request.form}")
    form = "json" if request.as_json else request.form or "text"
    if form not in FORMATS:
        raise Misuse(f"unknown format {form!r}: write --format {'|'.join(FORMATS)}")
    if request.quiet and request.output is None and form != "text":
        raise Misuse(f"--quiet prints no {form}: add -o FILE, or drop --quiet")
    if request.quiet and request.output is None and _has_tables(request):
        raise Misuse("--quiet prints no tables: drop --full, --steps and --trace, or add -o FILE")
    return form


def _has_tables(request: RunRequest) -> bool:
    """Return True if tables are wanted for several programs."""
    return request.full or request.steps or request.trace


def document(results: Sequence[RunResult], request: RunRequest, form: str) -> str:
    """Return the results as plain text in the given format."""

    def table(result: RunResult) -> str:
        return _table(result, request, _PIPED_WIDTH).plain

    match form:
        case "text":
            return _text(results, request, _PIPED_WIDTH).plain
        case "json":
            return "".join(f"{result.as_json()}\n" for result in results)
        case "junit":
            from pfnlab.present.report.run_formats import junit

            return junit(results, table)
        case "tap":
            from pfnlab.present.report.run_formats import tap

            return tap(results, table)
        case "md":
            from pfnlab.present.document.mail import mail

            return mail(_document(results, request))
        case _:
            from pfnlab.present.document.html import html

            return html(_document(results, request))


def _document(results: Sequence[RunResult], request: RunRequest) -> Document:
    """Return the document for the results, the same one that ``pfnlab report`` shows."""
    from pfnlab.present.document.compose import document_of
    from pfnlab.present.document.run_part import part
    from pfnlab.programs.runs.cells import ROWS, STEP_ROWS, TRACE_ROWS

    fields = TRACE_ROWS if request.trace else STEP_ROWS if request.steps else ROWS
    parts = [part(result, fields) for result in by_weight(results)]
    return document_of(parts, unfolded=_has_tables(request))


def _print(results: Sequence[RunResult], request: RunRequest, form: str) -> None:
    if form != "text" and not request.quiet:
        print(document(results, request, form), end="")
        return
    if not sys.stdout.isatty() and not any(name in os.environ for name in _AS_TERMINAL):
        text = _selected_text(results, request, terminal_width(_PIPED_WIDTH))
        print(text.plain.expandtabs(), end="")
        return
    # rich is only for terminals, and takes longer to import than a small program takes to run.
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, markup=False, emoji=False)
    width = console.width if console.is_terminal else _PIPED_WIDTH
    text = _selected_text(results, request, width)
    console.print(Text.assemble(*text.pieces), end="", soft_wrap=True)


def _selected_text(results: Sequence[RunResult], request: RunRequest, width: int) -> StyledText:
    """Return the text to print; with ``--quiet``, only problems."""
    if not request.quiet:
        return _text(results, request, width)
    from pfnlab.present.report.run_formats import summary_text

    return summary_text(results, wrong_only=True)


def _text(results: Sequence[RunResult], request: RunRequest, width: int) -> StyledText:
    from pfnlab.present.report.run_formats import summary_text
    from pfnlab.present.report.table import lines_of

    if len(results) == 1:
        return _table(results[0], request, width)
    if not _has_tables(request):
        return summary_text(results)
    tables = (_table(result, request, width, name=result.name) for result in results)
    return lines_of([*tables, summary_text(results)])


def _table(result: RunResult, request: RunRequest, width: int, *, name: str = "") -> StyledText:
    from pfnlab.present.report.table import render
    from pfnlab.programs.runs.named_machines import is_spread

    if any(map(is_spread, request.on)) and not _has_tables(request):
        from pfnlab.present.report.kernel_rows import kernel_rows

        return kernel_rows(result, width, name=name)
    return render(result, name=name, width=width, steps=request.steps, trace=request.trace)
