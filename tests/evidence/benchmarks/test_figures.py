"""The figures of a benchmark's table, with units."""

from __future__ import annotations

from pathlib import Path

import pytest
from measuring import show
from measuring.figures import RECORD, Figure, figures_of, recorded, worse


def test_a_cell_is_a_figure_with_its_unit() -> None:
    """
    Named after table, row and column, without what the title says of the machine.
    """
    found = list(figures_of("states (2 CPUs)", ["", "rate", "time"], [["6.1", "2,000/s", "1.5 ms"]]))

    assert found == [
        Figure("states: 6.1: rate", 2000.0, "/s"),
        Figure("states: 6.1: time", 1.5, "ms"),
    ]


def test_a_bare_number_has_the_unit_of_its_table() -> None:
    """
    A title or the head of a column may say it; elsewhere there is none.
    """
    titled = list(figures_of("milliseconds (busy)", ["series", "open"], [["6.1", "12"]]))
    plain = list(figures_of("sizes", ["", "bytes a state", "ratio"], [["6.1", "80", "2.5"]]))

    assert ["ms"] == [figure.unit for figure in titled]
    assert ["bytes", ""] == [figure.unit for figure in plain]


def test_words_are_no_figures() -> None:
    """
    A row of words is the heading of those below it.
    """
    rows = [["plain", "-", "missing"], ["6.1", "3 s", "no"]]

    found = list(figures_of("t", ["", "took", "met"], rows))

    assert found == [Figure("t: plain 6.1: took", 3.0, "s")]


@pytest.mark.parametrize(
    ("unit", "before", "after", "by"),
    [("ms", 10, 15, 0.5), ("/s", 10, 5, 1.0), ("programs/s", 5, 10, -0.5), ("bytes", 10, 5, -0.5)],
)
def test_worse_is_more_cost_or_a_lower_rate(unit: str, before: float, after: float, by: float) -> None:
    """
    As a part of what it was; negative where it is better.
    """
    assert by == worse(unit, before, after)


@pytest.mark.parametrize(("unit", "before"), [("", 10.0), ("times", 10.0), ("ms", 0.0)])
def test_what_has_no_better_way_is_not_judged(unit: str, before: float) -> None:
    """
    A number without a known unit, and a time of nothing.
    """
    assert worse(unit, before, 20.0) is None


def test_a_shown_table_is_recorded_where_somebody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    It is printed all the same; without the variable nothing is written.
    """
    path = tmp_path / "figures"
    show("t", ["", "a"], [["r", "1 s"]])
    monkeypatch.setenv(RECORD, str(path))

    show("t", ["", "a"], [["r", "2 s"]])

    assert [Figure("t: r: a", 2.0, "s")] == recorded(path)
    assert capsys.readouterr().out.count("r  ") == 2
