"""Counts of blocks in a file as the plugin writes it, and the plugin in a real guest."""

from __future__ import annotations

import struct
from pathlib import Path

from having import NEW, bootable

from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.counted_blocks import MOST_BLOCKS, Blocks, MarkedBlock
from pfnlab.lab.vm.qemu import Guest

#: An operation whose system call is between marks, and one that is not.
MARKED, UNMARKED = (f"program 1\nobserve{order}\nop 0 munlockall\nmore\n" for order in (" order", ""))


def written(path: Path, counts: dict[int, int], *, length: int = 4, marked: int = 0) -> Blocks:
    """The counts of a plugin that has seen blocks at these addresses so often, and so often between marks."""
    words = [len(counts)]
    for column in (counts.keys(), [length] * len(counts), counts.values(), [marked] * len(counts)):
        words += [*column, *[0] * (MOST_BLOCKS - len(counts))]
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


def test_a_block_between_marks_has_its_length_and_runs(tmp_path: Path) -> None:
    """Others do not appear, however often they ran."""
    marked = written(tmp_path / "marked", {0x30: 7}, length=5, marked=2)
    others = written(tmp_path / "others", {0x30: 7})

    assert ([MarkedBlock(0x30, 5, 2)], []) == (marked.marked(), others.marked())


def test_nothing_was_between_marks_after_clearing(tmp_path: Path) -> None:
    """An operation's counts do not contain those of the one before."""
    blocks = written(tmp_path / "blocks", {0x30: 7}, marked=2)

    blocks.clear()

    assert [] == blocks.marked()


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


def test_an_operation_is_counted_between_its_marks() -> None:
    """And the rest of the kernel is not, nor an operation without marks."""
    counts = []
    with Guest(bootable(NEW).vmlinuz, GuestShape(steady=True), counted=True) as guest:
        assert guest.blocks is not None
        for request in (UNMARKED, MARKED):
            guest.blocks.clear()
            guest.request(request)
            counts.append((len(guest.blocks.marked()), len(guest.blocks.reached())))
            guest.request("program 1\nend\n")

    (unmarked, _), (marked, reached) = counts
    assert unmarked == 0 < marked < reached


def test_a_guest_counts_nothing_unasked() -> None:
    """A guest has no plugin where nobody wants counts."""
    with Guest(bootable(NEW).vmlinuz) as guest:
        blocks = guest.blocks

    assert None is blocks
