"""Runs of several programs as JUnit XML, which CI systems display.

An unexpected result is a failure, and a lost or undecided one is an error of that type.
"""

from collections.abc import Callable, Sequence

from pfnlab.base.inert import one_line, visible
from pfnlab.base.result import Outcome
from pfnlab.present.report.run_result import compared_machines, status_of, why_of
from pfnlab.programs.runs.compared import RunResult


def junit(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> str:
    """Return the JUnit XML document."""
    from xml.etree import ElementTree

    bad = [result.outcome for result in results]
    suite = ElementTree.Element(
        "testsuite",
        name=one_line(f"pfnlab run on {compared_machines(results)}"),
        tests=str(len(results)),
        failures=str(bad.count(Outcome.DISCOVERY)),
        errors=str(bad.count(Outcome.UNDECIDED)),
        skipped="0",
    )
    for result in results:
        case = ElementTree.SubElement(suite, "testcase", name=one_line(result.name), classname="pfnlab.run")
        outcome = result.outcome
        if outcome is not Outcome.AS_EXPECTED:
            tag = "failure" if outcome is Outcome.DISCOVERY else "error"
            fault = ElementTree.SubElement(
                case, tag, type=status_of(result).value, message=one_line(why_of(result))
            )
            fault.text = visible(table(result))
    suites = ElementTree.Element("testsuites")
    suites.append(suite)
    ElementTree.indent(suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(suites, encoding="unicode")}\n'
