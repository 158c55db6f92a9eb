"""Every operation that may allocate, with an allocation that fails: the model, and kernels.

``make test`` asks the newest kernel some of them, ``make test-older`` the other two, ``make test-long`` all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
import pytest
from having import ASKED_WIDELY, NEW, bootable, model_of

from pfnlab.hunt.sweep.failing_cells import FAILURES
from pfnlab.hunt.sweep.swept_cells import ALL, cells_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step

#: The tables.
GROUPS = tuple(dict.fromkeys(cell.table for cell in cells_of(FAILURES)))

#: One program of so many is asked in ``make test``, of each table.
_EACH = 9


def without_failure(program: Program) -> Program:
    """The same program, in which nothing fails."""
    ops = tuple(msgspec.structs.replace(op, fail=None) for op in program.ops)
    return msgspec.structs.replace(program, ops=ops)


def _done(run: Run) -> list[Step]:
    """What was done in each step, whatever was asked for."""
    return [msgspec.structs.replace(step, op="") for step in run.steps]


def reached(found: Sequence[Program]) -> list[Program]:
    """Those in which the model comes to the call that fails: without, it does something else."""
    model = ModelMachine("7.3")
    with_it, without = model.run(found), model.run([without_failure(one) for one in found])
    return [
        one for one, failed, ran in zip(found, with_it, without, strict=True) if _done(failed) != _done(ran)
    ]


@cache
def asked() -> list[Program]:
    """The programs of ``make test``."""
    groups = ([cell for cell in cells_of(FAILURES) if cell.table == group] for group in GROUPS)
    return reached([cell.program for cells in groups for cell in cells[1::_EACH]])


def differing(series: str, found: Sequence[Program]) -> list[str]:
    """What differs between the kernel and its model, the first of each program."""
    bootable(series)
    with QemuMachine(series, guests=1, look=LookLevel.MEMORY) as kernel:
        real = kernel.run(found)
    predicted = ModelMachine(model_of(series), LookLevel.MEMORY).run(found)
    pairs = zip(found, predicted, real, strict=True)
    return [f"{one.title}: {told[0]}" for one, *runs in pairs if (told := differences(runs))]


def test_failures_are_a_scope() -> None:
    """With the cells of no other, and not among all of them, which no allocation fails in."""
    assert {FAILURES} == {cell.scope for cell in cells_of(FAILURES)}
    assert not [cell for cell in cells_of(ALL) if cell.scope == FAILURES]


def test_each_cell_is_a_program_of_its_own() -> None:
    """In which the operation of its row fails as its column says, once."""
    cells = cells_of(FAILURES)

    forced = [[op.fail for op in cell.program.ops if op.fail is not None] for cell in cells]

    assert [cell.kinds[1].split()[0] for cell in cells] == [fail.function for (fail,) in forced]
    texts = [cell.text.partition("\ndevice")[2] for cell in cells]
    assert len(cells) == len(set(texts)) == len({str(cell) for cell in cells})


@pytest.mark.parametrize("group", GROUPS)
def test_a_table_has_a_cell_for_each_column(group: str) -> None:
    """Of every row: a letter that is missing would shift those behind it."""
    columns: dict[str, list[str]] = {}
    for cell in cells_of(FAILURES):
        if cell.table == group:
            columns.setdefault(cell.kinds[0], []).append(cell.kinds[1])

    assert 1 == len({tuple(fails) for fails in columns.values()})


def test_each_operation_fails_on_its_first_call() -> None:
    """By a page table, or where tables are freed by the page that has a batch of them."""
    firsts = {
        group: {cell.kinds[1] for cell in cells_of(FAILURES) if cell.table == group and " 1" in cell.kinds[1]}
        for group in GROUPS
    }

    batch = {"__get_free_page 1 in free_pgtables"}
    assert [batch] == [fails for group, fails in firsts.items() if group == "frees"]
    assert all(
        {"__pte_alloc 1", "vm_area_dup 1"} <= fails for group, fails in firsts.items() if group != "frees"
    )


def test_a_failure_is_reached_in_each_group() -> None:
    """Of mappings, moves, touches and changes; those of drivers allocate nothing but entries of a remap."""
    titles = [one.title for one in asked()]

    words = (" = mmap", " = mremap", ": mem_read", ": mprotect", ": remap_pfn_range")
    assert [] == [word for word in words if not any(word in title for title in titles)]
    assert len(titles) > 50


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "series",
    [pytest.param(one, marks=pytest.mark.xdist_group(f"kernel-{one}")) for one in ASKED_WIDELY],
)
def test_an_allocation_fails_as_on_the_kernel(series: str) -> None:
    """What follows is the same, step by step."""
    assert [] == differing(series, asked())


@pytest.mark.lab
@pytest.mark.timeout(3600)
@pytest.mark.target("long")
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_every_allocation_fails_as_on_the_kernel() -> None:
    """All of them, those too that come to no call that fails."""
    assert [] == differing(NEW, [cell.program for cell in cells_of(FAILURES)])
