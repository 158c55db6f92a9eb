"""The hardware of guests by the words of a machine's name."""

from __future__ import annotations

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.hardware import USUAL, Hardware, read_hardware
from pfnlab.lab.vm.launch import kernel_parameters, machine_arguments
from pfnlab.programs.lang.load import load_text


def test_words_say_processors_memory_addresses_and_parameters() -> None:
    """A parameter may itself have an equals sign, and come more than once."""
    words = [
        "cpus=4",
        "memory=768",
        "phys_bits=52",
        "parameter=transparent_hugepage=always",
        "parameter=nopat",
    ]

    found = read_hardware("qemu:7.3", words)

    assert Hardware(4, 768, 52, ("transparent_hugepage=always", "nopat")) == found


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["cpu=4"], "unknown word 'cpu=4': did you mean cpus=?"),
        (["4"], "unknown word '4'"),
        (["parameter="], "unknown word 'parameter='"),
        (["cpus=17"], "cpus must be a number from 1 to 16, not '17'"),
        (["cpus=-1"], "cpus must be a number from 1 to 16, not '-1'"),
        (["cpus=2", "cpus=4"], "cpus is given twice"),
    ],
)
def test_other_words_are_refused(words: list[str], says: str) -> None:
    """In one line, which names the machine."""
    with pytest.raises(Misuse) as refused:
        read_hardware("qemu:7.3,x", words)

    assert str(refused.value).startswith("machine 'qemu:7.3,x': ")
    assert says in str(refused.value)


def test_a_guest_has_that_hardware() -> None:
    """As QEMU and the kernel take it."""
    shape = Hardware(3, 768, 52, ("nopat",)).applied(GuestShape())

    machine = machine_arguments(shape, shape.ram_mib or 0, iommu=False)
    assert ["-smp", "3"] == machine[machine.index("-smp") :][:2]
    assert ["-m", "768"] == machine[machine.index("-m") :][:2]
    assert "phys-bits=52" in machine[machine.index("-cpu") + 1]
    assert kernel_parameters(shape, None, iommu=False).endswith(" nopat")


def test_a_program_that_needs_more_has_it() -> None:
    """Processors to be held, and addresses of 52 bits."""
    shape = Hardware(cpus=2, phys_bits=40).applied(GuestShape(cpus=4, phys_bits=52))

    assert (4, 52) == (shape.cpus, shape.phys_bits)


def test_usual_hardware_changes_nothing() -> None:
    """Of any shape."""
    shape = GuestShape(bar_mib=128, cpus=2, parameters=("nopat",))

    assert shape == USUAL.applied(shape)


@pytest.mark.parametrize(
    ("words", "kind", "refused"),
    [
        (["phys_bits=52"], "top", True),
        (["phys_bits=51"], "top", False),
        (["phys_bits=52"], "limit", False),
        ([], "top", False),
    ],
)
def test_the_last_pages_of_52_bits_are_no_top(words: list[str], kind: str, refused: bool) -> None:
    """There nothing that ends at the end is freed, so a program has to say `limit` (C05)."""
    program = load_text(f"pfnlab program 1\ndevice last: {kind}, 4 pages\na = mmap last devmem shared rw\n")

    lack = read_hardware("qemu:7.3", words).lacking(program)

    assert refused == (lack is not None and "write `limit` for `last`" in lack)
