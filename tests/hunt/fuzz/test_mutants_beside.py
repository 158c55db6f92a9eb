"""Defects at borders: the page says what names each, and one of them is hunted for here."""

from __future__ import annotations

import re

from beside_report import ALONE, BEGIN, END, PAGE, PROGRAMS, look_for
from for_each import for_each
from mutant import Mutant
from mutants_beside import BESIDE
from mutated import SOURCE

ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| it is"))
]


@for_each("mutant", [defect.mutant for defect in BESIDE], ids=lambda one: one.breaks)
def test_each_changes_one_place(mutant: Mutant) -> None:
    """What it replaces stands there once, so a model that changed is noticed here."""
    text = (SOURCE / "kernel" / mutant.file).read_text(encoding="utf-8")

    assert 1 == text.count(mutant.old)


def test_the_page_has_each_defect_with_what_names_it() -> None:
    """Within so many programs, or in a sweep; a defect more needs `make mutation-report`."""
    assert [defect.mutant.breaks for defect in BESIDE] == [row[0] for row in ROWS]
    for row, defect in zip(ROWS, BESIDE, strict=True):
        programs = int(row[3].replace(",", ""))
        assert 0 < programs and (defect.scope or programs <= PROGRAMS)
        assert row[4]


def test_the_judge_alone_names_enough_of_them() -> None:
    """By a property, on runs of the broken model."""
    assert ALONE <= sum(bool(re.match(r"`\w+`, [\d,]+$", row[5])) for row in ROWS)


def test_a_defect_is_named_by_the_judge_alone() -> None:
    """One that few programs are needed for, as the report does it."""
    (defect,) = (one for one in BESIDE if one.mutant.breaks.startswith("a mapping stays within"))

    named = look_for(defect)

    assert 0 < named.compared <= 50
    assert "within_bar" == named.name
