"""Notebooks show tables, in which no word is taken for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
import pytest

import pfnlab as pl
from pfnlab.api.records import records_html
from pfnlab.checker.judging.judge import judged

#: Words that would do something in a page.
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">&amp;"\''

#: The elements and attributes that tables, text and pictures are made of.
_TAGS = {"p", "br", "table", "caption", "thead", "tbody", "tr", "td", "th", "pre", "code", "ul", "li", "span"}
_TAGS |= {"div", "style", "figure", "figcaption", "section", "details", "summary", "h3"}
_DRAWN = {"svg", "g", "title", "desc", "style", "defs", "pattern", "path", "rect", "circle", "text"}
_PLACED = {
    "class",
    "id",
    "d",
    "x",
    "y",
    "cx",
    "cy",
    "r",
    "rx",
    "width",
    "height",
    "fill",
    "opacity",
    "viewbox",
}
_PLACED |= {"tabindex", "scope", "xmlns", "role", "aria-label", "stroke-width", "text-anchor", "patternunits"}
_PLACED |= {"data-part", "data-rule", "data-with", "data-step", "data-machine", "data-row"}


class TagsOfPage(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


def hostile_result() -> pl.RunReport:
    """A result of which title, question, machine, log and reasons are words of somebody else."""
    program = pl.load("pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n")
    result = pl.run(program, ["model:6.1", "model:7.2"])
    steps = tuple(
        msgspec.structs.replace(step, op=HOSTILE, value=HOSTILE, log=(HOSTILE,))
        for step in result.runs[0].steps
    )
    runs = [
        msgspec.structs.replace(run, machine=HOSTILE, kernel=HOSTILE, steps=steps, lost=HOSTILE)
        for run in result.runs
    ]
    named = msgspec.structs.replace(program, title=HOSTILE, asks=HOSTILE)
    return pl.RunReport(judged(named, runs, {HOSTILE: None}))


def test_hostile_words_are_inert() -> None:
    """They are shown as they are, and make no element."""
    page = TagsOfPage(hostile_result()._repr_html_())

    assert page.tags <= _TAGS | _DRAWN
    assert page.attributes <= _PLACED
    assert HOSTILE in page.words


def test_hostile_records_are_inert() -> None:
    """Keys and values."""
    page = TagsOfPage(records_html([{HOSTILE: HOSTILE}], empty=""))

    assert page.tags <= _TAGS
    assert 2 == page.words.count(HOSTILE)


def test_what_is_not_escaped_is_noticed() -> None:
    """The same words without escaping make elements."""
    assert {"script", "img"} <= TagsOfPage(f"<p>{HOSTILE}</p>").tags


def test_a_result_shows_what_differs() -> None:
    """Lit, and with the mark of the terminal."""
    m = pl.machine("model:6.1")
    m.munmap(m.mmap("bar[0:16]", "wc")[4:8])

    shown = pl.run(m, ["model:6.1", "model:7.2"])._repr_html_()

    assert re.search(r'<td class="lit">.*<span class="sign"> &lt;</span>', shown)
    assert "differs: model:6.1 | model:7.2" in TagsOfPage(shown).words


def test_a_machine_shows_its_state_as_a_picture() -> None:
    """The one that `pfnlab draw --step` makes; before the first operation there is none."""
    m = pl.machine("model:6.1")
    before = m._repr_html_()
    m.mmap("bar[0:16]", "wc")

    assert "<svg" not in before
    assert 'data-part="vma:main:a:0"' in m._repr_html_()


def test_a_result_shows_its_story() -> None:
    """With the columns of both machines."""
    m = pl.machine("model:6.1")
    m.munmap(m.mmap("bar[0:16]", "wc")[4:8])

    assert pl.run(m, ["model:6.1", "model:7.2"])._repr_html_().count("<svg") == 1


@pytest.mark.parametrize("words", ["munmap a[4:8]", "bar[0:16] wc", "L1 WC P RW", "model:6.1"])
def test_a_machine_shows_operations_and_state(words: str) -> None:
    """What was done, and what is there now."""
    m = pl.machine("model:6.1")
    m.munmap(m.mmap("bar[0:16]", "wc")[4:8])

    assert words in TagsOfPage(m._repr_html_()).words


def test_a_report_shows_verdicts_and_counterexamples() -> None:
    """A row a property, and each program."""
    words = TagsOfPage(pl.check("model:6.1", "small", 3, "no_leak")._repr_html_()).words

    assert "violated" in words
    assert "a = mmap bar[0:4] wc shared rw" in words


def test_no_differences_are_said() -> None:
    """An empty table would say nothing."""
    m = pl.machine("model:7.2")
    m.look()

    assert "no differences" in pl.diff(m, ["model:7.2", "model:7.3"])._repr_html_()
