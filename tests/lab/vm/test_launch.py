"""QEMU's command line."""

from __future__ import annotations

import pytest

from pfnlab.lab.vm.launch import PARAMETERS_OF_ONE, controller_arguments, cpu_arguments, parameters_for
from pfnlab.programs.runs.machine import Accel


def test_a_device_that_resets_has_memory_as_large_as_asked_for() -> None:
    """As BAR2 of an NVMe controller, in the place of the device under test."""
    _, device = controller_arguments(256, 0x10)

    assert {"nvme", "cmb_size_mb=256", "addr=0x10"} <= set(device.split(","))


@pytest.mark.parametrize(
    ("accel", "cpus", "parameters"),
    [(Accel.TCG, 1, [PARAMETERS_OF_ONE]), (Accel.TCG, 2, []), (Accel.KVM, 1, [])],
)
def test_only_a_single_emulated_cpu_ticks_with_a_fixed_period(
    accel: Accel, cpus: int, parameters: list[str]
) -> None:
    """Where processors are held, and where a real one runs, the kernel's timers are as they are."""
    assert parameters == parameters_for(accel, cpus)


@pytest.mark.parametrize(("cpus", "clock"), [(1, "shift=0"), (2, "tcg,thread=single")])
def test_steady_cpus_are_counted_whatever_the_host_does(cpus: int, clock: str) -> None:
    """One has a clock of its instructions, several take turns; others have neither."""
    steady, usual = (cpu_arguments(Accel.TCG, cpus, steady=steady) for steady in (True, False))

    assert (True, False) == (steady[-1] == clock, clock in usual)


@pytest.mark.parametrize(
    ("accel", "cpus", "model"),
    [(Accel.TCG, 1, "max,-erms"), (Accel.TCG, 2, "max,-cx16"), (Accel.KVM, 1, "host,kvm=off")],
)
def test_a_cpu_has_the_model_for_its_accelerator(accel: Accel, cpus: int, model: str) -> None:
    """The emulated ones lack what is slow, or fails, when emulated."""
    _, cpu, *_ = cpu_arguments(accel, cpus)

    assert cpu.startswith(model)
