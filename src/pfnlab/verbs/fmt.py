"""Rewrite program files in canonical form.

Exit codes: 0 written, or nothing to change; 1 a file would be rewritten; 2 a file is not a program.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.programs.lang.problems import FmtResult


class FmtRequest(Request, frozen=True, kw_only=True):
    gradual = True

    programs: Annotated[
        tuple[str, ...],
        Option("Files, folders or patterns; - is standard input.", "PROGRAM", positional=True),
    ]
    check: Annotated[bool, Option("Change nothing; print problems as FILE:LINE:COLUMN: MESSAGE.")] = False
    form: Annotated[
        str | None,
        Option("Output format of --check. Default: text.", "text|json|github", ("--format",), needs="check"),
    ] = None


def perform(request: FmtRequest, say: Say) -> Iterator[FmtResult | PlainText]:
    """Rewrite files in place, and standard input to the output; with --check, write nothing.

    Names from the library are accepted too if nothing is written.

    :raises Misuse: if a file cannot be written
    :raises ProgramError: if a file to rewrite is not a program
    """
    from pfnlab.base.files import check_regular, write_whole, writing
    from pfnlab.base.progress import working
    from pfnlab.programs.lang.library import STDIN, program_paths
    from pfnlab.programs.lang.problems import FmtResult, format_text, problems_of

    paths = program_paths(request.programs, names=request.check)
    if request.check:
        problems = []
        with working("checking programs", len(paths)) as work:
            for path in paths:
                problems += problems_of(_text(path), str(path))
                work.advance()
        yield FmtResult(problems=tuple(problems))
        return
    for path in paths:
        text = _text(path)
        formatted = format_text(text, str(path))
        if path == STDIN:
            yield PlainText(formatted)
        elif formatted != text:
            # Reading from a pipe works, but writing to one may block forever.
            check_regular(path, "program")
            with writing(path):
                write_whole(path, formatted)


def _text(path: Path) -> str:
    from pfnlab.programs.lang.library import STDIN, read_stdin
    from pfnlab.programs.lang.load import read_program_text

    text = read_stdin() if path == STDIN else read_program_text(path).replace("\r\n", "\n")
    if text.lstrip().startswith("{"):
        raise Misuse(f"{path} is a program in JSON: fmt formats programs in text form")
    return text
