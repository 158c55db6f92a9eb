"""Checks of models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pfnlab as pl
from pfnlab.present.document.check_part import part
from pfnlab.present.document.terminal import terminal


@pytest.fixture(scope="module")
def report() -> pl.CheckReport:
    """Two models in a small scope, of which one leaks."""
    return pl.check(["model:6.1", "model:7.2"], "small", 3, ["no_leak", "one_mode"])


def test_a_report_says_what_is_violated(report: pl.CheckReport) -> None:
    """By any of its models."""
    assert (False, ("no_leak",), 1) == (report.holds, report.violated, report.exit_code)
    assert ("violated", "holds") == (report["no_leak"].verdict, report["one_mode"].verdict)
    assert report.checks[1].complete


def test_a_counterexample_is_a_program(report: pl.CheckReport) -> None:
    """It shows the violation where it is run."""
    found = pl.run(report.counterexamples["no_leak"], "model:6.1")

    assert "no_leak" in {violation.name for violation in found.verdict.violations}


def test_a_report_prints_as_the_verb_does(report: pl.CheckReport) -> None:
    """One model below the other."""
    both = [terminal(part(checked)) for checked in report.checks]

    assert "\n\n".join(both) == repr(report)


def test_what_holds_holds() -> None:
    """With the exit code of the verb."""
    report = pl.check("model:7.2", "small", 2, "no_loss")

    assert (True, (), {}, 0) == (report.holds, report.violated, report.counterexamples, report.exit_code)


def test_a_search_cut_short_is_undecided() -> None:
    """It does not hold, and nothing is violated."""
    report = pl.check("model:7.2", "small", properties="one_mode", states=3)

    assert (False, (), 3) == (report.holds, report.violated, report.exit_code)


def test_records_have_a_row_a_property(report: pl.CheckReport) -> None:
    """For each model."""
    rows = report.to_records()

    assert [("model:6.1", "no_leak"), ("model:6.1", "one_mode")] == [
        (row["machine"], row["property"]) for row in rows[:2]
    ]
    assert 4 == len(rows)


@pytest.mark.target("notebooks")
def test_frames_have_a_row_a_property(report: pl.CheckReport) -> None:
    """In both libraries."""
    assert len(report.to_records()) == len(report.to_pandas()) == len(report.to_polars())


#: What is wrong, and what the message says of it.
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: pl.check("qemu:6.1", "small"), "qemu:6.1 cannot be searched"),
    (lambda: pl.check("model:6.1", "smal"), "there is no scope `smal`"),
    (lambda: pl.check("model:6.1", "small", -1), "^depth -1 is too small: write at least 0"),
    (lambda: pl.check("model:6.1", "small", walks=0), "^walks 0 is too small: write at least 1"),
    (lambda: pl.check("model:6.1", "small", seed=3), "^seed needs walks N: add it"),
    (lambda: pl.check("model:6.1", "small", seconds=-1), "^seconds -1 is too small: write at least 0"),
    (lambda: pl.check("model:6.1", "small", properties=["no_leek"]), "no_leek"),
    (lambda: pl.check("model:7.2", "small", 1, "one_mode")["no_leak"], "'no_leak' was not asked"),
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_misuse_says_what_to_write(call: Callable[[], object], says: str) -> None:
    """An error of the project, in one sentence."""
    with pytest.raises(pl.Misuse, match=says):
        call()
