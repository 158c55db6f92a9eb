"""Copy programs to files of your own, to change them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import ForceOf, LibraryNames, Option, Request, Say

EXAMPLES = (
    ("pfnlab litmus copy munmap-middle", "A file of one's own to change, here"),
    ("pfnlab litmus copy fork --to mine", "All programs about fork, into a folder"),
)


class CopyRequest(Request, frozen=True, kw_only=True):
    names: LibraryNames
    to: Annotated[Path, Option("Where to; made where it is missing.", "FOLDER")] = Path()
    force: ForceOf = False


def perform(request: CopyRequest, say: Say) -> Iterator[PlainText]:
    """The files that were written, each once it is; Misuse if there is no such program, or one is there."""
    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.path_walk import make_folder
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import read_program_text
    from pfnlab.verbs.new import check_free

    instead = "name another folder with --to"
    sources = {request.to / path.name: path for path in library_programs(request.names)}
    check_free(sources, instead, force=request.force)
    texts = {target: read_program_text(source) for target, source in sources.items()}
    with writing(request.to, instead):
        make_folder(request.to)
    for target, text in texts.items():
        with writing(target):
            write_whole(target, text)
        yield PlainText.line(str(target))
