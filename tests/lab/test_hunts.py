"""The fuzzer on real kernels: no difference, and what it would do with one.

The default run asks the newest kernel, ``make test-older`` the two older ones, and ``PFNLAB_KERNELS=all`` all
ten. ``PFNLAB_RANDOM`` is how many programs a series gets.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from comparing import COMPARED
from having import ASKED_WIDELY, OLD, bootable, model_of

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine

#: The first program, one of the last that may need a guest of their own, and how many there are.
FIRST, RANDOM = 10, int(os.environ.get("PFNLAB_RANDOM", "60"))

#: What pytest's record_property is.
Record = Callable[[str, object], None]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


@pytest.mark.parametrize(
    "series",
    [
        pytest.param(
            one,
            marks=[
                pytest.mark.xdist_group(f"kernel-{one}"),
            ],
        )
        for one in ASKED_WIDELY
    ],
)
def test_model_and_kernel_do_not_differ(series: str, record_property: Record, tmp_path: Path) -> None:
    """
    Programs nobody wrote show zero differences.
    """
    bootable(series)
    with QemuMachine(series, guests=1) as kernel:
        model = ModelMachine(model_of(series))
        machines: dict[str, Machine] = {f"model:{series}": model, f"qemu:{series}": kernel}
        state = HuntState(list(machines), 1, Vocabulary(), next=FIRST)
        Hunt(machines, state, Folder(tmp_path)).run(programs=FIRST + RANDOM)

    record_property(COMPARED, f"{series}: {state.compared} fuzz programs, {state.different} differences")
    assert f"{FIRST + RANDOM} programs, 0 differences" == FuzzResult.of(state).headline
    assert state.compared >= 0.9 * RANDOM and not state.unstable
    assert [] == list(tmp_path.iterdir())


@pytest.mark.xdist_group(f"kernel-{OLD}")
def test_a_wrong_model_is_found_shrunk_and_filed(tmp_path: Path) -> None:
    """
    The model of another era differs from the kernel in a program of one or two operations.
    """
    bootable(OLD)
    with QemuMachine(OLD, guests=1) as kernel:
        machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), f"qemu:{OLD}": kernel}
        state = HuntState(list(machines), 1, Vocabulary(), next=FIRST)
        Hunt(machines, state, Folder(tmp_path), repeats=1).run(programs=20, most=1)

    (known,) = state.findings.values()
    assert known.operations <= 2
    assert known.folder == next(tmp_path.iterdir()).name
