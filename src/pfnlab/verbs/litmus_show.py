"""Print the text of programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import LibraryNames, Option, Request, Say

EXAMPLES = (
    ("pfnlab litmus show munmap-middle", "The text of a program"),
    ("pfnlab litmus show 'munmap-*'", "Those of several"),
)


class LitmusShowRequest(Request, frozen=True, kw_only=True):
    names: LibraryNames
    form: Annotated[
        str | None,
        Option("In a form of `pfnlab export`, as c. Default: its text.", "c|kselftest|syz|drgn", ("--as",)),
    ] = None


def perform(request: LitmusShowRequest, say: Say) -> Iterator[PlainText]:
    """Each text, with an empty line between two; Misuse if there is no such program or form."""
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import load_program, read_program_text

    for number, path in enumerate(library_programs(request.names)):
        if request.form is None:
            text = read_program_text(path)
        else:
            from pfnlab.export.formats import export, one_text
            from pfnlab.export.subject import Subject

            text = one_text(export(Subject(path.stem, load_program(path)), request.form))
        yield PlainText("\n" * bool(number) + text)
