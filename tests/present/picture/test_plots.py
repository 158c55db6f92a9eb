"""Plots: every number is written, labels do not touch, and names go in as text."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise

from pfnlab.diagnosis.inspector.inspection import MemoryRow
from pfnlab.present.picture.plots import bars, lines, memory_strip

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


_BAR, _LABEL = "{http://www.w3.org/2000/svg}rect", "{http://www.w3.org/2000/svg}text"

ROWS = (
    MemoryRow("bar", "0x1000", "0x9000", "BAR 2"),
    MemoryRow("reservation", "0x1000", "0x5000", "reserved", "wc", found=True),
    MemoryRow("free", "0x5000", "0x9000", "not <reserved>"),
)


def test_what_covers_what_is_seen() -> None:
    """The BAR is as wide as both of its parts, which share a border."""
    svg = ElementTree.fromstring(memory_strip("t", ROWS))
    bar, entry, outline, free = (
        (float(rect.attrib["x"]), float(rect.attrib["width"])) for rect in svg.iter(_BAR)
    )

    assert entry == outline
    assert bar[1] == entry[1] + free[1]
    assert free[0] == entry[0] + entry[1]


def test_every_row_has_its_words() -> None:
    """The mode is written, and what was found says so; names go in as text."""
    svg = ElementTree.fromstring(memory_strip("t", ROWS))

    words = [element.text for element in svg.iter(_LABEL)]

    assert ["BAR 2, 32 KiB", "reserved wc, 16 KiB (found)", "not <reserved>, 16 KiB"] == words[:3]
    assert ["0x1000", "0x5000", "0x9000"] == words[3:]


def test_it_needs_no_style_of_its_parts() -> None:
    """A page may refuse those; its sheet has all."""
    assert not [part for part in ElementTree.fromstring(memory_strip("t", ROWS)).iter() if part.get("style")]


def test_names_of_borders_stand_apart() -> None:
    """Of borders side by side not all are named, but always the first and the last."""
    rows = [MemoryRow("free", hex(at << 40), hex((at + 1) << 40), "x") for at in range(20)]
    texts = [text for text in ElementTree.fromstring(memory_strip("t", rows)).iter(_LABEL)][20:]

    def ends(text: ElementTree.Element) -> tuple[float, float]:
        wide = 7.8 * len(text.text or "")
        left = (
            float(text.attrib["x"])
            - {"start": 0, "middle": wide / 2, "end": wide}[text.attrib["text-anchor"]]
        )
        return left, left + wide

    places = sorted(map(ends, texts))
    assert {"0x0", hex(20 << 40)} <= {text.text for text in texts}
    assert all(before[1] <= after[0] for before, after in pairwise(places))


def test_words_stand_above_their_bar() -> None:
    """They begin where it begins, or before it where they would not fit; nothing is beyond the picture."""
    svg = ElementTree.fromstring(memory_strip("t", ROWS))
    width = float(svg.attrib["width"])

    for group in svg.iter("{http://www.w3.org/2000/svg}g"):
        (text,) = group.iter(_LABEL)
        bar = next(group.iter(_BAR))
        assert 0 <= float(text.attrib["x"]) <= float(bar.attrib["x"])
        assert float(text.attrib["x"]) + 7.0 * len(text.text or "") <= width
        assert float(text.attrib["y"]) < float(bar.attrib["y"])
