"""A meeting as a page of Markdown, readable in a terminal, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pfnlab.meeting.meet import Explained, Meeting, switches_between
from pfnlab.policies.known import HeldCount
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.observation import Run
from pfnlab.report import markdown
from pfnlab.report.cells import cell
from pfnlab.units import number_of

#: How many fields of one program are shown, and how many titles.
_SHOWN, _TITLES = 6, 40


def meeting_page(meeting: Meeting, kernels: Sequence[str]) -> str:
    """The report.

    :param kernels: package and version of each kernel, in the order of the machines that are kernels
    """
    return "\n".join(_lines(meeting, kernels)) + "\n"


def meeting_object(meeting: Meeting, kernels: Sequence[str]) -> dict[str, Any]:
    """The same as data, for ``--json``."""
    return {
        "format": "pfnlab-meeting/1",
        "machines": list(meeting.machines),
        "kernels": list(kernels),
        "held": msgspec.to_builtins(meeting.held),
        "differences": [
            {
                "says": str(one.difference.signature),
                "shown_by": list(one.difference.shown_by),
                "program": format_program(one.difference.program),
                "explanations": [
                    {"changes": list(each.changes), "sources": list(each.sources)}
                    for each in one.explanations
                ],
            }
            for one in meeting.found
        ],
        "unexplained": meeting.unexplained,
        "unstable": list(meeting.unstable),
        "since": meeting.since,
        "titles": list(meeting.titles),
        "verdicts": list(meeting.verdicts),
    }


def held_table(held: dict[str, HeldCount]) -> str:
    """What was compared, a row each."""
    rows = [
        (
            name,
            str(one.programs) if one.programs else "-",
            str(one.steps),
            str(one.undecided),
            str(one.differences),
        )
        for name, one in held.items()
    ]
    return markdown.table(("held", "programs", "steps", "undecided", "differ"), rows)


def _lines(meeting: Meeting, kernels: Sequence[str]) -> Iterator[str]:
    one, other = meeting.machines
    yield f"# {other} against {one}"
    yield ""
    yield from (f"- {kernel}" for kernel in kernels)
    yield ""
    yield held_table(meeting.held)
    compared = f"{number_of(meeting.programs, 'program')}, {number_of(meeting.steps, 'step')}"
    if not meeting.differs:
        yield f"No difference in {compared}."
    else:
        once = f", and {len(meeting.unstable)} that did not show again" if meeting.unstable else ""
        stable = number_of(len(meeting.found), "difference")
        yield f"{stable} in {compared}, {meeting.unexplained} unexplained{once}."
    by_size = sorted(meeting.found, key=lambda found: len(found.difference.program.ops))
    for number, found in enumerate(by_size, 1):
        yield from _difference(number, found)
    if one.startswith("qemu:"):
        changes = switches_between(meeting.against, meeting.version)
        yield ""
        yield "## What distinguishes their models"
        yield ""
        yield from (f"- {change}" for change in changes or ["nothing: both have the same rules"])
    if meeting.unstable:
        yield ""
        yield "## What did not show again"
        yield ""
        yield from (f"- {one}" for one in meeting.unstable)
    if meeting.verdicts:
        yield ""
        yield "## Properties that change their verdict"
        yield ""
        yield from (f"- {verdict}" for verdict in meeting.verdicts)
    if meeting.titles:
        yield ""
        yield f"## Commits of stable releases since {meeting.since} that touch the area"
        yield ""
        yield from (f"- {title}" for title in meeting.titles[:_TITLES])
        if len(meeting.titles) > _TITLES:
            yield f"- and {len(meeting.titles) - _TITLES} more"


def _difference(number: int, found: Explained) -> Iterator[str]:
    difference = found.difference
    yield ""
    yield f"## {number}. {difference.signature.op}: {difference.signature.field or difference.signature.kind}"
    yield ""
    yield from (f"    {line}" for line in format_program(difference.program).splitlines() if line)
    yield ""
    fields = differences(difference.runs)
    for field in fields[:_SHOWN]:
        yield from _field(field, difference.runs)
    if not fields:
        # A message that is printed once a boot is compared by itself.
        yield f"- {difference.signature}"
    if len(fields) > _SHOWN:
        yield f"- and {number_of(len(fields) - _SHOWN, 'field')} more"
    yield from (f"- {run.machine} was lost: {run.lost}" for run in difference.runs if run.lost is not None)
    some = difference.shown_by[:4]
    more = len(difference.shown_by) - len(some)
    yield f"- shown by {', '.join(some)}" + (f" and {more} more" if more else "")
    for explanation in found.explanations[:3]:
        yield f"- explained by {explanation}"
    if not found.explanations:
        yield "- UNEXPLAINED: no switch, and no two of them, make the model do this"


def _field(field: Difference, runs: Sequence[Run]) -> Iterator[str]:
    """What each machine saw in a field; of lists that have places only what the other does not have."""
    yield f"- step {field.step + 1} `{field.op}`, {field.field}:"
    seen = {
        run.machine: cell(run.steps[field.step], field.field) for run in runs if field.step < len(run.steps)
    }
    for machine, lines in seen.items():
        others = [line for name, other in seen.items() if name != machine for line in other]
        own = lines if field.field == "events" else [line for line in lines if line not in others]
        yield f"  - {machine}: `{'; '.join(own) or '-'}`"
