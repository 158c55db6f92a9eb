"""The cells of a hunt that enumerates programs: one letter for each finished cell, and its finding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_line
from pfnlab.base.result import Count
from pfnlab.hunt.fuzz.signature import LOST, MODELS_OWN, VIOLATION, Signature
from pfnlab.hunt.sweep.swept_cells import cells_digest, cells_of
from pfnlab.programs.lang.ops import Program

if TYPE_CHECKING:
    from pfnlab.hunt.fuzz.asked_machines import Weighed
    from pfnlab.hunt.fuzz.hunt_state import HuntState
    from pfnlab.programs.runs.observation import Reason

#: The letters for cells, with their meanings; if several apply, the first is used.
LETTERS: dict[str, str] = {
    "A": "an alarm of a kernel, new",
    "V": "a property that a kernel violates, new",
    "L": "a machine that was lost, new",
    "D": "a difference, new",
    "~": "a difference that could not be reproduced",
    "a": "an alarm of a kernel that is a known finding",
    "v": "a violated property that is a known finding",
    "l": "a lost machine that is a known finding",
    "d": "a difference that is a known finding",
    "k": "a property violated for a known reason",
    "-": "not runnable on a machine",
    "?": "no rule of the model: not compared, kernels judged",
    ".": "all machines agree, and no property is violated",
}

AGREES, UNDECIDED, NOT_RUNNABLE, KNOWN_ROW, UNSTABLE = ".", "?", "-", "k", "~"

#: The letter for a cell that was not run.
NOT_RUN = " "

#: The letters for new and known findings, and the letters that need no review.
NEW, KNOWN, QUIET = frozenset("AVLD~"), frozenset("avld"), frozenset(AGREES + NOT_RUN)

_RANGE = re.compile(r"(\d*):(\d*)", re.ASCII)


class ShownCell(msgspec.Struct, frozen=True):
    """A cell with a finding.

    :param cell: its number in the scope
    :param letter: its result
    :param says: the finding in words: signatures, and why properties are violated
    :param title: the operations of the cell
    """

    cell: Count
    letter: str
    says: tuple[str, ...]
    title: str


class Cells(msgspec.Struct):
    """The cells of a scope that a hunt runs, as stored in its state.

    :ivar scope: the name of the scope
    :ivar digest: a digest of all programs in the scope
    :ivar first: the number of the first cell; *end*: the number after the last
    :ivar letters: one for each finished cell
    :ivar shown: the cells with findings
    """

    scope: str
    digest: str
    first: Count
    end: Count
    letters: Annotated[str, Meta(pattern=f"^[{re.escape(''.join(LETTERS) + NOT_RUN)}]*$")] = ""
    shown: list[ShownCell] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """Reject cells from a different hunt (ValueError if a cell with a finding is out of range)."""
        for one in self.shown:
            if not self.first <= one.cell < self.end:
                raise ValueError(f"cell {str(one.cell)[:20]} is not in {self.first}:{self.end}")

    @classmethod
    def named(cls, scope: str, text: str = ":") -> Cells:
        """The cells ``A:B`` of a scope, half-open; omitted numbers default to the first and last cell.

        :raises Misuse: if *text* is not such a range, or there is no such scope
        """
        count = len(cells_of(scope))
        found = _RANGE.fullmatch(text)
        first, end = (int(found[1] or 0), int(found[2] or count)) if found is not None else (0, 0)
        if not 0 <= first < end <= count:
            all_cells = f"0:{count}"
            raise Misuse(
                f"scope {scope} has the cells {all_cells}, and {text} is not a range of them: "
                f"write --cells {all_cells}"
            )
        return cls(scope, cells_digest(scope), first, end)

    @property
    def count(self) -> int:
        """The number of cells."""
        return self.end - self.first

    @property
    def options(self) -> str:
        """The command-line options that select them."""
        return shell_line(("--enumerate", self.scope, "--cells", f"{self.first}:{self.end}"))

    def program(self, index: int) -> Program:
        """The program of the cell at *index*, counted from 0."""
        return cells_of(self.scope)[self.first + index].program

    def note(self, state: HuntState, weighed: Weighed) -> None:
        """Append the letter for the next cell once the hunt has handled it."""
        known = dict.fromkeys(violation.known for violation in weighed.broken if violation.known)
        letters = {_letter_of_reason(weighed.reason), *(_letter_of(one, state) for one in weighed.signatures)}
        letter = next(letter for letter in LETTERS if letter in letters or (known and letter == KNOWN_ROW))
        if said := (*map(str, weighed.signatures), *known):
            cell = self.first + len(self.letters)
            self.shown.append(ShownCell(cell, letter, said, str(cells_of(self.scope)[cell])))
        self.letters += letter


def _letter_of_reason(reason: Reason | None) -> str:
    if reason is None:
        return AGREES
    return UNDECIDED if reason.kind in MODELS_OWN else NOT_RUNNABLE


def _letter_of(signature: Signature, state: HuntState) -> str:
    """The letter for a cell's result."""
    letter = {VIOLATION: "v", LOST: "l", "alarm": "a"}.get(signature.kind, "d")
    findings, known = state.findings, set(state.known_keys)
    if signature.key in known.union(*(findings[one].with_it for one in known & findings.keys())):
        return letter
    found = findings.keys() | {key for finding in findings.values() for key in finding.with_it}
    return letter.upper() if signature.key in found else UNSTABLE


class CellTable(msgspec.Struct, frozen=True):
    """The cells of one kind of mapping.

    :param scope: the scope that contains it
    :param mapping: the kind of mapping
    :param columns: the last operation of each cell
    :param rows: for each sequence of earlier operations, two letters per column: at aligned and at odd
        places; one letter for scopes of failures
    """

    scope: str
    mapping: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Reject rows with the wrong width (ValueError if a row lacks letters for a column)."""
        for name, row in self.rows.items():
            if len(row) != len(self.columns):
                raise ValueError(f"row {name!r} has {len(row)} columns, not {len(self.columns)}")

    @property
    def name(self) -> str:
        """The scope and the kind of mapping."""
        return f"{self.scope}, {self.mapping}"

    @property
    def letters(self) -> frozenset[str]:
        """The letters that occur in it."""
        return frozenset(letter for row in self.rows.values() for pair in row for letter in pair)

    @property
    def loud(self) -> tuple[list[int], dict[str, tuple[str, ...]]]:
        """The numbers of the columns with anything but agreement, and the rows with such cells."""
        rows = {name: row for name, row in self.rows.items() if any(not QUIET.issuperset(of) for of in row)}
        places = range(len(self.columns))
        return [at for at in places if any(not QUIET.issuperset(row[at]) for row in rows.values())], rows


class PrintedCells(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of a hunt.

    :param scope: the name of the scope
    :param first: the number of the first cell
    :param end: the number after the last cell to run
    :param letters: the number of cells with each letter
    :param meanings: the meaning of each letter
    :param found: the cells with findings
    :param tables: the results of the cells, for each kind of mapping
    """

    scope: str
    first: Count
    end: Count
    letters: dict[str, Count]
    meanings: dict[str, str]
    found: tuple[ShownCell, ...]
    tables: tuple[CellTable, ...]

    @classmethod
    def of(cls, cells: Cells) -> PrintedCells:
        """The cells of a state."""
        counted = Counter(cells.letters)
        return cls(
            scope=cells.scope,
            first=cells.first,
            end=cells.end,
            letters={letter: counted[letter] for letter in LETTERS if counted[letter]},
            meanings={letter: meaning for letter, meaning in LETTERS.items() if counted[letter]},
            found=tuple(cells.shown),
            tables=tuple(_tables(cells)),
        )


def _tables(cells: Cells) -> Iterator[CellTable]:
    """The tables for all kinds of mapping with at least one finished cell."""
    every = cells_of(cells.scope)
    letters = (NOT_RUN * cells.first + cells.letters).ljust(len(every), NOT_RUN)
    rows: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for cell, letter in zip(every, letters, strict=True):
        *first, last = cell.kinds
        of_row = rows.setdefault((cell.scope, cell.table), {}).setdefault(", ".join(first), {})
        of_row[last] = of_row.get(last, "") + letter
    for (scope, mapping), table in rows.items():
        if any(letters.strip() for row in table.values() for letters in row.values()):
            columns = tuple(next(iter(table.values())))
            yield CellTable(
                scope, mapping, columns, {name: tuple(row.values()) for name, row in table.items()}
            )
