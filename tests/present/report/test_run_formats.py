"""JUnit XML of runs: it keeps to its grammar, and what others wrote stays text in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from for_each import for_each
from hostile_results import HOSTILE, agreeing, differing, hostile, lost, undecided

from pfnlab.base.inert import one_line, visible
from pfnlab.present.document.run_table import run_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.present.report.run_formats import junit
from pfnlab.programs.runs.compared import RunResult

#: What continuous integration reads: the attributes an element must have, and the elements it may hold.
JUNIT = {
    "testsuites": (set(), {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped"}, {"testcase"}),
    "testcase": ({"name", "classname"}, {"failure", "error", "skipped"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
}

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
