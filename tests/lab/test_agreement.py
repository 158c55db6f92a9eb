"""The referee: every program of litmus/, on the model and on the kernel itself.

The default run asks three kernels a few programs; ``make test-long`` asks the newest nearly all, ``make
test-older`` the other two many, and ``make test-all-kernels`` ten kernels every program. Programs nobody
wrote are those of ``test_hunts.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from comparing import COMPARED
from having import ASKED_WIDELY, EVERY_SERIES, OLD, STABLE, bootable, model_of
from litmus_files import FILES, is_of_leaves

from pfnlab.lab.running.placement import BAR_MIB
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.places import bar_mib_for

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
    """What differs between model and kernel each time, or was lost, one text for each program.

    Both are looked at as for the program's golden. A program that needs a driver stays undecided on a kernel
    without headers or modules. A difference has to show again, as in a hunt: a zap that gives the processor
    up between two dirty entries flushes them separately (S8.1.9), and no rule says when.
    """
    found = []
    undecided = once = 0
    programs = [load_program(path) for path in files]
    looks = [golden_look(path) or LookLevel.PROC for path in files]
    runs = on_kernel(series, programs, looks)
    for program, look, real in zip(programs, looks, runs, strict=True):
        predicted = ModelMachine(model_of(series), look).run_one(program, check=True)
        if str(real.undecided).startswith(("no headers for ", "no vfio-pci for ")):
            undecided += 1
        elif real.unfinished is not None:
            found.append(f"{program.title}: {real.unfinished}")
        if shown := differences([predicted, real]):
            repeated = differences([predicted, *on_kernel(series, [program], [look])])
            lasting = [difference for difference in shown if difference in repeated]
            found += [f"{difference}\n{format_program(program)}" for difference in lasting[:1]]
            once += not lasting
    steps = sum(len(run.steps) for run in runs)
    compared = f"{len(programs)} litmus programs, {steps} steps, {len(found)} differences"
    if once:
        compared += f", {once} seen only once"
    if undecided:
        compared += f", {undecided} undecided for lack of headers or modules"
    record(COMPARED, f"{series}: {compared}, {runs[0].kernel}")
    return found


def needs_own_guest(path: Path) -> bool:
    """Whether a program boots a guest that few others use: one that is held, a slot, a reset, a large BAR."""
    program = load_program(path)
    needs = program.needs
    special = needs.held or needs.slot or needs.reset or needs.past_end
    return bool(special) or bar_mib_for(program) > BAR_MIB


def is_plain(path: Path) -> bool:
    """Whether a program runs in the guest that is booted for most: without a driver, its own or vfio-pci."""
    program = load_program(path)
    return not (program.needs.driver or program.needs.vfio or needs_own_guest(path))


def few_files(series: str) -> list[Path]:
    """The programs that ``make test`` asks a series: every fourth of the newest, every tenth of others.

    Each kind of guest is booted for its programs alone, so an older series is asked in that without drivers.
    """
    files = [path for path in FILES.values() if series != OLD or not is_of_leaves(path)]
    if series not in (OLD, STABLE):
        return [path for path in files if not needs_own_guest(path)][::4]
    return [path for path in files if is_plain(path)][::10]


def asked_files(series: str) -> list[Path]:
    """The programs a series is asked where there are minutes.

    The newest is asked all but those about leaves and resets, of which it is asked some; the oldest every
    second of those that share a guest, and a few of the others; the one between every fourth.
    """
    files = list(FILES.values())
    if EVERY_SERIES:
        return files
    if series not in (OLD, STABLE):
        rare = [path for path in files if is_of_leaves(path) or load_program(path).needs.reset]
        return [path for path in files if path not in rare] + rare[3::6]
    # The oldest has no leaves.
    files = [path for path in files if series != OLD or not is_of_leaves(path)]
    shared = [path for path in files if not needs_own_guest(path)]
    own = [path for path in files if needs_own_guest(path)]
    if series == OLD:
        return shared[::2] + own[::12]
    return shared[1::4] + own[5::25]


def on(series: str) -> pytest.MarkDecorator:
    """All that is asked of a series is asked by one worker."""
    return pytest.mark.xdist_group(f"kernel-{series}")


@pytest.mark.parametrize("series", [pytest.param(series, marks=on(series)) for series in ASKED_WIDELY])
@pytest.mark.target("")
def test_a_few_litmus_programs_do_on_the_kernel_what_the_model_says(
    series: str, record_property: Record
) -> None:
    """
    Step by step zero differences: results, book, log, VMAs with flags and counters, entries, order.
    """
    found = disagreements(series, few_files(series), record_property)

    assert [] == found


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(series, marks=[on(series), *([] if EVERY_SERIES else [pytest.mark.target(target)])])
        for series, target in zip(ASKED_WIDELY, ["older"] * (len(ASKED_WIDELY) - 1) + ["long"], strict=True)
    ],
)
def test_every_litmus_program_does_on_the_kernel_what_the_model_says(
    series: str, record_property: Record
) -> None:
    """
    The same of the others.
    """
    found = disagreements(series, asked_files(series), record_property)

    assert [] == found


@pytest.mark.xdist_group(f"kernel-{OLD}")
def test_a_difference_that_shows_again_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A wrong model differs each time.
    """
    monkeypatch.setitem(globals(), "model_of", lambda series: "7.2")

    (found,) = disagreements(OLD, [FILES["munmap-middle"]], lambda name, value: None)

    assert found.startswith("Difference(") and format_program(load_program(FILES["munmap-middle"])) in found


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
