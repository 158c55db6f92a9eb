"""The referee: every program of litmus/, on the model and on the kernel itself.

The default run asks the stable series and the newest kernel, not all programs of each; ``PFNLAB_KERNELS=all``
(``make test-all-kernels``) asks all ten. Programs nobody wrote are those of ``test_fuzz_campaigns.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from comparing import COMPARED
from having import ASKED_WIDELY, EVERY_SERIES, OLD, STABLE, bootable, model_of
from litmus_files import FILES, is_of_leaves

from pfnlab.lab.running.machine import QemuMachine
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.report.golden import golden_look

#: What pytest's record_property is.
Record = Callable[[str, object], None]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def on_kernel(series: str, programs: Sequence[Program], looks: Sequence[LookLevel] = ()) -> list[Run]:
    """The programs on the real kernel, each looked at its way; a missing lab skips, or fails where it is
    required."""
    bootable(series)
    runs: dict[int, Run] = {}
    ways = looks or [LookLevel.PROC] * len(programs)
    with QemuMachine(series, guests=1) as machine:
        for way in dict.fromkeys(ways):
            machine.look = way
            at = [index for index, look in enumerate(ways) if look is way]
            runs.update(zip(at, machine.run([programs[index] for index in at]), strict=True))
    return [runs[index] for index in range(len(programs))]


def disagreements(series: str, files: Sequence[Path], record: Record) -> list[str]:
    """What differs between model and kernel, or was lost, one text for each program.

    Both are looked at as for the program's golden. A program that needs a driver stays undecided on a kernel
    without headers or modules.
    """
    found = []
    undecided = 0
    programs = [load_program(path) for path in files]
    looks = [golden_look(path) or LookLevel.PROC for path in files]
    runs = on_kernel(series, programs, looks)
    for program, look, real in zip(programs, looks, runs, strict=True):
        predicted = ModelMachine(model_of(series), look).run_one(program, check=True)
        if real.lost is not None and real.lost.startswith(("no headers for ", "no vfio-pci for ")):
            undecided += 1
        elif real.lost is not None:
            found.append(f"{program.title}: lost: {real.lost}")
        for difference in differences([predicted, real])[:1]:
            found.append(f"{difference}\n{format_program(program)}")
    steps = sum(len(run.steps) for run in runs)
    compared = f"{len(programs)} litmus programs, {steps} steps, {len(found)} differences"
    if undecided:
        compared += f", {undecided} undecided for lack of headers or modules"
    record(COMPARED, f"{series}: {compared}, {runs[0].kernel}")
    return found


def asked_files(series: str) -> tuple[list[Path], list[Path]]:
    """The programs a series is asked by default, those about leaves apart.

    The newest is asked all, the oldest every second, the one between every fourth. About leaves, of which the
    oldest has none, each of the two others is asked every sixth, and not the same.
    """
    files = [path for path in FILES.values() if not is_of_leaves(path)]
    leaves = [path for path in FILES.values() if is_of_leaves(path)]
    if EVERY_SERIES:
        return files, leaves
    if series == STABLE:
        return files[1::4], leaves[::6]
    if series == OLD:
        return files[::2], []
    return files, leaves[3::6]


@pytest.mark.parametrize(
    "series",
    [pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED_WIDELY],
)
def test_every_litmus_program_does_on_the_kernel_what_the_model_says(
    series: str, record_property: Record
) -> None:
    """
    Step by step zero differences: results, book, log, VMAs with flags and counters, entries, order.
    """
    files, leaves = asked_files(series)

    found = disagreements(series, [*files, *leaves], record_property)

    assert [] == found


@pytest.mark.xdist_group(f"kernel-{OLD}")
def test_a_model_of_another_kernel_is_noticed() -> None:
    """
    The comparison fails when the model predicts the wrong series, so it can fail.
    """
    program = load_program(FILES["munmap-middle"])
    wrong = ModelMachine("7.2").run_one(program)

    (real,) = on_kernel(OLD, [program])

    assert {"log", "book", "vmas"} <= {difference.field for difference in differences([wrong, real])}
    assert [] == differences([msgspec.structs.replace(wrong, steps=real.steps), real])
