"""The formats of runs: each keeps to its own grammar, and what others wrote stays text in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from hostile_results import HOSTILE, agreeing, differing, hostile, lost

from pfnlab.report.inert import in_fence, in_html, in_markdown, one_line, visible
from pfnlab.report.run_html import run_html
from pfnlab.report.run_junit import junit
from pfnlab.report.run_markdown import run_markdown
from pfnlab.report.run_result import RunResult
from pfnlab.report.run_tap import tap
from pfnlab.report.table import render

#: What continuous integration reads: the attributes an element must have, and the elements it may hold.
JUNIT = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"testcase"}),
    "testcase": ({"name", "classname"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
}

#: A line of TAP 14 outside diagnostics.
TAP_LINE = re.compile(r"TAP version 14|1\.\.\d+|(not )?ok \d+ - ([^\\#]|\\[\\#])*")

ALL = (agreeing, differing, lost, hostile)


def table(result: RunResult) -> str:
    """The report on one program."""
    return render(result.program, result.runs, result.verdict).plain


def junit_faults(text: str) -> list[str]:
    """Where a document is not as `JUNIT` says; a count that is wrong is a fault too."""
    faults = []
    root = ElementTree.fromstring(text)
    for element in root.iter():
        needed, inside = JUNIT[element.tag]
        faults += [f"{element.tag} lacks {name}" for name in needed - set(element.attrib)]
        faults += [f"{child.tag} in {element.tag}" for child in element if child.tag not in inside]
    for suite in root.iter("testsuite"):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            if int(suite.attrib[attribute]) != sum(1 for _ in suite.iter(tag)):
                faults.append(f"{attribute} is not their number")
    return faults


def tap_faults(text: str) -> list[str]:
    """Where a document breaks the grammar: version, plan, points in order, closed diagnostics."""
    lines = text.splitlines()
    outside, faults, inside = [], [], False
    for line in lines:
        if line == "  ---":
            faults += ["diagnostics without a point"] if not outside or "ok" not in outside[-1] else []
            inside = True
        elif line == "  ...":
            inside = False
        elif inside:
            faults += [f"not indented: {line}"] if line and not line.startswith("  ") else []
        else:
            outside.append(line)
    faults += ["diagnostics are not closed"] if inside else []
    faults += [f"no line of TAP: {line}" for line in outside if not TAP_LINE.fullmatch(line)]
    points = [int(found[1]) for line in outside if (found := re.match(r"(?:not )?ok (\d+)", line))]
    faults += ["no version"] if outside[:1] != ["TAP version 14"] else []
    faults += ["plan and points differ"] if outside[1:2] != [f"1..{len(points)}"] else []
    faults += ["points are not in order"] if points != list(range(1, len(points) + 1)) else []
    return faults


class Tags(HTMLParser):
    """The tags of a page, and those that are not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += [name for name, _ in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()


def results(*makers: Callable[[], RunResult]) -> Sequence[RunResult]:
    """The results of these makers."""
    return [maker() for maker in makers]


def test_junit_keeps_to_its_form() -> None:
    """Whatever came of the programs."""
    assert [] == junit_faults(junit(results(*ALL), table))


def test_a_junit_document_that_is_wrong_is_noticed() -> None:
    """So the check above says something."""
    text = junit(results(differing), table)

    assert ["failures is not their number"] == junit_faults(text.replace('failures="1"', 'failures="0"'))
    assert ["failure lacks type"] == junit_faults(text.replace(' type="differs"', ""))


def test_junit_tells_failures_from_what_is_undecided() -> None:
    """A lost guest is an error: nobody knows."""
    root = ElementTree.fromstring(junit(results(agreeing, differing, lost), table))

    assert [[], ["failure"], ["error"]] == [[inner.tag for inner in case] for case in root.iter("testcase")]
    failure = next(root.iter("failure"))
    assert "munmap a[4:8]" in (failure.text or "")
    assert failure.attrib["message"].startswith("model:6.1 | model:7.2; step 2 munmap a[4:8]: ")


def test_a_hostile_name_comes_out_of_junit_as_it_went_in() -> None:
    """With its control characters written out."""
    root = ElementTree.fromstring(junit(results(hostile), table))

    assert one_line(HOSTILE) == next(root.iter("testcase")).attrib["name"]
    assert [] == list(root.iter("script"))


def test_tap_keeps_to_its_grammar() -> None:
    """Whatever came of the programs, and of none."""
    assert [] == tap_faults(tap(results(*ALL), table))
    assert [] == tap_faults(tap([], table))


@pytest.mark.parametrize(
    ("right", "wrong", "fault"),
    [
        ("1..2", "1..3", "plan and points differ"),
        ("ok 2", "ok 7", "points are not in order"),
        ("  ...\n", "", "diagnostics are not closed"),
        ("TAP version 14\n", "", "no version"),
        ("- middle", "- # SKIP", "no line of TAP: not ok 1 - # SKIP"),
    ],
)
def test_a_tap_document_that_is_wrong_is_noticed(right: str, wrong: str, fault: str) -> None:
    """So the check above says something."""
    text = tap(results(differing, agreeing), table)
    assert right in text

    assert fault in tap_faults(text.replace(right, wrong))


def test_tap_tells_good_from_bad() -> None:
    """What is undecided is not ok."""
    points = [
        line for line in tap(results(agreeing, differing, lost), table).splitlines() if "ok" in line[:6]
    ]

    assert ["ok 1 - same", "not ok 2 - middle", "not ok 3 - cut"] == points


def test_html_has_no_tag_of_a_hostile_name() -> None:
    """Nor a script, a link, or anything that is loaded."""
    page = run_html(results(*ALL), trace=True)
    tags = Tags()

    tags.feed(page)

    assert [] == tags.open
    assert not {"script", "a", "img", "link", "iframe", "svg", "form"} & set(tags.seen)
    assert not [name for name in tags.attributes if name.startswith("on") or name in ("src", "href")]
    assert "&lt;script&gt;" in page
    assert "default-src 'none'" in page


def test_html_marks_what_differs_with_more_than_colour() -> None:
    """The cell ends in the mark that the page explains."""
    page = run_html(results(differing))

    assert re.search(r'<td class="lit">[^<]* &lt;</td>', page)
    assert "&lt; at the end of a cell: not as on the first machine" in page


def test_html_shows_what_is_to_be_looked_at_open() -> None:
    """Of several programs; the others are closed."""
    page = run_html(results(agreeing, differing))

    assert page.index("<details open><summary>middle, differs") < page.index("<details><summary>same, agrees")


def test_markdown_has_no_mark_of_a_hostile_name() -> None:
    """Outside blocks of code no tag, no cell, no link, no second line."""
    page = run_markdown(results(hostile, agreeing), table)
    outside = re.sub(r"^(`{3,})text\n.*?\n\1$", "", page, flags=re.DOTALL | re.MULTILINE)

    assert "<" not in outside
    assert "](" not in outside
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {4} == {len(re.findall(r"(?<!\\)\|", row)) for row in rows}


def test_markdown_shows_only_what_is_to_be_looked_at() -> None:
    """Unless all tables are asked for."""
    some, every = (run_markdown(results(agreeing, differing), table, full=full) for full in (False, True))

    assert (["middle"], ["middle", "same"]) == tuple(
        re.findall(r"^## (\w+)", page, re.M) for page in (some, every)
    )


def test_a_fence_is_longer_than_any_in_its_text() -> None:
    """A text cannot end its block."""
    assert "`````text\na\n````\nb\n`````\n" == in_fence("a\n````\nb\n")


def test_control_characters_are_written_out() -> None:
    """Also what turns the direction of writing; ends of lines stay."""
    assert "\\x1b[2J\\u202e\\ud800\nx" == visible("\x1b[2J\u202e\ud800\nx")


def test_one_line_is_one() -> None:
    """In Markdown and in HTML."""
    assert "a b" == one_line("a\r\n\nb".replace("\r", ""))
    assert "\n" not in in_markdown(HOSTILE)
    assert "<" not in in_html(HOSTILE)
