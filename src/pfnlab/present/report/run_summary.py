"""Several programs in a few lines: a line each, what differs first, and how many came to what."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.base.inert import one_line
from pfnlab.present.report.run_result import RunResult, RunStatus, asked, by_weight, counts
from pfnlab.present.report.styled import StyledText
from pfnlab.present.report.table import FAILED, LIT

_STYLES = {
    RunStatus.DIFFERS: LIT,
    RunStatus.ALARM: FAILED,
    RunStatus.UNEXPECTED: FAILED,
    RunStatus.VIOLATES: FAILED,
    RunStatus.LOST: FAILED,
    RunStatus.UNDECIDED: FAILED,
}


def summary_text(results: Sequence[RunResult], *, wrong_only: bool = False) -> StyledText:
    """The summary: status, name and what is to be looked at, then the machines and the counts.

    :param wrong_only: leave out what is as it should be, and all where nothing is wrong
    """
    shown = [result for result in by_weight(results) if not (wrong_only and result.status.is_good)]
    text = StyledText()
    if wrong_only and not shown:
        return text
    status_width = max((len(result.status.value) for result in shown), default=0)
    name_width = max((len(one_line(result.name)) for result in shown), default=0)
    for result in shown:
        line = StyledText(result.status.value.ljust(status_width), _STYLES.get(result.status, ""))
        line.append(f"   {one_line(result.name).ljust(name_width)}   {one_line(result.why)}", "")
        line.rstrip()
        text.add(line)
        text.append("\n")
    text.append(f"on {one_line(asked(results))}, {counts(results)}\n")
    return text
