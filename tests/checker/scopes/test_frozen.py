"""A kernel that was frozen and thawed goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from for_each import for_each
from litmus_files import FOLDERS, program_of, without_holds

from pfnlab.base.units import PfnRange
from pfnlab.checker.scopes.frozen import freeze, thaw
from pfnlab.checker.scopes.naming import Naming, Omissions
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.programs.lang.ops import MAIN_TASK, Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.model.observe import Observer
from pfnlab.programs.runs.places import Places


def steps(machine: ModelMachine, program: Program, *, thawing: bool) -> list[object]:
    """What a program shows after every operation, with a kernel made anew each time or without."""
    platform, devices, whole = place(program)
    kernel = machine.boot(platform, devices)
    kernel.start_task(MAIN_TASK)
    places = Places(devices, Places.of(program, devices).areas, whole)
    seen: list[object] = []
    for line, op in zip(op_lines(program), program.ops, strict=True):
        if thawing:
            kernel = thaw(freeze(kernel), lambda: machine.boot(platform, devices))
        said = SequentialExecution(kernel, places).step(op)
        seen.append(Observer(kernel, places).step(line, op.task, said.result, said.value, None))
    return seen


@pytest.mark.target("long")
@pytest.mark.parametrize("folder", FOLDERS)
def test_a_thawed_kernel_goes_on(folder: str) -> None:
    """Every program shows the same when its kernel is frozen and thawed before each operation."""
    for_each("series", ("6.1", "7.2"))(for_each("path", without_holds(folder))(go_on_thawed))()


def go_on_thawed(path: Path, series: str) -> None:
    """Run a program both ways."""
    program, machine = program_of(path), ModelMachine(series)

    assert steps(machine, program, thawing=False) == steps(machine, program, thawing=True)


def booted() -> tuple[Kernel, Mapping[str, PfnRange]]:
    """A kernel with a device of four pages, and where its devices are."""
    platform, devices, _ = place(
        parse("pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar wc shared rw")
    )
    return ModelMachine("7.2").boot(platform, devices), devices


def after(text: str) -> Kernel:
    """The kernel after a program, its tasks alive."""
    program = parse(f"pfnlab program 1\ndevice bar: pci, 4 pages\n{text}")
    kernel, devices = booted()
    kernel.start_task(MAIN_TASK)
    running = SequentialExecution(kernel, Places.of(program, devices))
    for op in program.ops:
        assert running.step(op).result == "ok", op
    return kernel


def canonical(kernel: Kernel, *, symmetry: bool = True) -> bytes:
    """What identifies a kernel's state."""
    return freeze(kernel, Naming(kernel, Omissions(names=symmetry)))


MAPPED = "a = mmap bar[0:2] wc shared rw\nb = mmap bar[2:4] uc shared rw\n"
CHILD_MAPPED = "".join(f"c: {line}\n" for line in MAPPED.splitlines())


@for_each(
    ("one", "other"),
    [
        (f"c = fork\n{MAPPED}", f"c = fork\n{CHILD_MAPPED}"),
        (f"{MAPPED}munmap a", "a = mmap bar[2:4] uc shared rw"),
        ("a = mmap bar[0:2] wc private rw\nwrite a[0] 1", "a = mmap bar[0:2] wc private rw\nwrite a[0] 2"),
        (f"{MAPPED}c = fork\nc: exit", MAPPED),
    ],
    ids=["tasks swapped", "areas moved up", "contents of a page", "a child that came and went"],
)
def test_names_make_no_difference(one: str, other: str) -> None:
    """Kernels that differ in names alone are one state."""
    assert canonical(after(one)) == canonical(after(other))


@for_each(
    ("one", "other"),
    [
        (MAPPED, "a = mmap bar[2:4] uc shared rw\nb = mmap bar[0:2] wc shared rw\n"),
        (MAPPED, f"{MAPPED}c = fork"),
        (f"{MAPPED}munmap a[0]", f"{MAPPED}munmap a[1]"),
        ("a = mmap bar[0:2] wc shared rw", "a = mmap bar[0:2] wc shared rw\nwrite a[0] 1"),
    ],
    ids=["order of areas", "one task more", "which page went", "a dirty entry"],
)
def test_what_matters_makes_a_difference(one: str, other: str) -> None:
    """Kernels that can go on differently are two states."""
    assert canonical(after(one)) != canonical(after(other))


def test_without_symmetry_swapped_tasks_are_two() -> None:
    """Without symmetry only the names of objects go."""
    swapped = [after(f"c = fork\n{mapped}") for mapped in (MAPPED, CHILD_MAPPED)]

    assert canonical(swapped[0], symmetry=False) != canonical(swapped[1], symmetry=False)


EMPTIED = "a = mmap bar[0:2] vfio shared rw\nread a[0]\nmemory_disable bar\nmemory_enable bar"
NEVER_FILLED = "a = mmap bar[0:2] vfio shared rw"


def leafless(kernel: Kernel) -> tuple[bytes, ...]:
    """The same where no leaf can be and no fork fails."""
    return freeze(kernel, Naming(kernel, Omissions(starts=True, addresses=True, empty_tables=True)))


def test_an_empty_page_table_makes_no_difference() -> None:
    """Where nothing counts tables."""
    assert leafless(after(EMPTIED)) == leafless(after(NEVER_FILLED))
    assert canonical(after(EMPTIED)) != canonical(after(NEVER_FILLED))


def test_an_empty_page_table_stays_beside_a_stale_translation() -> None:
    """The flush of a table that goes may take the translation along."""
    kernels = [after(program) for program in (EMPTIED, NEVER_FILLED)]
    for kernel in kernels:
        (task,) = kernel.tasks.values()
        task.tlb.fill(EntryRun(task.mm.vmas[0].start, task.mm.vmas[0].start + 1, 1, 1))

    assert leafless(kernels[0]) != leafless(kernels[1])


def test_areas_may_change_their_places() -> None:
    """Where neither fork nor exit shows their order."""
    other = after("a = mmap bar[2:4] uc shared rw\nb = mmap bar[0:2] wc shared rw\n")

    assert leafless(after(MAPPED)) == leafless(other)
    assert leafless(after(MAPPED)) != leafless(after(f"{MAPPED}munmap a[0]"))


def test_a_file_has_the_device_of_its_kernel() -> None:
    """Also after the device has changed."""
    kernel = after("a = mmap bar[0:2] wc shared rw\nbind bar")
    thawed = thaw(freeze(kernel), lambda: booted()[0])
    (file,) = {vma.file for task in thawed.tasks.values() for vma in task.mm}

    assert thawed.pci["bar"] is file.device
    assert file.device.bound
