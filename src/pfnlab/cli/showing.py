"""How the results of each verb are printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def show(verb: str, request: Any, results: Iterator[Any]) -> None:
    """Print *results* as they come: as JSON where the request says so, else as text.

    A verb without a form of its own prints each result as ``str`` has it.
    """
    match verb:
        case "check":
            from pfnlab.cli.check import show_checks

            show_checks(request, results)
        case "run":
            from pfnlab.cli.run import show_runs

            show_runs(request, results)
        case "kernels meet" | "kernels diff":
            from pfnlab.cli.meet import show_meetings

            show_meetings(request, results)
        case "try":
            from pfnlab.cli.trying import show_trials

            show_trials(request, results)
        case "matrix":
            from pfnlab.cli.matrix import show_cases

            show_cases(request, results)
        case "draw":
            from pfnlab.files import write_output

            for picture in results:
                write_output(request.output, picture.svg)
        case _:
            for result in results:
                print(result.as_json() if getattr(request, "as_json", False) else result)
