"""The output of verbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
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
            from pfnlab.verbs.kernels_meet import Unmet

            for result in results:
                if not isinstance(result, Unmet):
                    _append(request.output, _page(request, result))
        case "try":
            from pfnlab.files import write_output

            for result in results:
                write_output(request.output, _page(request, result))
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


def _page(request: Any, result: Any) -> str:
    """A result as JSON, or as ``pfnlab report`` shows it in a mail."""
    if request.as_json:
        return f"{result.as_json()}\n"
    from pfnlab.document.compose import document_of
    from pfnlab.document.kinds import KINDS
    from pfnlab.document.mail import mail

    return mail(document_of([KINDS[result.form()].part(result)]))


def _append(path: Path | None, text: str) -> None:
    """Print a page, or add it to the file at *path*.

    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    from pfnlab.files import cannot_write

    if path is None:
        print(text, end="")
        return
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
