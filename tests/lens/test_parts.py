"""The parts of contexts that VMAs cover, as a tracker that counts frames has them."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

import toy_kernel as toy
from toy_kernel import PLACES, SYMBOLS, ToyKernel

from pfnlab.lens.errors import LensError
from pfnlab.lens.memory import GuestRam
from pfnlab.lens.program import open_program
from pfnlab.lens.snapshot import Lens
from pfnlab.lens.state import tracked_seen

FIRST, SECOND = 0xFFFF888000001000, 0xFFFF888000002000


def tracked(kernel: ToyKernel, folder: Path) -> tuple[str, ...]:
    """What is tracked for the VMAs a[0:4] and a[8:16]."""
    with GuestRam(kernel.save(folder / "ram")) as ram:
        lens = Lens(open_program(ram, toy.types(vma_word="pfnmap_parts"), SYMBOLS), ram, SYMBOLS)
        return tracked_seen(lens.snapshot({"main": 7}, PLACES))


def test_runs_without_a_gap_are_reservations(tmp_path: Path) -> None:
    """Each with the VMAs that cover some of it, each VMA once."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 0, 3))
    kernel.parts(1, (FIRST, 2, 3), (FIRST, 4, 5), (FIRST, 8, 9))

    assert tracked(kernel, tmp_path) == ("bar[0:6] a[0:4] a[8:16]", "bar[8:10] a[8:16]")


def test_contexts_are_apart(tmp_path: Path) -> None:
    """Frames of two contexts are two reservations, also side by side; in the order of their first parts."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 4, 7))
    kernel.parts(1, (SECOND, 0, 3), (FIRST, 8, 9))

    assert tracked(kernel, tmp_path) == ("bar[4:10] a[0:4] a[8:16]", "bar[0:4] a[8:16]")


def test_a_vma_without_parts_tracks_nothing(tmp_path: Path) -> None:
    """Its tree is empty."""
    kernel = ToyKernel()
    kernel.parts(0)
    kernel.parts(1)

    assert tracked(kernel, tmp_path) == ()


def test_a_part_that_ends_before_it_begins_is_damage(tmp_path: Path) -> None:
    """One line says which."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 3, 2))
    kernel.parts(1)

    with pytest.raises(LensError, match="a part of context 0xffff888000001000 reaches from pfn 0x80003 to"):
        tracked(kernel, tmp_path)


def test_a_tree_with_a_loop_is_damage(tmp_path: Path) -> None:
    """It ends."""
    kernel = ToyKernel()
    kernel.parts(0, (FIRST, 0, 3))
    kernel.parts(1)
    kernel.put(toy.PARTS + 16, toy.DIRECT + toy.PARTS)

    with pytest.raises(LensError, match="the part tree has a loop"):
        tracked(kernel, tmp_path)
