"""The report of a trial: Markdown, short enough to be pasted under a cover letter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.meeting.page import field_lines, held_table, short_name, shown_by
from pfnlab.meeting.trial import Trial, TriedCause, headline, titles_of
from pfnlab.programs.lang.printer import format_program
from pfnlab.units import number_of

#: The most causes that are shown with their programs, fields of a program, and other operations of a cause.
_CAUSES, _FIELDS, _OTHERS = 8, 4, 8


def trial_page(trial: Trial, tree: str, built: str, patches: Sequence[PatchFile], command: str) -> str:
    """The report.

    :param tree: the tree as the user named it
    :param built: what the kernel was built of, in a line
    :param command: what prints it again
    """
    return "\n".join(_lines(trial, tree, built, patches, command)) + "\n"


def _lines(trial: Trial, tree: str, built: str, patches: Sequence[PatchFile], command: str) -> Iterator[str]:
    yield f"# {tree} against {trial.model}"
    yield ""
    yield headline(trial)
    yield ""
    yield f"- kernel: {built}"
    yield from (f"- patch: {title}" for title in titles_of(patches))
    if trial.policies:
        yield f"- said to be: {', '.join(trial.policies)}"
    yield f"- again: `{command}`"
    if trial.causes:
        yield from _causes(trial.causes, f"What it does otherwise than {trial.model}")
    if trial.meant:
        yield from _causes(trial.meant, f"What {', '.join(trial.policies)} changes")
    if trial.policies:
        yield from ("", "## Properties that change their verdict", "")
        yield from (f"- {verdict}" for verdict in trial.verdicts or ["none"])
    if trial.unstable:
        yield from ("", "## What did not show again", "")
        yield from (f"- {difference}" for difference in trial.unstable[:_OTHERS])
    yield from ("", "## What was compared", "")
    yield "Whole state, order of kernel calls and flushes, after every step."
    yield ""
    yield held_table(trial.held).rstrip("\n")
    if trial.undecided:
        yield ""
        amount = number_of(trial.undecided, "program")
        yield f"{amount} undecided: the model has no rule, or the kernel lacks something."


def _causes(causes: Sequence[TriedCause], title: str) -> Iterator[str]:
    yield from ("", f"## {title}")
    for number, cause in enumerate(causes[:_CAUSES], 1):
        yield from _cause(number, cause)
    if len(causes) > _CAUSES:
        yield from ("", f"And {number_of(len(causes) - _CAUSES, 'cause')} more.")


def _cause(number: int, cause: TriedCause) -> Iterator[str]:
    first, *others = cause.differences
    yield from ("", f"### {number}. {short_name(first)}", "")
    yield from (f"    {line}" for line in format_program(first.program).splitlines() if _is_shown(line))
    yield ""
    yield from field_lines(first, _FIELDS)
    yield shown_by(first)
    if cause.explanation is not None:
        yield f"- the model does the same with {cause.explanation}"
    names = list(dict.fromkeys(short_name(other) for other in others))
    if names:
        rest = f" and {len(names) - _OTHERS} more" if len(names) > _OTHERS else ""
        yield f"- the same cause: {'; '.join(names[:_OTHERS])}{rest}"


def _is_shown(line: str) -> bool:
    """Whether a line of a program is one of its own: a random program's title says nothing."""
    return bool(line) and not line.startswith(("title ", "asks "))
