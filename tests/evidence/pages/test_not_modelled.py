"""The page of what is not modelled says what a program gets."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each

from evidence.pages.__main__ import made
from evidence.pages.not_modelled import CHAPTERS, Absence, answer

PAGE = Path(__file__).parents[3] / "docs" / "not-modelled.md"

ABSENCES = [absence for _, absences in CHAPTERS for absence in absences]


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages not-modelled --write``."""
    assert made("not-modelled") == PAGE.read_text(encoding="utf-8")


@for_each("absence", ABSENCES, ids=lambda absence: absence.subject)
def test_nothing_is_guessed(absence: Absence) -> None:
    """A subject that got a rule leaves the page: each program is a mistake or undecided, with a sentence."""
    exit_code, sentence = answer(absence.lines)

    assert exit_code in (2, 3)
    assert sentence


def test_a_program_that_runs_is_told_from_them() -> None:
    """It has neither exit code nor sentence."""
    assert (0, "") == answer(("device bar: pci, 4 pages", "a = mmap bar[0] wc shared rw"))


def test_no_subject_is_named_twice() -> None:
    """Each subject has one row."""
    subjects = [absence.subject for absence in ABSENCES]

    assert len(subjects) == len(set(subjects))
