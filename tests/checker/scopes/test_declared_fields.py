"""A state loses no attribute of the kernel's objects unnoticed."""

from typing import Any

import pytest

from pfnlab.checker.scopes.declared_fields import DECLARED
from pfnlab.checker.scopes.frozen import freeze, thaw
from pfnlab.checker.scopes.packing import slots_of
from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.vma import AnonVma, Vma
from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places

PROGRAM = parse("pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar wc private rw\nwrite a[0] 1")


def written(series: str = "7.2") -> Kernel:
    """A kernel with a page copied on write."""
    platform, devices, _ = place(PROGRAM)
    kernel = ModelMachine(series).boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    running = SequentialExecution(kernel, Places.of(PROGRAM, devices))
    for op in PROGRAM.ops:
        assert running.step(op).result == "ok"
    return kernel


def instances(kernel: Kernel) -> dict[type, Any]:
    """An object of each declared class."""
    (task,) = kernel.tasks.values()
    (vma,) = task.mm.vmas
    page = task.mm.tables.entries[0].page
    parts = task, task.mm, vma, vma.anon_vma, page, task.mm.tables, task.tlb, kernel.book, kernel.mlock_batch
    return {type(part): part for part in (kernel, *parts)}


def undeclared(instance: Any) -> set[str]:
    """The attributes that an object has and its class does not declare, and those that it lacks."""
    return {*getattr(instance, "__dict__", {}), *slots_of(type(instance))} ^ DECLARED[type(instance)].all


def test_every_attribute_is_declared() -> None:
    """A new one has to say what a state has of it."""
    found = instances(written())

    assert found.keys() == DECLARED.keys()
    assert {} == {cls.__name__: undeclared(part) for cls, part in found.items() if undeclared(part)}


def test_an_added_attribute_is_noticed() -> None:
    """
    The comparison can fail.
    """
    kernel = written()
    mm = instances(kernel)[MmStruct]
    mm.added = 1

    assert undeclared(mm) == {"added"}


def test_an_attribute_is_declared_once() -> None:
    """None is both plain and something else."""
    for fields in DECLARED.values():
        assert len(fields.all) == sum(map(len, fields))


@pytest.mark.parametrize(
    ("cls", "name"), [(cls, name) for cls in (MmStruct, Vma, Page) for name in DECLARED[cls].plain]
)
def test_a_plain_attribute_is_part_of_a_state(cls: type, name: str) -> None:
    """Another value makes another state, which a thawed kernel has."""
    kernel = written()
    part = instances(kernel)[cls]
    before, value = freeze(kernel), getattr(part, name)
    other: Any = not value if isinstance(value, bool) else 7 if value is None or value != 7 else 8
    setattr(part, name, "bind" if isinstance(value, str) else other)

    after = freeze(kernel)

    assert after != before
    assert getattr(instances(thawed(after))[cls], name) == getattr(part, name)


def thawed(state: tuple[bytes, ...]) -> Kernel:
    """A kernel in that state."""
    platform, devices, _ = place(PROGRAM)
    return thaw(state, lambda: ModelMachine("7.2").boot(platform, devices))


def test_the_reverse_map_of_pages_is_part_of_a_state() -> None:
    """Its only attribute has a form."""
    kernel = written()
    before = freeze(kernel)
    instances(kernel)[AnonVma].inherited = True

    assert freeze(kernel) != before


def test_a_translation_that_seems_unused_makes_a_difference() -> None:
    """A processor need not mark its entry again."""
    kernel = written()
    (task,) = kernel.tasks.values()
    before = freeze(kernel)
    (translation,) = task.tlb.state()
    task.tlb.fill(translation, unused=True)

    after = freeze(kernel)

    assert after != before
    (task,) = thawed(after).tasks.values()
    assert task.tlb.seems_unused(translation.start)
