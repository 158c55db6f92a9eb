"""The cells of a hunt as a table for each kind of mapping."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.letters import KNOWN, KNOWN_ROW, NEW, QUIET, CellTable, PrintedCells
from pfnlab.present.document.blocks import Block, Bullets, Cell, Table, Tone, cell


def cell_tables(cells: PrintedCells) -> Iterator[Block]:
    """The tables in which something differs, and the names of the others."""
    for table in cells.tables:
        if not table.letters <= QUIET:
            yield _table(table)
    agreed = [table.name for table in cells.tables if table.letters <= QUIET]
    if agreed:
        yield Bullets((f"agreement alone: {'; '.join(agreed)}",))


def _table(table: CellTable) -> Table:
    """The rows that have more than agreement; columns are numbered by their operations."""
    columns, rows = table.loud
    caption = (
        f"{table.name}: two letters, at aligned and at odd places; first operations down, "
        f"last ones across; {len(rows)} of {number_of(len(table.rows), 'row')} and {len(columns)} of "
        f"{number_of(len(table.columns), 'column')}, those with more than agreement"
    )
    return Table(
        caption,
        ("", *(table.columns[number] for number in columns)),
        tuple(
            (cell(name), *(Cell((row[number],), _tone(row[number]), code=True) for number in columns))
            for name, row in rows.items()
        ),
        glance=tuple(range(len(columns) + 1)),
        headed=True,
    )


def _tone(letters: str) -> Tone:
    if NEW & set(letters):
        return "bad"
    return "lit" if (KNOWN | {KNOWN_ROW}) & set(letters) else "pale" if QUIET.issuperset(letters) else ""
