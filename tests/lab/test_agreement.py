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

from pfnlab.lab.running.bench import BAR_MIB
from pfnlab.lab.running.machine import QemuMachine
from pfnlab.lab.running.placement import bar_mib_for, past_end
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.needs import needs_driver, needs_vfio
from pfnlab.programs.lang.ops import Program, is_held, uses_reset, uses_slot
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
        if str(real.undecided).startswith(("no headers for ", "no vfio-pci for ")):
            undecided += 1
        elif real.unfinished is not None:
            found.append(f"{program.title}: {real.unfinished}")
        for difference in differences([predicted, real])[:1]:
            found.append(f"{difference}\n{format_program(program)}")
    steps = sum(len(run.steps) for run in runs)
    compared = f"{len(programs)} litmus programs, {steps} steps, {len(found)} differences"
    if undecided:
        compared += f", {undecided} undecided for lack of headers or modules"
    record(COMPARED, f"{series}: {compared}, {runs[0].kernel}")
    return found


def needs_own_guest(path: Path) -> bool:
    """Whether a program boots a guest that few others use: one that is held, a slot, a reset, a large BAR."""
    program = load_program(path)
    special = (is_held, uses_slot, uses_reset, past_end)
    return any(map(bool, (ask(program) for ask in special))) or bar_mib_for(program) > BAR_MIB


def is_plain(path: Path) -> bool:
    """Whether a program runs in the guest that is booted for most: without a driver, its own or vfio-pci."""
    program = load_program(path)
    return not (needs_driver(program) or needs_vfio(program) or needs_own_guest(path))


def asked_files(series: str, guests: str) -> list[Path]:
    """The programs a series is asked.

    The newest is asked all but those about leaves and resets, of which it is asked some; the oldest every
    second of those that share a guest, and a few of the others: each kind of guest is booted for them alone,
    which takes longer than fifty programs. The one between is asked every fourth of those that share a guest,
    in the guest without drivers.

    :param guests: "own" for those of the one between that need drivers or a guest of their own, else "shared"
    """
    files = list(FILES.values())
    if EVERY_SERIES:
        return files
    if series not in (OLD, STABLE):
        rare = [path for path in files if is_of_leaves(path) or uses_reset(load_program(path))]
        return [path for path in files if path not in rare] + rare[3::6]
    # The oldest has no leaves.
    files = [path for path in files if series != OLD or not is_of_leaves(path)]
    shared = [path for path in files if not needs_own_guest(path)]
    own = [path for path in files if needs_own_guest(path)]
    if series == OLD:
        return shared[::2] + own[::12]
    if guests == "own":
        return [path for path in shared[1::4] if not is_plain(path)] + own[5::25]
    return [path for path in shared[1::4] if is_plain(path)]


def on(series: str) -> pytest.MarkDecorator:
    """All that is asked of a series is asked by one worker."""
    return pytest.mark.xdist_group(f"kernel-{series}")


@pytest.mark.parametrize(
    ("series", "guests"),
    [
        *(pytest.param(series, "shared", marks=on(series)) for series in ASKED_WIDELY),
        *([] if EVERY_SERIES else [pytest.param(STABLE, "own", marks=pytest.mark.target("guests"))]),
    ],
)
def test_every_litmus_program_does_on_the_kernel_what_the_model_says(
    series: str, guests: str, record_property: Record
) -> None:
    """
    Step by step zero differences: results, book, log, VMAs with flags and counters, entries, order.
    """
    found = disagreements(series, asked_files(series, guests), record_property)

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
