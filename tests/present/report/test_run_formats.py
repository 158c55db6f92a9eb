"""The formats of runs: each keeps to its own grammar, and what others wrote stays text in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from for_each import for_each
from hostile_results import HOSTILE, agreeing, differing, hostile, lost, undecided

from pfnlab.base.inert import one_line, visible
from pfnlab.present.document.run_table import run_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.present.report.run_formats import junit, tap
from pfnlab.programs.runs.compared import RunResult

#: What continuous integration reads: the attributes an element must have, and the elements it may hold.
JUNIT = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"testcase"}),
    "testcase": ({"name", "classname"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
}

#: A line of TAP 14 outside diagnostics.
TAP_LINE = re.compile(r"TAP version 14|1\.\.\d+|# .*|(not )?ok \d+ - ([^\\#]|\\[\\#])*")

ALL = (agreeing, differing, lost, undecided, hostile)


def table(result: RunResult) -> str:
    """The report on one program."""
    return text_of(run_blocks(result), 100)


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
    """A lost guest is an error, and so is what no machine decides; the type says which."""
    root = ElementTree.fromstring(junit(results(agreeing, differing, lost, undecided), table))

    assert ["lost", "undecided"] == [error.attrib["type"] for error in root.iter("error")]
    assert [[], ["failure"], ["error"], ["error"]] == [
        [inner.tag for inner in case] for case in root.iter("testcase")
    ]
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


@for_each(
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
    """What is lost or undecided is not ok, and says which."""
    lines = tap(results(agreeing, differing, lost, undecided), table).splitlines()

    points = [line for line in lines if "ok" in line[:6]]
    assert ["ok 1 - same", "not ok 2 - middle", "not ok 3 - cut", "not ok 4 - no rule"] == points
    stated = [line.strip() for line in lines if line.startswith("  status: ")]
    assert ['status: "differs"', 'status: "lost"', 'status: "undecided"'] == stated


def test_control_characters_are_written_out() -> None:
    """Also what turns the direction of writing; ends of lines stay."""
    assert "\\x1b[2J\\u202e\\ud800\nx" == visible("\x1b[2J\u202e\ud800\nx")


def test_one_line_is_one() -> None:
    """Ends of lines become spaces."""
    assert "a b" == one_line("a\n\nb")


@for_each("char", ["\u200b", "\u2066", "\ufeff", "\u00ad", "\U000e0041"])
def test_what_has_no_width_is_written_out(char: str) -> None:
    """A name that only looks like another is told from it."""
    assert char not in visible(f"a{char}b")
