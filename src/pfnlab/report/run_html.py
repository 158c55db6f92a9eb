"""Runs as one page of HTML: it needs no script, no other file and no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.programs.lang.printer import format_program
from pfnlab.report.cells import ROWS, STEP_ROWS, TRACE_ROWS
from pfnlab.report.inert import in_html
from pfnlab.report.run_result import RunResult, by_weight, counts
from pfnlab.report.table import LEGEND, MARK, TableRow, step_rows
from pfnlab.report.verdict import verdict_lines

# Nothing may be loaded and nothing run, whatever a text in the page says.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_STYLE = """
:root { color-scheme: light dark; --lit: light-dark(#fff3bf, #5c4a00); --line: light-dark(#ccc, #555); }
body { font: 1rem/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
table, pre { font: .875rem/1.4 ui-monospace, monospace; }
th, td { border-bottom: 1px solid var(--line); padding: .2rem .8rem .2rem 0; text-align: left;
  vertical-align: top; white-space: pre-wrap; }
th { font-weight: normal; } thead th, tr.op th { font-weight: bold; }
td.lit { background: var(--lit); font-weight: bold; outline: 1px solid var(--line); }
summary { cursor: pointer; font-weight: bold; margin-top: .8rem; }
pre { overflow-x: auto; }
.bad, .lit { font-weight: bold; }
"""

_UNWRAPPED = 1 << 20


def run_html(results: Sequence[RunResult], *, steps: bool = False, trace: bool = False) -> str:
    """The page.

    :param steps: show VMAs, what is tracked, page-table entries and flushes too
    :param trace: show the order of kernel calls as well
    """
    fields = TRACE_ROWS if trace else STEP_ROWS if steps else ROWS
    return "".join(f"{line}\n" for line in _page(results, fields))


def _page(results: Sequence[RunResult], fields: Sequence[str]) -> Iterator[str]:
    machines = dict.fromkeys(machine for result in results for machine in result.machines)
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{in_html(f'pfnlab: {counts(results)}')}</title><style>{_STYLE}</style></head><body><main>"
    yield "<h1>Programs on machines</h1>"
    yield f"<p>On {in_html(', '.join(machines))}, {in_html(counts(results))}.</p>"
    for result in by_weight(results):
        is_open = " open" if len(results) == 1 or not result.status.is_good else ""
        why = f": {result.why}" if result.why else ""
        yield f"<details{is_open}><summary>{in_html(f'{result.name}, {result.status.value}{why}')}</summary>"
        yield from _result(result, fields)
        yield "</details>"
    yield "</main></body></html>"


def _result(result: RunResult, fields: Sequence[str]) -> Iterator[str]:
    yield f"<h2>{in_html(result.program.title or result.name)}</h2>"
    if result.program.asks:
        yield f"<p>{in_html(result.program.asks)}</p>"
    yield '<table><thead><tr><th scope="col">step</th>'
    yield "".join(f'<th scope="col">{in_html(machine)}</th>' for machine in result.machines)
    yield "</tr></thead><tbody>"
    rows = step_rows(result.program, result.runs, result.verdict, fields)
    for row in rows:
        yield _row(row)
    yield "</tbody></table>"
    if any(row.lit for row in rows):
        yield f"<p>{in_html(MARK)} at the end of a cell: {in_html(LEGEND[MARK])}</p>"
    yield "<ul>"
    for line in verdict_lines(result.runs, result.verdict, _UNWRAPPED):
        yield f'<li class="{line.tone or "plain"}">{in_html(line.text)}</li>'
    yield "</ul>"
    text = in_html(format_program(result.program))
    yield f"<details><summary>the program</summary><pre>{text}</pre></details>"


def _row(row: TableRow) -> str:
    is_op = not row.label.startswith(" ")
    cells = [in_html("\n".join(lines)) for lines in row.cells]
    # Colour is never the only sign.
    drawn = "".join(
        f'<td class="lit">{text} {in_html(MARK)}</td>' if index in row.lit else f"<td>{text}</td>"
        for index, text in enumerate(cells)
    )
    return f'<tr{" class=op" if is_op else ""}><th scope="row">{in_html(row.label)}</th>{drawn}</tr>'
