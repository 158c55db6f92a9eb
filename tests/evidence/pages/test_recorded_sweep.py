"""Recorded sweeps: counts of all cells, and no table in which there are findings."""

from __future__ import annotations

import msgspec
import pytest

from evidence.pages.recorded_sweep import RecordedSweep, recorded, recorded_sweeps
from evidence.pages.sweeps_page import page
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.letters import AGREES, KNOWN, NEW, Cells, CellTable

AGREED = CellTable("pci", "shared", ("munmap",), {"mprotect": ("..",)})
WITH_KNOWN_ROW = CellTable("driver", "remap", ("zap",), {"fork exit": ("k.",)})


def result_with(*tables: CellTable) -> FuzzResult:
    """The result of a sweep of 7.3 whose tables are these."""
    state = HuntState(["model:7.3", "qemu:7.3"], 0, Vocabulary(), cells=Cells.named("pci", "0:2"))
    empty = FuzzResult.of(state, watched=False)
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


def test_a_hunt_of_random_programs_is_no_sweep() -> None:
    """It has no cells that a table could show."""
    drawn = FuzzResult.of(HuntState(["model:7.3", "qemu:7.3"], 0, Vocabulary()), watched=False)

    with pytest.raises(ValueError, match="a hunt with --enumerate is recorded"):
        recorded(drawn)
