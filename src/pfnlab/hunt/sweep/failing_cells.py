"""The cells of a failure sweep: an operation that may allocate, and the allocation in it that fails.

A row is an operation with the lines that lead to it; a column is a function, one call of which is made to
fail. If that call does not happen, the operation runs normally.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import NamedTuple, TypeAlias

import msgspec

from pfnlab.base.toml_text import package_tables
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

#: The scope of failures.
FAILURES = "failures"

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

    calls: _Named
    lines: dict[str, str]
    ops: _Named
    groups: dict[str, FailingGroup]


@cache
def _failures() -> _Failures:
    # Read the tables only if the scope is requested.
    return package_tables(__package__, "failures.toml", _Failures)


class FailingCell(NamedTuple):
    """A cell: an operation in which one call of a function fails.

    :param table: the name of its group
    :param rows: the rows it belongs to
    :param op: the operation
    :param before: the lines that lead to it, as in its row
    :param fails: the call that fails, as in a program line
    """

    table: str
    rows: FailingRows
    op: str
    before: str
    fails: str

    @property
    def scope(self) -> str:
        """The scope of failures."""
        return FAILURES

    @property
    def kinds(self) -> tuple[str, str]:
        """Its row and its column."""
        return f"{self.op} behind {self.before}" if self.before else self.op, self.fails

    def __str__(self) -> str:
        return f"{self.scope}, {self.table}: {self.kinds[0]}, {self.fails} fails"

    @property
    def text(self) -> str:
        """The text of its program."""
        rows, named = self.rows, _failures().lines
        before = ";".join(named.get(part.strip(), part) for part in self.before.split(";"))
        area = (f"area    {rows.area}",) if rows.area else ()
        lines = (
            *("pfnlab program 1", f"title   {self}", f"device  bar: {rows.device}", *area, ""),
            *(line.strip() for line in before.split(";") if line.strip()),
            f"fail {self.fails}: {self.op}",
            *(line.strip() for line in rows.after.split(";") if line.strip()),
        )
        return "".join(f"{line}\n" for line in lines)

    @property
    def program(self) -> Program:
        """Its program."""
        return load_text(self.text, str(self))


def _called(names: Sequence[str], of: _Named) -> Iterator[str]:
    """The texts for *names*; a name without a text stands for itself."""
    for name in names:
        yield from of.get(name, (name,))


@cache
def failing_cells() -> tuple[FailingCell, ...]:
    """The cells in all groups, row by row."""
    table = _failures()
    return tuple(
        FailingCell(name, rows, op.format(page=rows.page, pages=rows.pages, span=rows.span), before, fails)
        for name, group in table.groups.items()
        for rows in group.rows
        for before, op, fails in product(
            rows.before, _called(rows.op, table.ops), _called(group.calls, table.calls)
        )
    )
