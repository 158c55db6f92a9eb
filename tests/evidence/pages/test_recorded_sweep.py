"""Recorded sweeps: counts of all cells, and no table in which there are findings."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from evidence.pages.__main__ import made
from evidence.pages.recorded_sweep import RecordedSweep, recorded, recorded_sweeps
from evidence.pages.sweeps_page import page, printed
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.letters import AGREES, KNOWN, NEW, Cells, CellTable

PAGE = Path(__file__).parents[3] / "docs" / "sweeps.md"

#: A known reason of cells.
A06 = "A06: the pieces of a split VMA free ranges that were never reserved"

AGREED = CellTable("pci", "shared", ("munmap",), {"mprotect": ("..",)})
WITH_KNOWN_ROW = CellTable("driver", "remap", ("zap",), {"fork exit": ("k.",)})


def result_with(*tables: CellTable) -> FuzzResult:
    """The result of a sweep of 7.3 whose tables are these."""
    state = HuntState(["model:7.3", "qemu:7.3"], 0, Vocabulary(), cells=Cells.named("pci", "0:2"))
    empty = FuzzResult.of(state)
    assert empty.cells is not None
    return msgspec.structs.replace(empty, cells=msgspec.structs.replace(empty.cells, tables=tables))


@pytest.mark.parametrize("letter", sorted(NEW | KNOWN))
def test_a_table_with_a_finding_is_withheld(letter: str) -> None:
    """Only the name of its kind of mapping is kept: findings may be private."""
    found = CellTable("leaves", "fault_pmd", ("munmap",), {"move": (letter + AGREES,)})

    kept = recorded(result_with(AGREED, found))

    assert ((), ("pci, shared",), ("leaves, fault_pmd",)) == (kept.tables, kept.agreed, kept.withheld)


def test_a_table_with_known_reasons_is_kept() -> None:
    """It shows cells in which a kernel breaks a property for a public reason."""
    kept = recorded(result_with(AGREED, WITH_KNOWN_ROW))

    assert ((WITH_KNOWN_ROW,), ()) == (kept.tables, kept.withheld)


def test_the_command_names_the_kernel_it_is_filed_by() -> None:
    """The model of the kernel's series is the sweep's own choice."""
    kept = recorded(result_with(AGREED))

    assert ("pfnlab fuzz --enumerate pci --on qemu:7.3 --known findings --json", "7.3") == (
        kept.command,
        kept.series,
    )


def test_each_cell_of_a_recorded_kernel_has_one_letter() -> None:
    """So no cell was passed over; a record with one more cell does not add up."""

    def whole(sweep: RecordedSweep) -> bool:
        cells = sweep.compared + sweep.undecided + sweep.not_runnable
        return sweep.cells == sum(sweep.letters.values()) == cells

    kept = recorded_sweeps()

    assert [True for _ in kept] == [whole(sweep) for sweep in kept]
    assert not whole(msgspec.structs.replace(kept[0], cells=kept[0].cells + 1))


def test_the_page_has_a_row_for_each_recorded_kernel() -> None:
    """With the exact version of the kernel."""
    rows = [line for line in page().splitlines() if line.startswith("| linux-")]

    assert [sweep.kernel for sweep in recorded_sweeps()] == [row.split(" | ")[0][2:] for row in rows]


def test_the_page_is_current() -> None:
    """Write it again with ``python -m evidence.pages sweeps --write``."""
    assert made("sweeps") == PAGE.read_text(encoding="utf-8")


def test_every_known_reason_has_its_count_on_the_page() -> None:
    """In the column of its kernel; a scope that was not swept on it has a dash."""
    rows = [line.strip("| ").split(" | ") for line in page().splitlines()]

    (of_all,) = [row for row in rows if row[:2] == ["`all`", f"no_leak: {A06}"]]
    (kept,) = [one for one in recorded_sweeps() if (one.series, one.scope) == ("6.1", "all")]
    assert [f"{kept.known[f'no_leak: {A06}']:,}", "-"] == [of_all[2], of_all[4]]


def test_every_recorded_cell_is_printed() -> None:
    """Rows and columns that have more than agreement, and the names of the other tables."""
    (kept,) = [one for one in recorded_sweeps() if (one.series, one.scope) == ("6.1", "all")]

    lines = printed(kept).splitlines()

    rows = [
        f"| {name} | {' | '.join(f'`{pairs[at]}`' for at in columns)} |"
        for columns, rows in (one.loud for one in kept.tables)
        for name, pairs in rows.items()
    ]
    assert rows
    assert rows == [line for line in lines if line in set(rows)]
    assert any(line.endswith(f": {'; '.join(kept.agreed)}.") for line in lines)


def test_a_hunt_of_random_programs_is_no_sweep() -> None:
    """It has no cells that a table could show."""
    drawn = FuzzResult.of(HuntState(["model:7.3", "qemu:7.3"], 0, Vocabulary()))

    with pytest.raises(ValueError, match="a hunt with --enumerate is recorded"):
        recorded(drawn)
