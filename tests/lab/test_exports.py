"""Programs exported to C in one guest: they tell what their goldens say, and notice a wrong expectation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import tooling
from every_driver_operation import every_driver_operation
from having import ASKED, NEW, OLD, bootable, have
from litmus_files import litmus_file

from pfnlab.export.formats import export
from pfnlab.export.subject import Subject
from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.images.driver_module import modules_for
from pfnlab.programs.runs.observation import BookEntry

TOOL = tooling.hold_exports()

#: One task, several, an exec, a thread, low memory, the ISA hole, a walker, a value, vfio-pci, tasks that are
#: named alive and dead, a scan and a limit.
NAMES = (
    *("munmap-middle", "fork-adopted", "exec-in-child", "exit-newest-thread", "lowmem", "isa-hole"),
    *("walk-device-page", "copied-page-mode", "vfio-refused-mmap"),
    *("process-madvise", "mrelease", "walk-pagemap-scan", "limit-address-space"),
)

#: A request and a way to map, several ways with a device that is bound, memory of the module, leaves, a
#: device that goes and comes back, contents that are the machine's own.
DRIVEN = (
    *("driver-zap-conflict", "driver-bind-own", "driver-set-memory", "driver-leaves"),
    *("slot-bound", "isa-access"),
)


def held(names: Sequence[str]) -> list[Any]:
    """The programs, with what the goldens of the newest kernel say."""
    return list(TOOL.with_goldens([litmus_file(name) for name in names], series_of(bootable(NEW).version)))


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_exported_programs_say_what_goldens_do() -> None:
    """Every line of each: result, errno, value, and what stays reserved."""
    programs = held(NAMES)

    told = TOOL.run_in_guests(bootable(NEW), programs)

    assert sorted(NAMES) == sorted(told)
    assert [] == [line for one in programs for line in TOOL.difference(one, told[one.name])]


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.xdist_group(f"kernel-{NEW}")
def test_a_wrong_expectation_is_told() -> None:
    """Of a result in one program, of a leak in another: the line says `not ok`, the exit code is 1."""
    one, other = held(("munmap-middle", "fork-adopted"))
    *steps, end = other.run.steps
    leaky = msgspec.structs.replace(end, book=(BookEntry("bar", 0, 1, "wc"),))
    other = other._replace(run=msgspec.structs.replace(other.run, steps=(*steps, leaky)))

    told = TOOL.run_in_guests(bootable(NEW), [TOOL.spoiled(one), other])

    assert [(1, 1), (1, 1)] == [(told[name].failed, told[name].status) for name in (one.name, other.name)]
    assert "not ok 1 - a = mmap bar[0:16] wc shared rw: ok\n# expected: EDOM" in told[one.name].text
    assert "left reserved: nothing\n# expected: bar[0:1] wc" in told[other.name].text


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kernel", "failed"),
    [
        pytest.param(name, failed, marks=pytest.mark.xdist_group(f"kernel-{name}"))
        for name, failed in ((OLD, 1), (NEW, 0))
    ],
)
def test_a_reproducer_fails_where_the_kernel_is_wrong(kernel: str, failed: int) -> None:
    """Without a machine to expect, and though the program says that this kernel leaks."""
    (one,) = held(["munmap-middle"])
    judged = one._replace(subject=Subject.judged(one.name, one.program))

    told = TOOL.run_in_guests(bootable(kernel), [judged])[one.name]

    leak = "not ok 4 - left reserved: bar[0:8] wc\n# expected: nothing\n# known: "
    assert (failed, failed) == (told.failed, told.status)
    assert bool(failed) == (leak in told.text)


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.xdist_group(f"kernel-{NEW}")
@pytest.mark.parametrize("names", [DRIVEN[:2], pytest.param(DRIVEN[2:], marks=pytest.mark.target("long"))])
def test_exported_modules_do_what_the_driver_does(names: Sequence[str]) -> None:
    """Each program with its own module, which is built and loaded for it and goes again."""
    programs = held(names)

    told = TOOL.run_in_guests(bootable(NEW), programs)

    assert sorted(names) == sorted(told)
    assert [] == [line for one in programs for line in TOOL.difference(one, told[one.name])]


@pytest.mark.lab
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "kernel", [pytest.param(name, marks=pytest.mark.xdist_group(f"kernel-{name}")) for name in ASKED]
)
def test_a_module_with_everything_is_built_without_a_warning(kernel: str, tmp_path: Path) -> None:
    """Each function that some program may ask for, by the Makefile that is written beside it."""
    _, *beside = export(Subject("every", every_driver_operation()), "c").items()

    built = have(lambda: modules_for(bootable(kernel), dict(beside), tmp_path))

    assert ["every_driver"] == list(built)
