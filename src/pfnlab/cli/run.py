"""The output of ``pfnlab run``."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.cli.run_output import OutputFormat, RunOutput, format_named, print_results
from pfnlab.errors import Misuse
from pfnlab.report.run_result import RunResults
from pfnlab.verbs.run import RunRequest


def show_runs(request: RunRequest, results: Iterable[RunResults]) -> None:
    """Print the results, or write them to a file.

    :raises Misuse: options of the output contradict each other
    """
    if request.as_json and request.form not in (None, OutputFormat.JSON):
        raise Misuse(f"--json is --format json: leave it or --format {request.form} out")
    output = RunOutput(
        format=OutputFormat.JSON if request.as_json else format_named(request.form or OutputFormat.TEXT),
        steps=request.steps,
        trace=request.trace,
        full=request.full,
        quiet=request.quiet,
        file=request.output,
    )
    output.check()
    for found in results:
        print_results(found.of_programs, output)
