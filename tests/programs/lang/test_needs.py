"""The needs of a program: all that a guest must have for it."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.needs import GuestNeeds
from pfnlab.programs.lang.ops import Device, Program
from pfnlab.programs.model.model_machine import ModelMachine

PLAIN = """pfnlab program 1
device bar: pci, 16 pages

a = mmap bar[0:8] wc shared rw
"""


def program(*lines: str) -> Program:
    """A program that does something more than to map a device."""
    return load_text("\n".join((PLAIN, *lines)))


@for_each(
    ("line", "needed"),
    [
        ("mincore a", False),
        ("process_vm_readv a[0]", False),
        ("b = mmap bar[0:4] driver remap shared rw", True),
        ("zap_vma_ptes a", True),
        ("unmap_mapping_range bar[0:4]", True),
        ("remap_pfn_range a", True),
        ("request_mem_region bar[0:4]", True),
        ("release_mem_region", True),
        ("bind bar", True),
        ("unbind bar", True),
        ("rescan bar", False),
        ("rescan_moved bar", True),
        ("ioremap bar[0:4] wc", True),
        ("iounmap", True),
        ("memremap ram[0:4] wb", True),
        ("arch_phys_wc_add bar", True),
        ("set_memory_wc ram", True),
    ],
)
def test_who_needs_the_driver(line: str, needed: bool) -> None:
    """Whoever maps through it or asks it for something."""
    assert program(line).needs.driver == needed


@for_each(
    ("line", "needed"),
    [
        ("b = mmap bar[0:4] vfio shared rw", True),
        ("memory_disable bar", True),
        ("memory_enable bar", True),
        ("vfio_reset bar", True),
        ("d3 bar", True),
        ("vfio_close bar", True),
        ("zap_vma_ptes a", False),
    ],
)
def test_who_needs_vfio(line: str, needed: bool) -> None:
    """Whoever maps the device through vfio-pci or does something to it as a whole."""
    assert program(line).needs.vfio == needed


def test_a_program_that_maps_a_device_needs_nothing_more() -> None:
    """No guest is made for it alone."""
    nothing = GuestNeeds(
        *(False, False, False, False, False, False, False, False, None), frozenset(), frozenset(), frozenset()
    )

    assert nothing == program().needs


@for_each(
    ("lines", "changes"),
    [
        (["t = thread", "hold unmap_vmas: munmap a", "release"], {"held": True}),
        (["fail vm_area_dup 1: munmap a[4]"], {"forced": True}),
        (["skip flush_tlb_mm_range 1: munmap a"], {"forced": True}),
        (["remove bar"], {"slot": True}),
        (["d3 bar"], {"vfio": True, "reset": True, "first_page": {"bar"}}),
        (["memory_disable bar"], {"vfio": True, "first_page": {"bar"}}),
        (["bind bar"], {"driver": True, "bound": True, "first_page": {"bar"}}),
        (["request_mem_region bar[0:4]"], {"driver": True, "first_page": {"bar"}}),
        (["request_mem_region bar[1:4]"], {"driver": True}),
        (["b = mmap bar[8:17] wc shared rw"], {"past_end": {"bar"}}),
        (["b = mmap bar[8:16] wc shared rw"], {}),
        (["write a[0] 7"], {"stored_to": {"bar"}}),
        (["b = mmap anon[0:1] private rw", "futex_wake b"], {}),
        (
            ["remove bar", "rescan_moved bar"],
            {"slot": True, "driver": True, "moved": Device("bar", "pci", 16)},
        ),
    ],
)
def test_what_an_operation_needs(lines: list[str], changes: dict[str, object]) -> None:
    """This, and nothing else."""
    plain = program().needs

    assert msgspec.structs.replace(plain, **changes) == program(*lines).needs


def test_needs_are_computed_once_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many ask for them: each run of the model does."""
    asked = list[Program]()
    compute = GuestNeeds.of

    def count(program: Program) -> GuestNeeds:
        asked.append(program)
        return compute(program)

    monkeypatch.setattr(GuestNeeds, "of", count)
    one = program("munmap a")

    ModelMachine("7.2").run([one])
    ModelMachine("6.1").run([one])

    assert [one] == asked


def test_another_program_has_its_own_needs() -> None:
    """A program that is made of one with a driver does not take over what was computed for that."""
    with_driver = program("bind bar")
    assert with_driver.needs.driver

    without = msgspec.structs.replace(with_driver, ops=with_driver.ops[:1])

    assert not without.needs.driver
