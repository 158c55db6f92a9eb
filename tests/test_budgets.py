"""Budgets of folders: read, counted and reported."""

from __future__ import annotations

from typing import Literal

import pytest
from budgets import beyond, budgets_of, taken


def report(nodeid: str, when: Literal["setup", "call", "teardown"], seconds: float) -> pytest.TestReport:
    """The report of a part of a test that took *seconds*."""
    return pytest.TestReport(nodeid, (nodeid, 1, ""), {}, "passed", None, when, duration=seconds)


def test_budgets_are_read() -> None:
    """A word a folder."""
    assert {"cli": 90, ".": 20} == budgets_of("cli=90 .=20")


@pytest.mark.parametrize("word", ["cli", "cli=", "=3", "cli=1.5", "cli=-3"])
def test_a_word_that_is_no_budget_is_refused(word: str) -> None:
    """With the word."""
    with pytest.raises(pytest.UsageError, match=f"not '{word}'"):
        budgets_of(f"lab=3 {word}")


def test_a_folder_takes_what_its_tests_take() -> None:
    """With what they prepare, in folders below it too; files beside the folders are one."""
    reports = [
        report("tests/cli/test_a.py::test_b", "setup", 1),
        report("tests/cli/test_a.py::test_b", "call", 2),
        report("tests/lab/vm/test_c.py::test_d[x/y]", "call", 4),
        report("tests/test_e.py::test_f", "teardown", 8),
    ]

    found = taken(reports)

    assert {"cli": 3, "lab": 4, ".": 8} == found


def test_a_folder_beyond_its_budget_is_named() -> None:
    """And one that has none; others are not."""
    found = beyond({"cli": 2, "lab": 5}, {"cli": 3, "lab": 4, "new": 1})

    assert ["cli: 3 s, of a budget of 2 s", "new: 1 s, of no budget"] == found


def test_without_budgets_nothing_is_beyond() -> None:
    """A run of some tests alone has none."""
    assert [] == beyond({}, {"cli": 3})
