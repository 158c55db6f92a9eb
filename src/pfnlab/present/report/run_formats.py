"""Runs of several programs in formats for other tools: JUnit XML and TAP.

In JUnit XML, which CI systems display, an unexpected result is a failure, and a lost or undecided one is
an error of that type. In the Test Anything Protocol (version 14) both are ``not ok``, and the
diagnostics tell them apart.
"""

import json
from collections.abc import Callable, Iterator, Sequence

from pfnlab.base.inert import one_line, tap_description, visible
from pfnlab.base.result import Outcome
from pfnlab.present.report.run_result import (
    compared_machines,
    status_of,
    why_of,
)
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


def tap(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> str:
    """Return the TAP document."""
    return "".join(f"{line}\n" for line in _tap_lines(results, table))


def _tap_lines(results: Sequence[RunResult], table: Callable[[RunResult], str]) -> Iterator[str]:
    yield "TAP version 14"
    yield f"1..{len(results)}"
    yield f"# on {one_line(compared_machines(results))}"
    for number, result in enumerate(results, 1):
        good = result.outcome is Outcome.AS_EXPECTED
        yield f"{'ok' if good else 'not ok'} {number} - {tap_description(result.name)}"
        if good:
            continue
        yield "  ---"
        # A JSON string is also a YAML string.
        yield f"  status: {json.dumps(status_of(result).value)}"
        yield f"  message: {json.dumps(one_line(why_of(result)))}"
        yield f"  machines: {json.dumps(result.machines)}"
        yield "  table: |2"
        for line in visible(table(result)).splitlines():
            yield f"    {line}".rstrip()
        yield "  ..."
