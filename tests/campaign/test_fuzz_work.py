"""Shards of hunts: how a table is cut, and what a shard comes to."""

from __future__ import annotations

import pytest

from pfnlab.campaign.fuzz_work import FuzzWork, SweepWork, fuzz_shard
from pfnlab.campaign.plan_file import plan_of
from pfnlab.hunt.sweep.swept_cells import cells_digest, cells_of

HEAD = 'form = 1\nname = "n"\n'
BROKEN = ("model:7.3", "model:7.3,mseal=off")


def work(machines: tuple[str, ...], first: int, end: int) -> SweepWork:
    """Cells of the scope ``pci``."""
    return SweepWork(machines=machines, scope="pci", cells=cells_digest("pci"), first=first, end=end)


def test_a_table_is_cut_into_shards() -> None:
    """Side by side they are every cell of each scope; a kernel alone has the model of its series."""
    table = '[[sweep]]\nmachines = [["qemu:7.2"]]\nscopes = ["pci", "vfio"]\ncells_per_shard = 300\n'

    shards = plan_of(HEAD + table, "c.toml").shards()

    extents = [(one.work["scope"], one.work["first"], one.work["end"]) for one in shards]
    assert [("pci", 0, 300), ("pci", 300, 600), ("pci", 600, 900), ("pci", 900, 1156)] == extents[:4]
    assert [("vfio", 0, 300), ("vfio", 300, len(cells_of("vfio")))] == extents[4:]
    assert {("model:7.2", "qemu:7.2")} == {tuple(one.work["machines"]) for one in shards}
    assert {(True, "sweep")} == {(one.needs_qemu, one.task) for one in shards}


@pytest.mark.parametrize(
    ("machines", "verdict", "letters"),
    [(("model:7.3", "model:7.3,mseal=on"), "agrees", "...."), (BROKEN, "differs", "DDDD")],
)
def test_a_shard_has_a_letter_for_each_cell(machines: tuple[str, ...], verdict: str, letters: str) -> None:
    """And a verdict; what differs is a result of its own."""
    found = fuzz_shard(work(machines, 242, 246))
    (run, *others) = found.results

    assert (verdict, "pci", "cells 242:246", letters, 4) == (
        *(run.verdict, run.scope, run.subject, run.detail["letters"]),
        found.programs,
    )
    assert (["differs"] * len(others), verdict == "differs") == (
        [one.verdict for one in others],
        bool(others),
    )


def test_a_finding_is_the_same_result_of_every_shard() -> None:
    """A store keeps it once."""
    first, second = (fuzz_shard(work(BROKEN, start, start + 2)).results[1:] for start in (242, 244))

    assert {one.digest for one in first} & {one.digest for one in second}


def test_shards_of_both_kinds_say_the_same() -> None:
    """Cells have their letters besides; only what is drawn has a seed."""
    drawn = FuzzWork(machines=("model:7.3", "model:7.3,mseal=on"), seed=3, programs=4)

    of_cells, of_programs = fuzz_shard(work(drawn.machines, 0, 4)), fuzz_shard(drawn)

    assert {"letters"} == of_cells.results[0].detail.keys() ^ of_programs.results[0].detail.keys()
    assert (None, 3) == (of_cells.seed, of_programs.seed)
    assert ("sweep", "fuzz") == (of_cells.results[0].task, of_programs.results[0].task)
