"""Every operation that may allocate, with an allocation that fails: the model, and kernels.

``make test`` asks the newest kernel some of them, ``make test-older`` the other two, ``make test-long`` all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import msgspec
import pytest
from failing_programs import EVERY, ROWS, programs
from having import ASKED_WIDELY, NEW, bootable, model_of

from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel

#: One program of so many is asked in ``make test``.
_EACH = 17


def without_failure(program: Program) -> Program:
    """The same program, in which nothing fails."""
    ops = tuple(msgspec.structs.replace(op, fail=None) for op in program.ops)
    return msgspec.structs.replace(program, ops=ops)


def reached(found: Sequence[Program]) -> list[Program]:
    """Those in which the model comes to the call that fails: it would do something else without."""
    model = ModelMachine("7.3")
    with_it, without = model.run(found), model.run([without_failure(one) for one in found])
    return [
        one for one, failed, ran in zip(found, with_it, without, strict=True) if failed.steps != ran.steps
    ]


@cache
def asked() -> list[Program]:
    """The programs of ``make test``."""
    return reached(list(programs().values())[::_EACH])


def differing(series: str, found: Sequence[Program]) -> list[str]:
    """What differs between the kernel and its model, the first of each program."""
    bootable(series)
    with QemuMachine(series, guests=1, look=LookLevel.MEMORY) as kernel:
        real = kernel.run(found)
    predicted = ModelMachine(model_of(series), LookLevel.MEMORY).run(found)
    pairs = zip(found, predicted, real, strict=True)
    return [f"{one.title}: {told[0]}" for one, *runs in pairs if (told := differences(runs))]


def test_each_operation_fails_on_its_first_call() -> None:
    """By the function that it is asked about at all; both are asked about everywhere."""
    functions = {function for function, _ in EVERY}

    for rows, forced in ROWS:
        assert {(function, 1) for function in functions} <= set(forced)
        assert rows


def test_a_failure_is_reached_in_each_group() -> None:
    """Of mappings, moves, touches and changes; those of drivers allocate nothing but entries of a remap."""
    titles = [one.title for one in asked()]

    words = ("mmap", "move", "mem_read", "mprotect", "remap_pfn_range")
    assert [] == [word for word in words if not any(title.startswith(word) for title in titles)]
    assert len(titles) > 150


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
    assert [] == differing(NEW, list(programs().values()))
