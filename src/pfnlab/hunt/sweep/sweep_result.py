"""The result of a sweep: what was compared and found, and a table for each kind of mapping."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec

from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.hunt_state import PrintedFinding, Unstable
from pfnlab.hunt.fuzz.known_rows import KnownRow
from pfnlab.hunt.fuzz.signature import MODELS_OWN
from pfnlab.hunt.sweep.sweep_state import LETTERS, NOT_RUN, ShownCell, SweepState
from pfnlab.hunt.sweep.swept_cells import cells_of

FORMAT = "pfnlab-sweep/1"


class SweptFinding(PrintedFinding):
    """A finding of a sweep.

    :param kind: ``difference``, ``violation``, ``alarm``, ``looking``, ``leftover`` or ``lost``
    """

    kind: str = "difference"


class SweptTable(msgspec.Struct, frozen=True):
    """The cells of one kind of mapping.

    :param scope: the scope that has it
    :param mapping: the kind of mapping
    :param columns: the last operation of each cell
    :param rows: by the operations before it, for each column two letters: at aligned and at odd places
    """

    scope: str
    mapping: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        """Refuse rows of another width.

        :raises ValueError: one has not two letters for each column
        """
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


class FoundCell(ShownCell, frozen=True, kw_only=True):
    """A cell in which something was found.

    :param title: what it does
    """

    title: str


class SweepResult(Result, frozen=True, kw_only=True, tag=FORMAT):
    """The result of a sweep.

    :param scope: the name of the scope
    :param machines: the machines that were compared
    :param kernels: the exact kernel or profile behind each machine, by name
    :param looking: how kernels were looked at
    :param first: the number of the first cell
    :param end: that of the cell behind the last one that was to be run
    :param cells: the cells that were run
    :param compared: cells that ran on every machine
    :param undecided: cells for which the model has no rule; kernels ran them, and were judged
    :param not_runnable: cells that some machine cannot run
    :param differences: cells in which machines differed
    :param alarming: of the undecided cells, those in which a kernel raised an alarm or broke a property
    :param known: properties that kernels broke for a known reason, by property and reason
    :param letters: how many cells have each letter
    :param meanings: of the letters
    :param findings: the findings by signature
    :param unstable: differences that did not show again
    :param reasons: why cells were not compared, and how many
    :param models_own: those of the reasons that are the model's own: it has no rule, or no answer exists
    :param found: the cells in which something was found
    :param tables: for each kind of mapping what its cells showed
    """

    scope: str
    machines: tuple[str, ...]
    kernels: dict[str, str]
    looking: str
    first: Count
    end: Count
    cells: Count
    compared: Count
    undecided: Count
    not_runnable: Count
    differences: Count
    alarming: Count
    known: dict[str, KnownRow]
    letters: dict[str, Count]
    meanings: Annotated[dict[str, str], ALWAYS] = msgspec.field(default_factory=dict)
    findings: dict[str, SweptFinding]
    unstable: tuple[Unstable, ...]
    reasons: dict[str, Count]
    models_own: tuple[str, ...]
    found: tuple[FoundCell, ...]
    tables: tuple[SweptTable, ...]

    @classmethod
    def of(cls, state: SweepState) -> SweepResult:
        """The result of a sweep, whole or so far."""
        cells = cells_of(state.scope)
        counted = Counter(state.letters)
        own = tuple(name for name in state.reasons if state.kinds.get(name) in MODELS_OWN)
        return cls(
            made=Made.now(),
            scope=state.scope,
            machines=tuple(state.machines),
            kernels=dict(sorted(state.kernels.items())),
            looking=str(state.looking),
            first=state.first,
            end=state.end,
            cells=state.next,
            compared=state.compared,
            undecided=sum(state.reasons[name] for name in own),
            not_runnable=sum(count for name, count in state.reasons.items() if name not in own),
            differences=state.different,
            alarming=state.alarming,
            known=dict(sorted(state.known.items())),
            letters={letter: counted[letter] for letter in LETTERS if counted[letter]},
            meanings={letter: meaning for letter, meaning in LETTERS.items() if counted[letter]},
            findings=dict(_findings(state)),
            unstable=tuple(state.unstable),
            reasons=dict(sorted(state.reasons.items())),
            models_own=own,
            found=tuple(
                FoundCell(one.cell, one.letter, one.says, title=str(cells[one.cell])) for one in state.shown
            ),
            tables=tuple(_tables(state)),
        )

    @property
    def outcome(self) -> Outcome:
        """A finding is a discovery; an unstable difference or a cell without an answer is undecided."""
        if self.findings:
            return Outcome.DISCOVERY
        undecided = self.unstable or self.not_runnable or not self.compared
        return Outcome.UNDECIDED if undecided else Outcome.AS_EXPECTED

    @property
    def headline(self) -> str:
        """Cells and differences."""
        return f"{number_of(self.cells, 'cell')}, {number_of(self.differences, 'difference')}"


def _findings(state: SweepState) -> Iterator[tuple[str, SweptFinding]]:
    for key, printed in state.printed():
        fields = {name: getattr(printed, name) for name in PrintedFinding.__struct_fields__}
        signature = state.findings[key].signature
        yield key, SweptFinding(**fields, kind=signature.kind if signature is not None else "difference")


def _tables(state: SweepState) -> Iterator[SweptTable]:
    """The tables of all kinds of mapping of which a cell was run."""
    cells = cells_of(state.scope)
    before = NOT_RUN * state.first
    letters = (before + state.letters).ljust(len(cells), NOT_RUN)
    rows: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for cell, letter in zip(cells, letters, strict=True):
        *first, last = cell.kinds
        of_row = rows.setdefault((cell.scope, cell.mapping.name), {}).setdefault(", ".join(first), {})
        of_row[last] = of_row.get(last, "") + letter
    for (scope, mapping), table in rows.items():
        if any(letters.strip() for row in table.values() for letters in row.values()):
            columns = tuple(next(iter(table.values())))
            yield SweptTable(
                scope, mapping, columns, {name: tuple(row.values()) for name, row in table.items()}
            )
