"""Patches that are reviewed without their policies: what is recorded is what the page says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "evidence" / "tools"))

from review_patches import (
    KNOWN,
    MARKS,
    PAGE,
    Reviewed,
    patch_text,
    read_reviewed,
    table_of,
)

from pfnlab.lab.building.patch_file import read_patch

BROKEN = Reviewed("7.3.4", {"told_free": 9.0}, 10, complete=False, seconds=9.0)
CLEAR = Reviewed("7.3.4", {}, 10, complete=True, seconds=9.0)
CUT = Reviewed("7.3.4", {}, 10, complete=False, seconds=9.0)


@pytest.mark.parametrize("name", KNOWN)
def test_a_patch_is_reviewed_without_its_policy(name: str, tmp_path: Path) -> None:
    """And still is a patch."""
    file = tmp_path / "a.patch"
    file.write_text(patch_text(name), encoding="utf-8")

    assert not read_patch(file).policy


def test_one_planted_defect_is_active() -> None:
    """Always, not only if the command line says so."""
    assert "return number == 4;" in patch_text("planted-4")


@pytest.mark.parametrize(
    ("name", "verdict", "right"),
    [
        ("flush-none", BROKEN, True),
        ("flush-none", CLEAR, False),
        ("flush-end_vma", CLEAR, True),
        ("flush-end_vma", CUT, False),
        ("flush-end_vma", BROKEN, False),
    ],
)
def test_a_verdict_is_right_if_it_says_what_is_known(name: str, verdict: Reviewed, right: bool) -> None:
    """A review that was cut clears nothing."""
    assert right is verdict.is_right_about(name)


def test_a_wrong_accusation_is_counted() -> None:
    """Below the table."""
    assert table_of({"flush-end_vma": BROKEN}).endswith("Right: 0 of 1; accused although right: 1.")


def test_the_page_has_the_table() -> None:
    """Of all that is recorded."""
    shown = PAGE.read_text(encoding="utf-8").partition(MARKS[0])[2].partition(MARKS[1])[0]

    assert table_of(read_reviewed()).strip() == shown.strip()


def test_no_patch_that_is_right_is_accused() -> None:
    """Of those that were reviewed."""
    assert [] == [name for name, one in read_reviewed().items() if one.broken and not KNOWN[name]]
