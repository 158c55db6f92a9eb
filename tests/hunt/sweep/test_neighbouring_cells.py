"""The cells of a sweep of neighbours: two mappings with each pair of gaps, and each operation over both."""

from __future__ import annotations

from collections import Counter
from itertools import product

import pytest
from for_each import for_each
from having import ASKED_WIDELY, bootable, model_of

from pfnlab.hunt.sweep.neighbouring_cells import NEIGHBOURS, neighbouring_mappings
from pfnlab.hunt.sweep.swept_cells import ALL, cells_of
from pfnlab.hunt.sweep.swept_mappings import SweptCell, SweptMapping
from pfnlab.lab.running.placement import check_placeable
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.cases.neighbours import GAPS
from pfnlab.programs.lang.ops import Mmap
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel

#: Its cells, and its pairs of kinds of mapping.
CELLS, MAPPINGS = cells_of(NEIGHBOURS), neighbouring_mappings()

#: One program of so many is asked in ``make test``.
_EACH = 40


def gaps_of(cell: SweptCell) -> tuple[int, int | None]:
    """The pages between its two mappings: in the area, and on the device if both show it."""
    first, second = (op.call for op in cell.program.ops[:2])
    assert isinstance(first, Mmap) and isinstance(second, Mmap)
    assert first.over is not None and second.over is not None
    pairs = [(first.over, second.over), (first.source, second.source)]
    spans = [sorted((one.parts[1:], other.parts[1:])) for one, other in pairs]
    (area, device) = (upper[0] - lower[1] for lower, upper in spans)
    return area, device if first.source.name == second.source.name else None


def said_gaps(cell: SweptCell) -> tuple[int, int]:
    """The same as its column says; on the device as in the area if it says nothing."""
    area, _, device = cell.kinds[1].removesuffix(" on the device").partition(", ")
    return GAPS[area], GAPS[device or area]


def test_neighbours_are_a_scope() -> None:
    """With the cells of no other, and not among all of them."""
    assert {NEIGHBOURS} == {cell.scope for cell in CELLS}
    assert not [cell for cell in cells_of(ALL) if cell.scope == NEIGHBOURS]


@for_each("mapping", MAPPINGS, ids=lambda mapping: mapping.name)
def test_an_operation_has_every_pair_of_gaps(mapping: SweptMapping) -> None:
    """As its column says; on the device none with ordinary memory."""
    cells = [cell for cell in CELLS if cell.table == mapping.name]

    says = [said_gaps(cell) for cell in cells]
    found = [gaps_of(cell) for cell in cells]
    assert says == [(area, area if device is None else device) for area, device in found]
    every = set(product(GAPS.values(), (None,) if None in dict(found).values() else GAPS.values()))
    assert {kind: every for kind in mapping.kinds} == {
        kind: {gap for gap, cell in zip(found, cells, strict=True) if cell.kinds[0] == kind}
        for kind in mapping.kinds
    }


def test_each_cell_stays_on_its_device() -> None:
    """A guest has room for it, and nothing is mapped past the end."""
    for cell in CELLS:
        check_placeable(cell.program)
        assert not cell.program.needs.past_end


def test_a_fork_and_a_side_come_in_turn() -> None:
    """Of the two cells of a pair of gaps, one has the fork, and one has the second mapping in front."""
    says = [
        tuple(word in cell.title for word in (", fork on ", "all of both", "; in front")) for cell in CELLS
    ]

    pairs = zip(says[::2], says[1::2], strict=True)
    assert all({one[at], other[at]} == {False, True} for one, other in pairs for at in range(3))
    assert 8 == len(Counter(says))


def test_each_cell_is_a_program_without_a_hole_in_its_letters() -> None:
    """Every row has each column, with two cells."""
    rows: dict[tuple[str, str], list[str]] = {}
    for cell in CELLS:
        rows.setdefault((cell.table, cell.kinds[0]), []).append(cell.kinds[1])

    assert {2} == {count for columns in rows.values() for count in Counter(columns).values()}
    for table in {table for table, _ in rows}:
        assert 1 == len({tuple(columns) for (of, _), columns in rows.items() if of == table})


def test_the_model_has_a_rule_for_each_pair_of_mappings() -> None:
    """The first cell of each kind of mapping ends."""
    firsts = [next(cell for cell in CELLS if cell.table == one.name).program for one in MAPPINGS]

    assert {None} == {run.unfinished for run in ModelMachine("7.3").run(firsts)}


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "series",
    [pytest.param(one, marks=pytest.mark.xdist_group(f"kernel-{one}")) for one in ASKED_WIDELY],
)
def test_neighbours_are_as_on_the_kernel(series: str) -> None:
    """Some of them, step by step; those of vfio-pci need other guests."""
    programs = [cell.program for cell in CELLS[::_EACH] if cell.table != "vfio"]
    bootable(series)
    with QemuMachine(series, guests=1, look=LookLevel.MEMORY) as kernel:
        real = kernel.run(programs)
    predicted = ModelMachine(model_of(series), LookLevel.MEMORY).run(programs)

    pairs = zip(programs, predicted, real, strict=True)
    assert [] == [f"{one.title}: {told[0]}" for one, *runs in pairs if (told := differences(runs))]
