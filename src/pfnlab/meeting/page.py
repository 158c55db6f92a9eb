"""A meeting as a page of Markdown, readable in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.meeting.holding import KernelDifference
from pfnlab.meeting.meet import Explained, Meeting, switches_between
from pfnlab.policies.known import HeldCount
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import when
from pfnlab.programs.runs.compare import Difference, alarms, differences
from pfnlab.programs.runs.observation import Run
from pfnlab.report import markdown
from pfnlab.report.cells import cell
from pfnlab.units import number_of

#: The most fields of one program that are shown, and the most titles.
_SHOWN, _TITLES = 6, 40


def meeting_page(meeting: Meeting, kernels: Sequence[str]) -> str:
    """The report.

    :param kernels: package and version of each kernel, in the order of the machines that are kernels
    """
    return "\n".join(_lines(meeting, kernels)) + "\n"


def short_name(difference: KernelDifference) -> str:
    """A difference in two words: operation and field."""
    return f"{difference.signature.op}: {difference.signature.field or difference.signature.kind}"


def held_table(held: dict[str, HeldCount]) -> str:
    """The counts of each kind of programs that were compared, a row each."""
    rows = [
        (
            name,
            str(count.programs) if count.programs else "-",
            str(count.steps),
            str(count.undecided),
            str(count.differences),
        )
        for name, count in held.items()
    ]
    return markdown.table(("held", "programs", "steps", "undecided", "differ"), rows)


def _lines(meeting: Meeting, kernels: Sequence[str]) -> Iterator[str]:
    first, second = meeting.machines
    yield f"# {second} against {first}"
    yield ""
    yield from (f"- {kernel}" for kernel in kernels)
    yield ""
    yield held_table(meeting.held)
    amount = f"{number_of(meeting.programs, 'program')}, {number_of(meeting.steps, 'step')}"
    if not meeting.differs:
        yield f"No difference in {amount}."
    else:
        unstable_text = f", and {len(meeting.unstable)} that did not show again" if meeting.unstable else ""
        count_text = number_of(len(meeting.found), "difference")
        causes = f" of {number_of(len(meeting.causes), 'cause')}" if meeting.causes else ""
        yield f"{count_text}{causes} in {amount}, {meeting.unexplained} unexplained{unstable_text}."
    for number, cause in enumerate(meeting.causes, 1):
        head, *others = (meeting.found[place] for place in cause)
        yield from _difference(number, head)
        if others:
            yield f"- of the same cause: {'; '.join(short_name(other.difference) for other in others)}"
    if first.startswith("qemu:"):
        changes = switches_between(meeting.against, meeting.version)
        yield ""
        yield "## What distinguishes their models"
        yield ""
        yield from (f"- {change}" for change in changes or ["nothing: both have the same rules"])
    if meeting.unstable:
        yield ""
        yield "## What did not show again"
        yield ""
        yield from (f"- {difference}" for difference in meeting.unstable)
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


def _difference(number: int, explained: Explained) -> Iterator[str]:
    difference = explained.difference
    yield ""
    yield f"## {number}. {short_name(difference)}"
    yield ""
    yield from (f"    {line}" for line in format_program(difference.program).splitlines() if line)
    yield ""
    yield from field_lines(difference, _SHOWN)
    yield shown_by(difference)
    for explanation in explained.explanations[:3]:
        yield f"- explained by {explanation}"
    if not explained.explanations:
        yield "- UNEXPLAINED: no switch, and no two of them, make the model do this"


def shown_by(difference: KernelDifference) -> str:
    """The first names of the programs that show a difference."""
    names = difference.shown_by[:4]
    rest = len(difference.shown_by) - len(names)
    return f"- shown by {', '.join(names)}" + (f" and {rest} more" if rest else "")


def field_lines(difference: KernelDifference, most: int) -> Iterator[str]:
    """What each machine saw in the smallest program of a difference, field by field, and its alarms.

    :param most: the most fields
    """
    fields = differences(difference.runs)
    for field in fields[:most]:
        yield from _field(field, difference.runs)
    yield from (
        f"- {item.machine} raised an alarm {when(item.alarm)}: {item.alarm.kind}, {item.alarm.title}"
        for item in alarms(difference.runs)
    )
    if not fields and difference.signature.field:
        # A message that is printed once a boot is compared by itself.
        yield f"- {difference.signature}"
    if len(fields) > most:
        yield f"- and {number_of(len(fields) - most, 'field')} more"
    yield from (
        f"- {run.machine} is {run.unfinished}"
        for run in difference.runs
        if run.unfinished is not None and run.alarm is None
    )


def _field(field: Difference, runs: Sequence[Run]) -> Iterator[str]:
    """The lines of each machine in a field; except for events, without lines that the other has too."""
    yield f"- step {field.step + 1} `{field.op}`, {field.field}:"
    cells = {
        run.machine: cell(run.steps[field.step], field.field) for run in runs if field.step < len(run.steps)
    }
    for machine, lines in cells.items():
        lines_elsewhere = [
            line for name, other_lines in cells.items() if name != machine for line in other_lines
        ]
        shown_lines = (
            lines if field.field == "events" else [line for line in lines if line not in lines_elsewhere]
        )
        yield f"  - {machine}: `{'; '.join(shown_lines) or '-'}`"
