"""The cells of a failure sweep: an operation that may allocate, and the allocation in it that fails.

A row is an operation with the lines that lead to it; a column is a function, one call of which is made to
fail. If that call does not happen, the operation runs normally.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

import msgspec

from pfnlab.hunt.sweep.swept_mappings import SweptCell
from pfnlab.programs.cases.forced_failures import FORCED
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS, case_tables
from pfnlab.programs.lang.span import Span

#: The scope of failures.
FAILURES = "failures"

#: The name for the operations that map every kind.
_EVERY_KIND = "every kind"

#: Texts by name.
_Named: TypeAlias = dict[str, tuple[str, ...]]


class FailingRows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows that share a set-up: each operation after each of its preludes.

    :param op: the operations, or their names
    :param before: lines that lead to an operation, separated by ``;``, or their names
    :param after: lines that inspect the resulting state
    :param page: the text for ``{page}`` in an operation; *pages* and *span* work the same way
    :param area: an area that it needs
    :param device: the device, as declared in a program
    """

    op: tuple[str, ...]
    before: tuple[str, ...] = ("",)
    after: str = ""
    page: str = "a[3]"
    pages: int = 16
    span: str = "a[4:8]"
    area: str = ""
    device: str = "pci, 2048 pages"


class FailingGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows with the same columns.

    :param calls: names of the calls to make fail
    """

    calls: tuple[str, ...]
    rows: tuple[FailingRows, ...]


class _Failures(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``failures.toml``; each is described there."""

    order: tuple[str, ...]
    lines: dict[str, str]
    ops: _Named
    groups: dict[str, FailingGroup]


def _called(names: Sequence[str], of: _Named) -> Iterator[str]:
    """The texts for *names*; a name without a text is one."""
    for name in names:
        yield from of.get(name, (name,))


def failing_cells() -> Iterator[SweptCell]:
    """The cells in all groups, row by row."""
    table = case_tables(__package__, "failures.toml", _Failures)
    fail = (kind for kind in MAPPING_KINDS.values() if kind.fails and kind.name not in table.order)
    kinds = (*(MAPPING_KINDS[name] for name in table.order), *fail)
    every = tuple(f"a = {kind.mapped(Span('bar', 0, kind.fails))}" for kind in kinds)
    ops = {**table.ops, _EVERY_KIND: every}
    for name, group in table.groups.items():
        calls = list(_called(group.calls, FORCED))
        for rows in group.rows:
            for before, op, fails in product(rows.before, _called(rows.op, ops), calls):
                written = op.format(page=rows.page, pages=rows.pages, span=rows.span)
                first = ";".join(table.lines.get(part.strip(), part) for part in before.split(";"))
                lines = (
                    f"device  bar: {rows.device}",
                    *((f"area    {rows.area}",) if rows.area else ()),
                    "",
                    *_lines(first),
                    f"fail {fails}: {written}",
                    *_lines(rows.after),
                )
                row = f"{written} behind {before}" if before else written
                yield SweptCell(FAILURES, name, (row, fails), f"{row}, {fails} fails", "\n".join(lines))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split(";") if line.strip()]
