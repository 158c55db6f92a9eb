"""Plots: every number is written, labels do not touch, and names go in as text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations

from pfnlab.present.picture.plots import bars, lines, verdict_matrix

_TEXT, _RECT = "{http://www.w3.org/2000/svg}text", "{http://www.w3.org/2000/svg}rect"


def texts(svg: str) -> list[str]:
    """The labels of a drawing, in order."""
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(_TEXT)]


def test_bars_say_their_numbers() -> None:
    """In order, with a length in proportion."""
    svg = bars("t", [("one", 1_000), ("two", 500)], "state")
    widths = [float(rect.attrib["width"]) for rect in ElementTree.fromstring(svg).iter(_RECT)]

    assert ["one", "1,000", "two", "500"] == texts(svg)
    assert widths[0] == 2 * widths[1]


def test_a_small_count_is_seen() -> None:
    """Beside a large one too; nothing is drawn for none."""
    svg = bars("t", [("a", 1_000_000), ("b", 1), ("c", 0)], "state")
    _, small, none = (float(rect.attrib["width"]) for rect in ElementTree.fromstring(svg).iter(_RECT))

    assert (1, 0) == (small, none)


def test_lines_that_are_one_share_a_label() -> None:
    """And no two labels touch, where lines end side by side."""
    rows = {"a": [1, 2], "b": [1, 2], "c": [3, 2], "d": [0, 2]}
    svg = lines("t", ["x", "y"], rows)
    ends = {
        element.text: float(element.attrib["y"])
        for element in ElementTree.fromstring(svg).iter(_TEXT)
        if element.text in ("a, b", "c", "d")
    }

    assert {"a, b", "c", "d"} == set(ends)
    assert all(abs(one - other) >= 12 for one, other in combinations(ends.values(), 2))


def test_a_matrix_says_its_verdicts() -> None:
    """A word in each cell, beside the colour."""
    svg = verdict_matrix("t", ["p", "q"], ["x", "y"], [["2", "ok"], ["-", "ok"]])
    kinds = [rect.attrib["class"] for rect in ElementTree.fromstring(svg).iter(_RECT)]

    assert ["x", "y", "p", "2", "ok", "q", "-", "ok"] == texts(svg)
    assert ["bad", "good", "none", "good"] == kinds


def test_a_plot_names_itself() -> None:
    """For who does not see it: title, and the numbers in its description."""
    root = ElementTree.fromstring(bars("States", [("one", 1)], "state"))

    assert ("States", "one: 1") == tuple(element.text for element in root[:2])
    assert ("img", "States") == (root.attrib["role"], root.attrib["aria-label"])


def test_a_long_name_is_cut() -> None:
    """It is whole in the title of its bar."""
    svg = bars("t", [("n" * 100, 1)], "state")

    assert len(texts(svg)[0]) < 50
    assert f"<title>{'n' * 100}: 1 state</title>" in svg
