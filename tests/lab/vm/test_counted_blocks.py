"""Counts of blocks in a file as the plugin writes it, and the plugin in a real guest."""

from __future__ import annotations

import struct
from pathlib import Path

from having import NEW, bootable

from pfnlab.lab.vm.counted_blocks import MOST_BLOCKS, Blocks
from pfnlab.lab.vm.qemu import Guest


def written(path: Path, counts: dict[int, int]) -> Blocks:
    """The counts of a plugin that has seen blocks at these addresses so often."""
    words = [0] * (1 + 2 * MOST_BLOCKS)
    words[0] = len(counts)
    words[1 : 1 + len(counts)] = counts.keys()
    words[1 + MOST_BLOCKS : 1 + MOST_BLOCKS + len(counts)] = counts.values()
    path.write_bytes(struct.pack(f"<{len(words)}Q", *words))
    return Blocks(path)


def test_blocks_that_ran_are_reached(tmp_path: Path) -> None:
    """A block that was translated and did not run is not reached."""
    blocks = written(tmp_path / "blocks", {0x30: 2, 0x10: 0, 0x20: 1})

    reached = blocks.reached()

    assert [0x30, 0x20] == reached
    blocks.close()


def test_nothing_is_reached_after_clearing(tmp_path: Path) -> None:
    """Counts that were cleared begin anew, in the file too."""
    blocks = written(tmp_path / "blocks", {0x30: 2, 0x10: 7})

    blocks.clear()

    assert [] == blocks.reached()
    assert [] == Blocks(tmp_path / "blocks").reached()
    blocks.close()


def test_a_full_file_is_known(tmp_path: Path) -> None:
    """Where the file is full there may be blocks without a count."""
    few = written(tmp_path / "few", {0x30: 2})
    full = written(tmp_path / "full", {place: 0 for place in range(MOST_BLOCKS)})

    known = few.is_full, full.is_full

    assert (False, True) == known


def test_a_guest_counts_what_it_is_asked_for() -> None:
    """A request reaches blocks of the kernel that a guest does not reach by itself, however busy it is."""
    with Guest(bootable(NEW).vmlinuz, counted=True) as guest:
        assert guest.blocks is not None
        guest.blocks.clear()
        before = set(guest.blocks.reached())

        guest.request("symbols\n", 60)

        assert before < set(guest.blocks.reached())
        assert not guest.blocks.is_full


def test_a_guest_counts_nothing_unasked() -> None:
    """A guest has no plugin where nobody wants counts."""
    with Guest(bootable(NEW).vmlinuz) as guest:
        blocks = guest.blocks

    assert None is blocks
