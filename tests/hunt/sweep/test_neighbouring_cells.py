"""The cells of a sweep of neighbours: two mappings with each pair of gaps, and each operation over both."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from for_each import for_each
from having import ASKED_WIDELY, bootable, model_of

from pfnlab.hunt.sweep.neighbouring_cells import MAPPINGS, NeighbouringCell, neighbouring_cells
from pfnlab.hunt.sweep.swept_cells import ALL, cells_of
from pfnlab.lab.running.placement import check_placeable
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.neighbours import GAPS
from pfnlab.programs.lang.ops import Mmap
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel

#: One program of so many is asked in ``make test``.
_EACH = 40


def gaps_of(cell: NeighbouringCell) -> tuple[int, int | None]:
    """The pages between its two mappings: in the area, and on the device if both show it."""
    first, second = (op.call for op in cell.program.ops[:2])
    assert isinstance(first, Mmap) and isinstance(second, Mmap)
    assert first.over is not None and second.over is not None
    pairs = [(first.over, second.over), (first.source, second.source)]
    spans = [sorted((one.parts[1:], other.parts[1:])) for one, other in pairs]
    (area, device) = (upper[0] - lower[1] for lower, upper in spans)
    return area, device if first.source.name == second.source.name else None


def test_neighbours_are_a_scope() -> None:
    """With the cells of no other, and not among all of them."""
    assert neighbouring_cells() == cells_of("neighbours")
    assert not [cell for cell in cells_of(ALL) if isinstance(cell, NeighbouringCell)]


@for_each("mapping", MAPPINGS, ids=lambda mapping: mapping.name)
def test_an_operation_has_every_pair_of_gaps(mapping: object) -> None:
    """As its column says; on the device none with ordinary memory."""
    cells = [cell for cell in neighbouring_cells() if cell.mapping is mapping]

    says = [(GAPS[cell.area], GAPS[cell.device] if cell.device else None) for cell in cells]
    assert says == [gaps_of(cell) for cell in cells]
    every = set(product(GAPS.values(), GAPS.values() if None not in dict(says).values() else (None,)))
    assert {kind: every for kind in dict.fromkeys(cell.operation for cell in cells)} == {
        kind: {gap for gap, cell in zip(says, cells, strict=True) if cell.operation == kind}
        for kind in dict.fromkeys(cell.operation for cell in cells)
    }


def test_each_cell_stays_on_its_device() -> None:
    """A guest has room for it, and nothing is mapped past the end."""
    for cell in neighbouring_cells():
        check_placeable(cell.program)
        assert not cell.program.needs.past_end


def test_a_fork_and_a_side_come_in_turn() -> None:
    """Of the two cells of a pair of gaps, one has the fork, and one has the second mapping in front."""
    pairs = [neighbouring_cells()[at : at + 2] for at in range(0, len(neighbouring_cells()), 2)]

    assert all({one.fork, other.fork} == {one.front, other.front} == {False, True} for one, other in pairs)
    together = Counter((cell.whole, cell.fork, cell.front) for cell in neighbouring_cells())
    assert 8 == len(together)


def test_each_cell_is_a_program_without_a_hole_in_its_letters() -> None:
    """Every row has each column, with two cells."""
    rows: dict[tuple[str, str], list[str]] = {}
    for cell in neighbouring_cells():
        rows.setdefault((cell.table, cell.kinds[0]), []).append(cell.kinds[1])

    assert {2} == {count for columns in rows.values() for count in Counter(columns).values()}
    for table in {table for table, _ in rows}:
        assert 1 == len({tuple(columns) for (of, _), columns in rows.items() if of == table})


def test_the_model_has_a_rule_for_each_pair_of_mappings() -> None:
    """The first cell of each kind of mapping ends."""
    firsts = [next(cell for cell in neighbouring_cells() if cell.mapping is one).program for one in MAPPINGS]

    assert {None} == {run.unfinished for run in ModelMachine("7.3").run(firsts)}


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "series",
    [pytest.param(one, marks=pytest.mark.xdist_group(f"kernel-{one}")) for one in ASKED_WIDELY],
)
def test_neighbours_are_as_on_the_kernel(series: str) -> None:
    """Some of them, step by step; those of vfio-pci need other guests."""
    programs = [cell.program for cell in neighbouring_cells()[::_EACH] if cell.table != "vfio"]
    bootable(series)
    with QemuMachine(series, guests=1, look=LookLevel.MEMORY) as kernel:
        real = kernel.run(programs)
    predicted = ModelMachine(model_of(series), LookLevel.MEMORY).run(programs)

    pairs = zip(programs, predicted, real, strict=True)
    assert [] == [f"{one.title}: {told[0]}" for one, *runs in pairs if (told := differences(runs))]
