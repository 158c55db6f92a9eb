"""Write a commented program to start from, ready to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import ForceOf, Option, Request, Say


class NewRequest(Request, frozen=True, kw_only=True):
    file: Annotated[
        Path | None, Option("Write the program there. Default: print it.", "FILE", positional=True)
    ] = None
    force: ForceOf = False


def perform(request: NewRequest, say: Say) -> Iterator[PlainText]:
    """Return its text, or its path; Misuse if the file exists, or cannot be written."""
    from importlib.resources import files

    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.inert import shell_path, visible_name

    text = files("pfnlab.programs.lang").joinpath("template.pfn").read_text(encoding="utf-8")
    if request.file is None:
        yield PlainText(text)
        return
    check_free([request.file], "name another file", force=request.force)
    with writing(request.file):
        write_whole(request.file, text)
    written = f"{visible_name(request.file)} written"
    yield PlainText.line(f"{written}; run it: pfnlab run {shell_path(request.file)}")


def check_free(targets: Iterable[Path], instead: str, *, force: bool) -> None:
    """Refuse to overwrite any of *targets*: Misuse, which names an alternative."""
    there = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if there and not force:
        exist = "exists" if len(there) == 1 else "exist"
        raise Misuse(f"{', '.join(there)} already {exist}: {instead}, or add --force")
