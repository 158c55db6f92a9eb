"""Recorded sweeps, as stored for a page: counts, and tables that reveal no findings.

``python evidence/tools/record_sweep.py RESULT.json`` makes it from the output of ``pfnlab fuzz --enumerate
SCOPE --json``. Findings may be private, so tables with findings are reduced to counts by letter.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from pfnlab.hunt.fuzz.hunt_state import FuzzResult
from pfnlab.hunt.fuzz.letters import AGREES, KNOWN, NEW, QUIET, CellTable

FOLDER = Path(__file__).parent / "sweeps"


class RecordedSweep(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep on a kernel, as stored for the page.

    :param command: the command of the sweep
    :param kernel: the exact kernel
    :param cells: how many cells were run, out of *of*
    :param tables: the tables in which a property is violated for a known reason, or a cell was not compared
    :param agreed: mapping kinds in which every cell was run and agreed
    :param withheld: mapping kinds with findings
    """

    command: str
    kernel: str
    scope: str
    cells: int
    of: int
    compared: int
    undecided: int
    not_runnable: int
    differences: int
    letters: dict[str, int]
    known: dict[str, int]
    reasons: dict[str, int]
    tables: tuple[CellTable, ...]
    agreed: tuple[str, ...]
    withheld: tuple[str, ...]

    @property
    def series(self) -> str:
        """The kernel's series."""
        return self.command.rpartition("qemu:")[2].split()[0]

    @property
    def file(self) -> Path:
        """The file for the record: one per series and scope."""
        return FOLDER / f"{self.series}-{self.scope}.json"


def recorded(result: FuzzResult) -> RecordedSweep:
    """Return the part of *result* that is stored for a page.

    :raises ValueError: if it comes from random programs
    """
    cells = result.cells
    if cells is None:
        raise ValueError("these are random programs: a hunt with --enumerate is recorded")
    undecided = sum(result.reasons[name] for name in result.models_own)
    kernel = next(machine for machine in result.machines if not machine.startswith("model:"))
    return RecordedSweep(
        command=f"pfnlab fuzz --enumerate {cells.scope} --on {kernel} --known findings --json",
        kernel=result.kernels.get(kernel, kernel),
        scope=cells.scope,
        cells=result.programs,
        of=cells.end - cells.first,
        compared=result.compared,
        undecided=undecided,
        not_runnable=result.undecided - undecided,
        differences=result.differences,
        letters=cells.letters,
        known={name: row.programs for name, row in result.known.items()},
        reasons=result.reasons,
        tables=tuple(
            table for table in cells.tables if not table.letters & (NEW | KNOWN) and table.letters - QUIET
        ),
        agreed=tuple(table.name for table in cells.tables if table.letters == {AGREES}),
        withheld=tuple(table.name for table in cells.tables if table.letters & (NEW | KNOWN)),
    )


def recorded_sweeps() -> list[RecordedSweep]:
    """Return the recorded sweeps on all kernels, by scope and series."""
    kept = [msgspec.json.decode(file.read_bytes(), type=RecordedSweep) for file in FOLDER.glob("*.json")]
    return sorted(kept, key=lambda sweep: (sweep.scope, [int(part) for part in sweep.series.split(".")]))
