"""Runs as JUnit XML, the form that continuous integration shows: a test case a program.

A program that is not as it should be is a failure, one that is lost or undecided an error of that type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from pfnlab.base.inert import one_line, visible
from pfnlab.base.result import Outcome
from pfnlab.present.report.run_result import RunResult, asked


def junit(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> str:
    """The document.

    :param table: the whole report on one program, which a failure holds
    """
    bad = [result.verdict.outcome for result in results]
    suite = ElementTree.Element(
        "testsuite",
        name=one_line(f"pfnlab run on {asked(results)}"),
        tests=str(len(results)),
        failures=str(bad.count(Outcome.DISCOVERY)),
        errors=str(bad.count(Outcome.UNDECIDED)),
        skipped="0",
    )
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", name=one_line(result.name), classname="pfnlab.run")
        outcome = result.verdict.outcome
        if outcome is not Outcome.AS_EXPECTED:
            tag = "failure" if outcome is Outcome.DISCOVERY else "error"
            trouble = ElementTree.SubElement(
                case, tag, type=result.status.value, message=one_line(result.why)
            )
            trouble.text = visible(table(result))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'
