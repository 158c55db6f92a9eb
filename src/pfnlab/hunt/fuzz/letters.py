"""The cells of a hunt that enumerates its programs: a letter for each that is done, and what it showed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_line
from pfnlab.base.result import Count
from pfnlab.hunt.fuzz.signature import LOST, MODELS_OWN, VIOLATION, Signature
from pfnlab.hunt.sweep.swept_cells import cells_digest, cells_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel

if TYPE_CHECKING:
    from pfnlab.hunt.fuzz.causes import Weighed
    from pfnlab.hunt.fuzz.hunt_state import HuntState

#: The letters of a cell with their meanings, the one that is written where several hold first.
LETTERS: dict[str, str] = {
    "A": "an alarm of a kernel, new",
    "V": "a property that a kernel breaks, new",
    "L": "a machine that was lost, new",
    "D": "a difference, new",
    "~": "a difference that did not show again",
    "a": "an alarm of a kernel that is a known finding",
    "v": "a broken property that is a known finding",
    "l": "a lost machine that is a known finding",
    "d": "a difference that is a known finding",
    "k": "a property broken for a known reason",
    "-": "not runnable on a machine",
    "?": "no rule of the model: not compared, kernels judged",
    ".": "all machines agree, and nothing is broken",
}

AGREES, UNDECIDED, NOT_RUNNABLE, KNOWN_ROW, UNSTABLE = ".", "?", "-", "k", "~"

#: The letter of a cell that was not run.
NOT_RUN = " "

#: The letters of findings, new and known, and those in which there is nothing to be looked at.
NEW, KNOWN, QUIET = frozenset("AVLD~"), frozenset("avld"), frozenset(AGREES + NOT_RUN)

_RANGE = re.compile(r"(\d*):(\d*)", re.ASCII)


class ShownCell(msgspec.Struct, frozen=True):
    """A cell in which something was found.

    :param cell: its number in the scope
    :param letter: what happened
    :param says: what was found, in words: signatures, and why properties are broken
    :param title: what it does
    """

    cell: Count
    letter: str
    says: tuple[str, ...]
    title: str


class Cells(msgspec.Struct):
    """The cells of a scope that a hunt runs, as its state has them.

    :ivar scope: the name of the scope
    :ivar digest: of the programs of its cells
    :ivar first: the number of the first cell; *end*: of that behind the last
    :ivar letters: one for each cell that is done
    :ivar shown: the cells in which something was found
    """

    scope: str
    digest: str
    first: Count
    end: Count
    letters: Annotated[str, Meta(pattern=f"^[{re.escape(''.join(LETTERS) + NOT_RUN)}]*$")] = ""
    shown: list[ShownCell] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse cells of another hunt (ValueError: one that is shown is not among them)."""
        for one in self.shown:
            if not self.first <= one.cell < self.end:
                raise ValueError(f"cell {str(one.cell)[:20]} is none of {self.first}:{self.end}")

    @classmethod
    def named(cls, scope: str, text: str = ":") -> Cells:
        """The cells ``A:B`` of a scope, half-open; without a number from the first one or to the last.

        :raises Misuse: it is no such range, or there is no such scope
        """
        count = len(cells_of(scope))
        found = _RANGE.fullmatch(text)
        first, end = (int(found[1] or 0), int(found[2] or count)) if found is not None else (0, 0)
        if not 0 <= first < end <= count:
            all_cells = f"0:{count}"
            raise Misuse(
                f"scope {scope} has the cells {all_cells}, and {text} is no range of them: "
                f"write --cells {all_cells}"
            )
        return cls(scope, cells_digest(scope), first, end)

    @property
    def count(self) -> int:
        """How many cells it is."""
        return self.end - self.first

    @property
    def options(self) -> str:
        """The options that name them."""
        return shell_line(("--enumerate", self.scope, "--cells", f"{self.first}:{self.end}"))

    def program(self, index: int) -> Program:
        """The program of the cell at *index*, from 0."""
        return cells_of(self.scope)[self.first + index].program

    def note(self, state: HuntState, weighed: Mapping[LookLevel, Weighed]) -> None:
        """Give the next cell its letter, behind what a hunt has done for it."""
        signatures = dict.fromkeys(found for told in weighed.values() for found in told.signatures)
        broken = (violation for told in weighed.values() for violation in told.broken)
        known = dict.fromkeys(violation.known for violation in broken if violation.known)
        letters = {_letter_of_reason(weighed), *(_letter_of(found, state) for found in signatures)}
        letter = next(letter for letter in LETTERS if letter in letters or (known and letter == KNOWN_ROW))
        if said := (*map(str, signatures), *known):
            cell = self.first + len(self.letters)
            self.shown.append(ShownCell(cell, letter, said, str(cells_of(self.scope)[cell])))
        self.letters += letter


def _letter_of_reason(weighed: Mapping[LookLevel, Weighed]) -> str:
    reasons = [told.reason for told in weighed.values()]
    if None in reasons or not reasons:
        return AGREES
    return UNDECIDED if all(one is not None and one.kind in MODELS_OWN for one in reasons) else NOT_RUNNABLE


def _letter_of(signature: Signature, state: HuntState) -> str:
    """The letter of what a cell showed."""
    letter = {VIOLATION: "v", LOST: "l", "alarm": "a"}.get(signature.kind, "d")
    findings, known = state.findings, set(state.known_keys)
    if signature.key in known.union(*(findings[one].with_it for one in known & findings.keys())):
        return letter
    found = findings.keys() | {key for finding in findings.values() for key in finding.with_it}
    return letter.upper() if signature.key in found else UNSTABLE


class CellTable(msgspec.Struct, frozen=True):
    """The cells of one kind of mapping.

    :param scope: the scope that has it
    :param mapping: the kind of mapping
    :param columns: the last operation of each cell
    :param rows: by the operations before it, for each column two letters: at aligned and at odd places; one
        where an allocation fails
    """

    scope: str
    mapping: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuse rows of another width (ValueError: one has not two letters for each column)."""
        for name, row in self.rows.items():
            if len(row) != len(self.columns):
                raise ValueError(f"row {name!r} has letters for {len(row)} of {len(self.columns)} columns")

    @property
    def name(self) -> str:
        """Scope and kind of mapping."""
        return f"{self.scope}, {self.mapping}"

    @property
    def letters(self) -> frozenset[str]:
        """The letters that are in it."""
        return frozenset(letter for row in self.rows.values() for pair in row for letter in pair)

    @property
    def loud(self) -> tuple[list[int], dict[str, tuple[str, ...]]]:
        """The numbers of the columns with more than agreement, and the rows with it."""
        rows = {name: row for name, row in self.rows.items() if any(not QUIET.issuperset(of) for of in row)}
        places = range(len(self.columns))
        return [at for at in places if any(not QUIET.issuperset(row[at]) for row in rows.values())], rows


class PrintedCells(msgspec.Struct, frozen=True, kw_only=True):
    """The cells of a hunt.

    :param scope: the name of the scope
    :param first: the number of the first cell
    :param end: that of the cell behind the last one that was to be run
    :param letters: how many cells have each letter
    :param meanings: of the letters
    :param found: the cells in which something was found
    :param tables: for each kind of mapping what its cells showed
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
    """The tables of all kinds of mapping of which a cell was run."""
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
