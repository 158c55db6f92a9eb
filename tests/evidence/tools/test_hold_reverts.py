"""The table of ``patches/reverts/README.md``: which entries a kernel is asked, and what counts as shown."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import tooling
from for_each import for_each

from pfnlab.hunt.meeting.bug_run import program_file, show_bug
from pfnlab.kernel.bugs.known_bugs import bug
from pfnlab.lab.building.patch_file import Revert
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

TOOL = tooling.hold_reverts()
PROGRAM = TOOL.HeldProgram(
    **{"entry": "A01", "program": "copied-first-munmap", "op": "munmap a", "fields": ("book",)},
    **{"without": "broken", "stock": "mended", "differ": ()},
)
HELD = TOOL.HeldRevert(
    **{"kernel": "6.1.192+0", "stock": "6.1.192-2", "source": "linux-source-6.1 6.1.192-2"},
    **{"build_seconds": 45, "programs": (PROGRAM,)},
)


def held(**changed: object) -> object:
    """A record whose program has other fields."""
    return msgspec.structs.replace(HELD, programs=(msgspec.structs.replace(PROGRAM, **changed),))


def revert(commit: str, series: str) -> Revert:
    return Revert(commit, series, Path("nowhere"))


def run_of(machine: str) -> Run:
    return ModelMachine(machine).run_one(load_program(program_file("copied-first-munmap")))


@for_each(
    ("commit", "series", "numbers"),
    [
        ("04c35ab3bdae", "6.1", ["A01", "A02"]),
        ("dc84bc2aba85", "6.1", ["A04"]),
        ("79a61cc3fc04", "6.1", ["A17", "A18"]),
        ("636b21b50152", "6.1", ["G09"]),
        ("7b806d229ef1", "6.12", ["C12"]),
        ("huge_faults_ignore_thp", "6.12", ["E07"]),
    ],
)
def test_a_kernel_is_asked_what_its_commit_mends_or_brought(
    commit: str, series: str, numbers: list[str]
) -> None:
    """What it brought only where the series still has it: A16 is over in 6.1."""
    assert numbers == [one.number for one in TOOL.bugs_of(revert(commit, series))]


def test_of_a_program_the_row_of_the_series_counts() -> None:
    """A01 has three rows of one program, the last between models of 6.1."""
    (row,) = TOOL.rows_of(show_bug(bug("A01")), "6.1")

    assert ("model:6.1,without=04c35ab3bdae", "model:6.1") == (row.before, row.after)


def test_another_series_takes_the_first_row() -> None:
    """Where no row is of it."""
    (row,) = TOOL.rows_of(show_bug(bug("A01")), "6.12")

    assert "model:6.1.84" == row.before


def test_equal_runs_are_apart_nowhere() -> None:
    """A model agrees with itself."""
    assert () == TOOL.steps_apart(run_of("6.1"), run_of("6.1"))


def test_runs_are_apart_where_they_part() -> None:
    """Without the commit the book keeps the range."""
    assert "3 book" in TOOL.steps_apart(run_of("6.1"), run_of("6.1,without=04c35ab3bdae"))


def test_two_kernels_that_end_in_one_step_are_not_apart() -> None:
    """One that goes on is."""
    program = load_program(program_file("vfio-regions"))
    (ends,) = ModelMachine("6.1,without=909290786ea3").run([program])
    (goes_on,) = ModelMachine("6.1").run([program])

    assert () == TOOL.steps_apart(ends, ends)
    assert ("model:6.1,without=909290786ea3 ended early",) == TOOL.steps_apart(ends, goes_on)


def test_what_is_shown_has_no_fault() -> None:
    """Broken without the repair, mended with it, and the model agrees."""
    assert [] == TOOL.faults(HELD)


@for_each(
    ("changed", "says"),
    [
        ({"without": "mended"}, "A01 copied-first-munmap: without it mended, stock mended"),
        ({"stock": "undecided"}, "A01 copied-first-munmap: without it broken, stock undecided"),
        ({"without": "broken, expected mended"}, "without it broken, expected mended, stock mended"),
        ({"differ": ("3 book",)}, "A01 copied-first-munmap: the model differs in 3 book"),
    ],
)
def test_what_is_not_shown_is_a_fault(changed: dict[str, object], says: str) -> None:
    """Kernels that do not part, or a model that is not the kernel's."""
    (fault,) = TOOL.faults(held(**changed))

    assert fault.endswith(says)


def test_the_page_has_what_was_kept() -> None:
    """`--write` would change nothing."""
    page = TOOL.PAGE.read_text(encoding="utf-8").partition(TOOL.BEGIN)[2].partition(TOOL.END)[0]

    assert TOOL.table_of(TOOL.known_reverts(), TOOL.read_held(TOOL.KEPT)) == page.strip() + "\n"


def test_a_patch_that_was_not_held_has_dashes() -> None:
    """Its lines are known, and nothing else."""
    one = next(known for known in TOOL.known_reverts() if known.commit == "04c35ab3bdae")

    assert TOOL.table_of([one], {}).endswith(" | - | - | - | - | - |\n")


def test_a_patch_that_was_held_has_its_sign() -> None:
    """The entry, the step, both words and the model."""
    one = next(known for known in TOOL.known_reverts() if TOOL.name_of(known) == "04c35ab3bdae-6.1")

    row = TOOL.table_of([one], {"04c35ab3bdae-6.1": HELD}).splitlines()[-1]

    assert row.startswith("| A01 | [04c35ab3bdae-6.1](revert-04c35ab3bdae-6.1.patch) | +")
    assert row.endswith("| copied-first-munmap | `munmap a`: book | broken | fixed | agrees |")


def test_a_commit_that_has_no_patch_is_none() -> None:
    """Its name and those there are."""
    with pytest.raises(SystemExit, match=r"there is no revert '1234567': known are 04c35ab3bdae-6\.1"):
        TOOL.chosen(["1234567"])
