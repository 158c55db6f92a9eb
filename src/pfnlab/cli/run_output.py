"""The output of ``pfnlab run``: content, format and destination."""

from __future__ import annotations

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

#: The width of a table in a file or a pipe.
_PIPED_WIDTH = 120


def show_runs(request: RunRequest, results: Iterable[RunResults]) -> None:
    """Print the results, or write them to a file; Misuse if options conflict or writing fails."""
    form = _format(request)
    for found in results:
        if request.output is not None:
            write_output(request.output, document(found.of_programs, request, form))
        if request.quiet or request.output is None:
            _print(found.of_programs, request, form)


def _format(request: RunRequest) -> str:
    """Return the requested format; Misuse if two options conflict."""
    if request.as_json and request.form not in (None, "json"):
        raise Misuse(f"--json is --format json: drop it or --format {request.form}")
    form = "json" if request.as_json else request.form or "text"
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
        return _table(result, request, _PIPED_WIDTH)

    match form:
        case "text":
            return _text(results, request, _PIPED_WIDTH)
        case "json":
            return "".join(f"{result.as_json()}\n" for result in results)
        case "junit":
            from pfnlab.present.report.run_formats import junit

            return junit(results, table)
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
    from pfnlab.base.terminal_text import has_colours

    coloured = has_colours()
    if request.quiet:
        text = _summary(results, coloured=coloured, wrong_only=True)
    else:
        text = _text(results, request, terminal_width(_PIPED_WIDTH), coloured=coloured)
    print(text, end="")


def _text(results: Sequence[RunResult], request: RunRequest, width: int, *, coloured: bool = False) -> str:
    if len(results) == 1:
        return _table(results[0], request, width, coloured=coloured)
    if not _has_tables(request):
        return _summary(results, coloured=coloured)
    tables = (_table(result, request, width, name=result.name, coloured=coloured) for result in results)
    return "\n".join((*tables, _summary(results, coloured=coloured)))


def _summary(results: Sequence[RunResult], *, coloured: bool, wrong_only: bool = False) -> str:
    from pfnlab.present.document.run_table import summary_blocks
    from pfnlab.present.document.terminal import text_of

    return text_of(summary_blocks(results, wrong_only=wrong_only), coloured=coloured)


def _table(
    result: RunResult, request: RunRequest, width: int, *, name: str = "", coloured: bool = False
) -> str:
    from pfnlab.present.document.run_table import kernel_blocks, run_blocks
    from pfnlab.present.document.terminal import text_of
    from pfnlab.programs.runs.named_machines import is_spread

    if any(map(is_spread, request.on)) and not _has_tables(request):
        return text_of(kernel_blocks(result, name=name), width, coloured=coloured)
    blocks = run_blocks(result, name=name, steps=request.steps, trace=request.trace)
    return text_of(blocks, width, coloured=coloured)
