"""Kernels by name."""

from __future__ import annotations

from pathlib import Path

from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.vm.hardware import USUAL, Hardware
from pfnlab.programs.runs.named_machines import NamedMachine, name_machine, open_machine


def hardware_of(named: NamedMachine) -> Hardware:
    """The hardware of the guests of a machine."""
    machine = open_machine(named)
    assert isinstance(machine, QemuMachine)
    return machine.hardware


def test_a_kernel_has_the_hardware_behind_its_name() -> None:
    """It is the same kernel, of the same model, of which no golden is made."""
    named = name_machine("qemu:7.2,cpus=4,parameter=nopat")

    assert ("7.2", "model:7.2") == (named.kernel, named.model)
    assert Hardware(cpus=4, parameters=("nopat",)) == hardware_of(named)
    assert (True, False) == (name_machine("qemu:7.2").is_usual, named.is_usual)


def test_a_file_with_a_comma_in_its_name_is_a_kernel(tmp_path: Path) -> None:
    """As files are looked for first."""
    file = tmp_path / "bzImage,cpus=4"
    file.touch()

    named = name_machine(f"qemu:{file}", profile="7.2")

    assert (str(file), USUAL) == (named.kernel, hardware_of(named))
