"""A kernel that brings its types, and what is read of it by address: strings and lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

import itertools

from toy_kernel import DIRECT, NAME, PAGE, SYMBOLS, ToyKernel, types

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.own_types import list_at, open_kernel, text_at
from pfnlab.lab.lens.program import open_program
from pfnlab.lab.lens.view import KernelView


@pytest.fixture
def kernel() -> ToyKernel:
    """A kernel to change."""
    return ToyKernel()


@pytest.fixture
def view(kernel: ToyKernel, tmp_path: Path) -> Iterator[KernelView]:
    """Its memory, which it still shares."""
    path = kernel.save(tmp_path / "ram")
    with GuestRam(path) as ram:
        yield KernelView(open_program(ram, types(), SYMBOLS), ram, SYMBOLS)


def test_a_kernel_without_types_is_named(kernel: ToyKernel, tmp_path: Path) -> None:
    """
    Its table of symbols is there, and has none for types.
    """
    kernel.symbols("relative")

    with (
        GuestRam(kernel.save(tmp_path / "ram")) as ram,
        pytest.raises(LensError, match="kernel toy contains no types"),
    ):
        open_kernel(ram)


def test_a_string_ends_at_its_nul_or_the_limit(view: KernelView) -> None:
    """
    The name of the toy's file, whole and cut.
    """
    assert "resource2_wc" == text_at(view, DIRECT + NAME)
    assert "res" == text_at(view, DIRECT + NAME, 3)


def test_a_string_goes_on_behind_a_page(kernel: ToyKernel, tmp_path: Path) -> None:
    """
    It is read page by page.
    """
    at = 0x30000
    kernel.memory[at + PAGE - 3 : at + PAGE + 4] = b"abcdefg"

    with GuestRam(kernel.save(tmp_path / "other")) as ram:
        view = KernelView(open_program(ram, types(), SYMBOLS), ram, SYMBOLS)

        assert "abcdefg" == text_at(view, DIRECT + at + PAGE - 3)


def _listed(kernel: ToyKernel, path: Path, *links: int, limit: int = 100) -> list[int]:
    # The list whose links lead from 0x30000 on from one of these to the next.
    places = [0x30000, *links]
    for here, there in itertools.pairwise(places):
        kernel.put(here, DIRECT + there)
    with GuestRam(kernel.save(path)) as ram:
        view = KernelView(open_program(ram, types(), SYMBOLS), ram, SYMBOLS)
        return [one - DIRECT for one in list_at(view, DIRECT + 0x30000, 0x10, "things", limit)]


def test_a_list_comes_back_to_its_head(kernel: ToyKernel, tmp_path: Path) -> None:
    """
    A structure begins before its link.
    """
    assert [0x30FF0, 0x31FF0] == _listed(kernel, tmp_path / "list", 0x31000, 0x32000, 0x30000)


def test_a_list_with_a_loop_is_given_up(kernel: ToyKernel, tmp_path: Path) -> None:
    """
    So is one that is longer than it can be.
    """
    with pytest.raises(LensError, match="the list of things does not return to its head after 2"):
        _listed(kernel, tmp_path / "loop", 0x31000, 0x32000, 0x31000)
    with pytest.raises(LensError, match="does not return to its head after 1"):
        _listed(kernel, tmp_path / "long", 0x31000, 0x32000, 0x30000, limit=1)
