"""Runs as Markdown, for a mail or an issue: a table of programs, and a block for each one to look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pfnlab.report.inert import in_fence, in_markdown
from pfnlab.report.run_result import RunResult, by_weight, counts


def run_markdown(
    results: Sequence[RunResult], table: Callable[[RunResult], str], *, full: bool = False
) -> str:
    """The page.

    :param table: the whole report on one program
    :param full: the reports of all programs, not only of those to look at
    """
    parts = []
    if len(results) != 1:
        lines = ["| program | result | |", "| --- | --- | --- |"]
        lines += [
            f"| {in_markdown(result.name)} | {result.status.value} | {in_markdown(result.why)} |"
            for result in by_weight(results)
        ]
        machines = dict.fromkeys(machine for result in results for machine in result.machines)
        head = f"On {', '.join(map(in_markdown, machines))}, {counts(results)}."
        parts.append("\n".join([head, "", *lines, ""]))
    for result in by_weight(results):
        if full or len(results) == 1 or not result.status.is_good:
            parts.append(f"## {in_markdown(result.name)}: {result.status.value}\n\n{in_fence(table(result))}")
    return "\n".join(parts)
