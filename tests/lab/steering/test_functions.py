"""Kernel functions by the names of programs, in a guest that answers as a test says."""

from types import SimpleNamespace
from typing import Any

import pytest

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.lab.steering import functions
from pfnlab.lab.steering.functions import Functions
from pfnlab.lab.steering.symbols import Symbols
from pfnlab.programs.lang.load import load_text

KERNEL = "ffffffff81000000 T unmap_vmas\nffffffff81000100 T vm_area_dup\nffffffff81000200 T __pte_alloc\n"
DRIVER = "ffffffffc0000000 t pfnlab_fault\n"


def of_guest(monkeypatch: pytest.MonkeyPatch, answer: str | Exception) -> tuple[Functions, list[str]]:
    """Functions of a guest that answers this when asked for a module's symbols, and what it was asked."""
    requests: list[str] = []

    def module_symbols(guest: Any, module: str) -> str:
        requests.append(module)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(functions, "module_symbols", module_symbols)
    steering: Any = SimpleNamespace(symbols=Symbols(KERNEL))
    guest: Any = None
    return Functions(guest, steering), requests


def test_a_kernel_function_needs_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is among the kernel's own symbols."""
    found, requests = of_guest(monkeypatch, DRIVER)

    assert ("unmap_vmas", []) == (found.kernel_name("unmap_vmas"), requests)


def test_the_driver_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its addresses do not change while the guest lives."""
    found, requests = of_guest(monkeypatch, DRIVER)

    assert ["pfnlab_fault"] * 2 == [found.kernel_name("pfnlab_fault") for _ in range(2)]
    assert ["pfnlab_driver"] == requests


def test_a_guest_without_driver_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes as long as a boot, and the guest never loads one later."""
    found, requests = of_guest(monkeypatch, Undecided("the guest has no module `pfnlab_driver` loaded"))

    assert [None] * 2 == [found.kernel_name("pfnlab_fault") for _ in range(2)]
    assert ["pfnlab_driver"] == requests


def test_a_lost_guest_says_nothing_about_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program is run again elsewhere."""
    found, _ = of_guest(monkeypatch, LostGuest("it ended"))

    with pytest.raises(LostGuest):
        found.kernel_name("pfnlab_fault")


@pytest.mark.parametrize(
    ("line", "caller"),
    [
        ("fail __pte_alloc 1: a = mmap bar[0] wc shared rw", "remap_pfn_range"),
        ("fail vm_area_dup 1: a = mmap bar[0] wc shared rw", None),
        ("fail __pte_alloc 1: t = fork", None),
    ],
)
def test_what_may_be_inlined_is_looked_for_in_its_caller(
    monkeypatch: pytest.MonkeyPatch, line: str, caller: str | None
) -> None:
    """A page table for a remap: a stock kernel makes it without a call that could be forced."""
    found, _ = of_guest(monkeypatch, DRIVER)
    op = load_text(f"pfnlab program 1\ntitle t\ndevice bar: pci, 1 page\n{line}\n").ops[0]

    injection = found.injection(op, pid=7)

    assert injection is not None and injection.caller == caller
