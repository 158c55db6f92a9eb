"""Every cell of the walkers' table, on kernels: the newest, or all: ``PFNLAB_KERNELS=all``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from comparing import COMPARED
from having import ASKED, EVERY_SERIES, NEW, bootable, model_of

from evidence.pages.walkers_page import cell
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS, cell_program
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}"))
        for series in (ASKED if EVERY_SERIES else [NEW])
    ],
)
def test_every_cell_is_what_the_kernel_says(
    series: str, record_property: Callable[[str, object], None]
) -> None:
    """
    The cell itself, and everything else a run observes. Cells that need the driver or vfio-pci stay
    undecided on a kernel without headers or modules.
    """
    bootable(series)
    cells = [(walker, kind) for walker in WALKERS for kind in KINDS]
    programs = [cell_program(*one) for one in cells]
    with QemuMachine(series, guests=1) as machine:
        runs = machine.run(programs)

    found, undecided = [], 0
    for (walker, kind), program, real in zip(cells, programs, runs, strict=True):
        if str(real.undecided).startswith(("no headers for ", "no vfio-pci for ")):
            undecided += 1
            continue
        predicted = ModelMachine(model_of(series)).run_one(program, check=True)
        if real.unfinished is not None or differences([predicted, real]):
            seen = real.unfinished or cell(walker, real)
            found.append(f"{walker} at {kind}: {seen}, predicted {cell(walker, predicted)}")
    compared = f"{len(cells)} walkers' cells, {len(found)} differences"
    compared += f", {undecided} undecided for lack of headers or modules" if undecided else ""
    record_property(COMPARED, f"{series}: {compared}, {runs[0].kernel}")

    assert [] == found
