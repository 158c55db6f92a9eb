"""The cells of sweeps: how many there are by construction, and that each is a program of its own."""

from __future__ import annotations

from collections import Counter

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.sweep.swept_cells import ALL, MARKS, cells_digest, cells_of, mappings_of, scopes
from pfnlab.hunt.sweep.swept_mappings import SweptMapping, mappings_in
from pfnlab.programs.cases.mapping_kinds import MAPPING_KINDS
from pfnlab.programs.cases.operation_kinds import CALLS, POINTS
from pfnlab.programs.lang.ops import Fork
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import HELD

#: The kinds of mapping on which operations are held.
HELD_MAPPINGS = mappings_in("holds")

#: Places of a row of operations: aligned and odd.
PLACES = 2

#: The scopes of operations in sequence, each with its kinds of mapping.
SEQUENCES = {**mappings_of(ALL), **mappings_of(MARKS)}

#: Every kind of mapping, with its scope and how many operations a cell has.
EVERY: list[tuple[str, SweptMapping, int]] = [
    (scope, mapping, 3 if scope == "triples" else 2)
    for scope, mappings in SEQUENCES.items()
    for mapping in mappings
]


@pytest.mark.parametrize("scope", SEQUENCES)
def test_a_scope_has_every_row_of_operations(scope: str) -> None:
    """Kinds to the power of two or three, at each place, summed over its kinds of mapping."""
    counts = [
        PLACES * len(mapping.kinds) ** operations for name, mapping, operations in EVERY if name == scope
    ]

    assert sum(counts) == len(cells_of(scope))


def test_all_is_every_other_scope() -> None:
    """In their order; but not that of holds, which takes long."""
    assert [cell for name in mappings_of(ALL) for cell in cells_of(name)] == list(cells_of(ALL))


def test_there_are_so_many_cells() -> None:
    """The numbers that the page on sweeps names."""
    counts = {scope: len(cells_of(scope)) for scope in scopes()}

    assert {
        **{"pci": 1156, "mem": 578, "private": 512, "driver": 1568, "vfio": 392, "leaves": 726},
        **{"triples": 500, "marks": 864, "holds": 2328, "failures": 3517, "all": 5432},
        "neighbours": 4992,
    } == counts


def forks_between(title: str) -> bool:
    """True if a cell's title has a fork behind the first operation."""
    return title.split(", ")[1] == "fork"


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
        if cell.table == mapping.name:
            forked.setdefault(cell.kinds, []).append(forks_between(cell.title))

    assert {1} == {sum(forks) for forks in forked.values()}
    at_aligned = sum(forks[0] for forks in forked.values())
    assert abs(2 * at_aligned - len(forked)) <= 1


@pytest.mark.parametrize("scope", SEQUENCES)
def test_each_cell_is_a_correct_program(scope: str) -> None:
    """It is read, and has a fork where the cell says so."""
    cells = cells_of(scope)[::7]

    between = {str(cell): any(op.call == Fork("c") for op in cell.program.ops) for cell in cells}

    assert {str(cell): forks_between(cell.title) for cell in cells} == between


def test_each_kind_of_operation_is_used() -> None:
    """A kind that no mapping has would be enumerated nowhere."""
    used = {kind for _, mapping, _ in EVERY for kind in mapping.kinds}
    for mapping in (*HELD_MAPPINGS, *mappings_of("neighbours")["neighbours"]):
        used |= set(mapping.kinds)

    assert set(CALLS) == used


@pytest.mark.parametrize("mapping", HELD_MAPPINGS, ids=lambda mapping: mapping.name)
def test_each_hold_gets_to_its_function(mapping: SweptMapping) -> None:
    """On the model: an operation that does not come to the function would be held nowhere."""
    cells = {
        cell.kinds[0]: cell.program
        for cell in cells_of("holds")
        if cell.table == mapping.name and cell.kinds[1] == "write" and "by a thread" in cell.title
    }

    runs = ModelMachine("7.3").run(list(cells.values()))

    held = [any(step.result == HELD for step in run.steps) for run in runs]
    assert [] == [name for name, got_there in zip(cells, held, strict=True) if not got_there]


def test_an_operation_is_held_at_every_function_of_its_kind() -> None:
    """Those of a fault alone where the mapping is filled by faults, and no reservation there."""
    points = {(cell.table, *cell.kinds[0].split(" in ")) for cell in cells_of("holds")}

    assert {point for _, _, point in points} == {point for held in POINTS.values() for point in held}
    assert {"fault"} == {name for name, held, _ in points if held == "write"}
    reserving = {kind.name for kind in MAPPING_KINDS.values() if "memtype_reserve" in kind.reaches}
    assert {"WC", "remap"} == reserving == {name for name, _, point in points if point == "memtype_reserve"}


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

    assert [("aligned", "munmap b[0:4]"), ("odd", "munmap a[5:11]")] == [
        (cell.title.split()[-2], line)
        for cell in moved
        for line in cell.text.splitlines()
        if line.startswith("munmap")
    ]
