"""The cells of sweeps: how many there are by construction, and that each is a program of its own."""

from __future__ import annotations

from collections import Counter

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.sweep.swept_cells import ALL, HeldCell, SweptCell, cells_digest, cells_of, scopes
from pfnlab.hunt.sweep.swept_mappings import (
    CALLS,
    HOLDS,
    MAPPINGS,
    MARKS,
    NEIGHBOURS,
    POINTS,
    TRIPLES,
    SweptMapping,
)
from pfnlab.programs.lang.ops import Fork
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import HELD

#: Places of a row of operations: aligned and odd.
PLACES = 2

#: Every kind of mapping, with its scope and how many operations a cell has.
EVERY: list[tuple[str, SweptMapping, int]] = [
    (scope, mapping, operations)
    for scopes_of, operations in ((MAPPINGS | MARKS, 2), (TRIPLES, 3))
    for scope, mappings in scopes_of.items()
    for mapping in mappings
]


@pytest.mark.parametrize("scope", [*MAPPINGS, *TRIPLES, *MARKS])
def test_a_scope_has_every_row_of_operations(scope: str) -> None:
    """Kinds to the power of two or three, at each place, summed over its kinds of mapping."""
    counts = [
        PLACES * len(mapping.kinds) ** operations for name, mapping, operations in EVERY if name == scope
    ]

    assert sum(counts) == len(cells_of(scope))


def test_all_is_every_other_scope() -> None:
    """In their order; but not that of holds, which takes long."""
    assert [cell for name in (*MAPPINGS, *TRIPLES) for cell in cells_of(name)] == list(cells_of(ALL))


def test_there_are_so_many_cells() -> None:
    """The numbers that the page on sweeps names."""
    counts = {scope: len(cells_of(scope)) for scope in scopes()}

    assert {
        **{"pci": 1156, "mem": 578, "private": 512, "driver": 1568, "vfio": 392, "leaves": 726},
        **{"triples": 500, "marks": 864, "holds": 2328, "failures": 3517, "all": 5432},
        "neighbours": 4992,
    } == counts


def test_no_cell_comes_twice() -> None:
    """Two of one program would say one thing twice."""
    scopes = (ALL, "marks", "holds", "neighbours")
    texts = Counter(cell.text for scope in scopes for cell in cells_of(scope))

    assert [] == [text for text, count in texts.items() if count > 1]


@pytest.mark.parametrize(
    ("scope", "mapping", "operations"), EVERY, ids=lambda value: getattr(value, "name", value)
)
def test_each_row_has_a_fork_at_one_of_its_places(scope: str, mapping: SweptMapping, operations: int) -> None:
    """In turn: half of the rows at aligned places, the others at odd ones."""
    forked: dict[tuple[str, ...], list[bool]] = {}
    for cell in cells_of(scope):
        if isinstance(cell, SweptCell) and cell.mapping is mapping:
            forked.setdefault(cell.kinds, []).append(cell.fork)

    assert {1} == {sum(forks) for forks in forked.values()}
    at_aligned = sum(forks[0] for forks in forked.values())
    assert abs(2 * at_aligned - len(forked)) <= 1


@pytest.mark.parametrize("scope", [*MAPPINGS, *TRIPLES, *MARKS])
def test_each_cell_is_a_correct_program(scope: str) -> None:
    """It is read, and has a fork where the cell says so."""
    cells = [cell for cell in cells_of(scope)[::7] if isinstance(cell, SweptCell)]

    between = {str(cell): any(op.call == Fork("c") for op in cell.program.ops) for cell in cells}

    assert {str(cell): cell.fork for cell in cells} == between


def test_each_kind_of_operation_is_used() -> None:
    """A kind that no mapping has would be enumerated nowhere."""
    used = {kind for _, mapping, _ in EVERY for kind in mapping.kinds}
    for mapping in (*HOLDS["holds"], *NEIGHBOURS["neighbours"]):
        used |= set(mapping.kinds)

    assert set(CALLS) == used


@pytest.mark.parametrize("mapping", HOLDS["holds"], ids=lambda mapping: mapping.name)
def test_each_hold_gets_to_its_function(mapping: SweptMapping) -> None:
    """On the model: an operation that does not come to the function would be held nowhere."""
    cells = {
        cell.kinds[0]: cell.program
        for cell in cells_of("holds")
        if cell.mapping is mapping and cell.kinds[1] == "write" and not cell.odd
    }

    runs = ModelMachine("7.3").run(list(cells.values()))

    held = [any(step.result == HELD for step in run.steps) for run in runs]
    assert [] == [name for name, got_there in zip(cells, held, strict=True) if not got_there]


def test_an_operation_is_held_at_every_function_of_its_kind() -> None:
    """Those of a fault alone where the mapping is filled by faults, and no reservation there."""
    points = {
        (cell.mapping.name, cell.held, cell.point) for cell in cells_of("holds") if isinstance(cell, HeldCell)
    }

    assert {point for _, held, point in points} == {point for held in POINTS.values() for point in held}
    assert {"fault"} == {name for name, held, _ in points if held == "write"}
    assert {"WC", "remap"} == {name for name, _, point in points if point == "memtype_reserve"}


def test_beside_a_hold_is_a_thread_or_a_child() -> None:
    """The second of two cells has the child."""
    born = [line for cell in cells_of("holds")[:2] for line in cell.text.splitlines() if line[:3] == "t ="]

    assert ["t = thread", "t = fork"] == born


def test_a_scope_that_is_none() -> None:
    """The one that was meant is named."""
    with pytest.raises(Misuse, match="there is no scope `drivers`: did you mean `driver`"):
        cells_of("drivers")


def test_other_cells_have_another_digest() -> None:
    """By which a stored sweep knows that its cells are not those of today."""
    assert len(scopes()) == len({cells_digest(scope) for scope in scopes()})


def test_a_moved_mapping_is_followed_at_aligned_places() -> None:
    """At odd places the next operation is done where it was."""
    moved = [cell for cell in cells_of("pci") if cell.kinds == ("move", "munmap")][:2]

    assert [(False, "munmap b[0:4]"), (True, "munmap a[5:11]")] == [
        (cell.odd, line) for cell in moved for line in cell.text.splitlines() if line.startswith("munmap")
    ]
