"""Results as rows of plain values, for data frames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pfnlab.base.errors import Misuse
from pfnlab.base.extras import imported_from
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.cells import NOT_SEEN, NOTHING, cell
from pfnlab.programs.runs.observation import Run, Step

if TYPE_CHECKING:
    import pandas
    import polars

#: The subject of a row: a step, or one entry of a list in a step.
RowsOf = Literal["steps", "book", "vmas", "ptes"]
#: One row; all rows of a result have the same keys and types, with None for unknown values.
Record = dict[str, str | int | bool | None]
#: The step fields that a row contains as text, with their lines joined.
_TEXTS = ("log", "book", "vmas", "tracked", "prots", "direct_map", "ptes", "events")


def records_html(records: Sequence[Record], empty: str) -> str:
    """Rows as an HTML table for notebooks, with the keys as headings and all text escaped."""
    from pfnlab.present.document.blocks import Paragraph, Table
    from pfnlab.present.document.blocks import cell as text_cell
    from pfnlab.present.document.html import fragment

    if not records:
        return fragment((Paragraph(empty),))
    rows = [tuple(text_cell("" if one is None else str(one)) for one in row.values()) for row in records]
    return fragment((Table("Rows", tuple(records[0]), tuple(rows)),))


class RowResult:
    """A result that can be converted to rows."""

    def to_records(self) -> list[Record]:
        """The result as rows of plain values."""
        raise NotImplementedError

    def to_pandas(self) -> pandas.DataFrame:
        """The rows as a pandas frame.

        :raises MissingTool: if pandas is not installed
        """
        frame: pandas.DataFrame = _module("pandas").DataFrame(self.to_records())
        return frame

    def to_polars(self) -> polars.DataFrame:
        """The rows as a polars frame.

        :raises MissingTool: if polars is not installed
        """
        made: polars.DataFrame = _module("polars").DataFrame(self.to_records(), infer_schema_length=None)
        return made


def step_records(runs: Sequence[Run], rows_of: RowsOf = "steps") -> list[Record]:
    """Rows from *runs*: one per step, or one per entry of a list in each step.

    :raises Misuse: if *rows_of* is not the name of such a list
    """
    if rows_of not in ("steps", "book", "vmas", "ptes"):
        raise Misuse(f"there are no rows of {rows_of!r}: write steps, book, vmas or ptes")
    return [
        {"machine": run.machine, "step": number, "op": step.op, "task": step.task, **rest}
        for run in runs
        for number, step in enumerate(run.steps, 1)
        for rest in _rows(step, rows_of)
    ]


def _rows(step: Step, rows_of: RowsOf) -> Iterator[Record]:
    if rows_of == "steps":
        value = None if step.value is None else str(step.value)
        texts = {field: field_text(step, field) for field in _TEXTS}
        yield {"result": step.result, "value": value, **texts, "flushes": step.flushes}
    elif rows_of == "book":
        for entry in step.book or ():
            yield {**_pages("device", entry.span), "mode": entry.mode}
    elif rows_of == "vmas":
        for vma in step.vmas or ():
            row: Record = {"of": vma.task, **_pages("area", vma.span), "perms": vma.perms, "file": vma.file}
            counts: Record = {"rss": vma.rss, "anonymous": vma.anonymous, "locked": vma.locked}
            yield {**row, **_shown(vma.offset), "flags": vma.flags, **counts}
    else:
        for pte in step.ptes or ():
            yield {"of": pte.task, **_pages("area", pte.span), **_shown(pte.target), "entry": pte.entry}


def _pages(noun: str, span: Span) -> Record:
    return {noun: span.name, "start": span.start, "end": span.end}


def _shown(span: Span | None) -> Record:
    if span is None:
        return {"device": None, "device_start": None, "device_end": None}
    return {"device": span.name, "device_start": span.start, "device_end": span.end}


def field_text(step: Step, field: str) -> str | None:
    """A step's field as a single text: None if it was not observed, empty if nothing is in it."""
    # Whether an entry is leaked depends on more than the step, so only the entries are given here.
    lines = cell(step, field, kept=[entry.span for entry in step.book or ()])
    if lines == (NOT_SEEN,):
        return None
    return "" if lines == (NOTHING,) else "; ".join(lines)


def _module(name: str) -> ModuleType | Any:
    with imported_from("frames", "a data frame"):
        return import_module(name)
