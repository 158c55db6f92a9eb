"""The walkers' table: the page is what the model says today, and a cell is what a run found."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from evidence.pages.__main__ import made
from evidence.pages.walkers_page import cell, table
from pfnlab.hunt.meeting.walkers import KINDS, WALKERS, cell_program
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.lang.words import WALKERS as WALKER_VERBS
from pfnlab.programs.model.model_machine import ModelMachine

PAGE = Path(__file__).parents[3] / "docs" / "walkers.md"


def answer(series: str, walker: str, kind: str) -> str:
    """One cell, as the model has it."""
    return cell(walker, ModelMachine(series).run_one(cell_program(walker, kind), check=True))


def test_the_page_is_what_the_model_says() -> None:
    """`make pages` would change nothing."""
    assert PAGE.read_text(encoding="utf-8") == made("walkers")


def test_every_walker_of_the_language_has_a_row() -> None:
    """None is forgotten."""
    verbs = {operation.split()[0] for operation in WALKERS.values()}

    assert {*WALKER_VERBS, "process_vm_readv", "mincore"} <= verbs


@for_each(
    ("walker", "kind", "old", "new"),
    [
        ("vmsplice", "special", "EFAULT", "EFAULT"),
        ("vmsplice", "copied", "7", "7"),
        ("vmsplice", "copied, PROT_NONE", "EFAULT", "EFAULT"),
        ("process_vm_readv", "copied", "EFAULT", "EFAULT"),
        ("/proc/self/mem, read", "special, PROT_NONE", "7", "7"),
        ("/proc/self/mem, write", "special, PROT_NONE", "EIO", "EIO"),
        ("move_pages", "special", "EFAULT", "ENOENT"),
        ("move_pages", "no VMA", "EFAULT", "EFAULT"),
        ("mincore", "special", "0", "1"),
        ("smaps", "copied", "Rss=0", "Rss=4"),
        ("pagemap_scan", "special", "ENOTTY", "nothing found"),
        ("pagemap_scan", "copied", "ENOTTY", "nothing found"),
        ("smaps_rollup", "copied", "Rss=0 Anonymous=0", "Rss=4 Anonymous=4"),
        ("smaps", "no VMA", "nothing", "nothing"),
        ("numa_maps", "copied", "nothing counted", "anon=1 dirty=1 N0=1"),
        ("pagemap", "copied", "soft-dirty", "soft-dirty"),
        ("futex_wake", "copied", "0", "0"),
    ],
)
def test_a_cell_is_what_the_specification_says(walker: str, kind: str, old: str, new: str) -> None:
    """S7.5 and S7.6, on the oldest and the newest series."""
    oldest, *_, newest = CONFIRMED

    assert (old, new) == (answer(oldest, walker, kind), answer(newest, walker, kind))


def test_series_that_agree_stand_together() -> None:
    """A value stands once for a range of series, alone where all agree."""
    lines = table(lambda series, program: ModelMachine(series).run_one(program)).splitlines()
    cells = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in lines}

    assert "6.1 `EFAULT`, 6.12.. `ENOENT`" == cells["move_pages"][0]
    assert "`EFAULT`" == cells["vmsplice"][0]
    assert len(KINDS) == len(cells["vmsplice"])
