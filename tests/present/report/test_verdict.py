"""The last lines of a report: statements, each about one subject."""

from __future__ import annotations

import pytest
from hostile_results import agreeing, differing, lost, undecided

from pfnlab.present.report.run_result import RunResult
from pfnlab.present.report.verdict import About, statements, verdict_lines


@pytest.mark.parametrize(
    ("result", "about"),
    [
        (agreeing(), [About.AGREE, About.KERNEL, About.KERNEL]),
        (lost(), [About.LOST, About.KERNEL]),
        (undecided(), [About.UNDECIDED, About.KERNEL]),
    ],
    ids=["agreeing", "lost", "undecided"],
)
def test_each_statement_has_a_subject(result: RunResult, about: list[About]) -> None:
    """In the order of the lines."""
    said = list(statements(result.runs, result.verdict))

    assert about == [statement.about for statement in said]
    assert [line.text for line in verdict_lines(result.runs, result.verdict, 1000)] == [
        statement.line for statement in said
    ]


def test_steps_follow_the_machines_that_differ() -> None:
    """One statement each."""
    result = differing()

    said = [statement.about for statement in statements(result.runs, result.verdict)]

    assert [About.DIFFER, About.STEP] == said[:2]


def test_a_line_that_begins_otherwise_has_the_same_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of a program is read of no line."""
    why = lost().why, undecided().why
    for about in (About.LOST, About.UNDECIDED):
        monkeypatch.setattr(about, "_value_", "reworded ")

    assert why == (lost().why, undecided().why)
    assert verdict_lines(lost().runs, lost().verdict)[0].text.startswith("reworded model:7.2")
