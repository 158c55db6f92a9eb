"""The library of small programs, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AsJson, ForceOf, LibraryNames, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.programs.lang.library_list import LibraryList


VERBS = ("list", "show", "copy", "new")


class LitmusRequest(Request, frozen=True, kw_only=True):
    """List the programs in the library by section, each with its name and question."""

    grep: Annotated[
        str | None, Option("Show only programs with this word in their name, question or text.", "WORD")
    ] = None
    section: Annotated[
        str | None, Option("Show only programs in one section, e.g. Unmapping or vfio.", "S")
    ] = None
    as_json: AsJson = False


def perform_list(request: LitmusRequest, say: Say) -> Iterator[LibraryList]:
    """List the matching programs; Misuse if the section is unknown, or nothing matches (JSON: empty list)."""
    from pfnlab.base.units import number_of
    from pfnlab.programs.lang.library_list import LibraryList, chosen_entries

    entries = chosen_entries(request.grep, request.section)
    if not entries and not request.as_json:
        raise Misuse(f"no program contains {request.grep!r}: `pfnlab litmus list` lists all")
    yield LibraryList(programs=tuple(entries))
    if not request.as_json:
        say(f"{number_of(len(entries), 'program')}; pfnlab run NAME, pfnlab litmus show NAME")


class LitmusShowRequest(Request, frozen=True, kw_only=True):
    """Print the text of programs."""

    names: LibraryNames


def perform_show(request: LitmusShowRequest, say: Say) -> Iterator[PlainText]:
    """Yield the texts, separated by empty lines; Misuse if there is no such program."""
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import read_program_text

    for number, path in enumerate(library_programs(request.names)):
        yield PlainText("\n" * bool(number) + read_program_text(path))


class CopyRequest(Request, frozen=True, kw_only=True):
    """Copy programs into this or another folder, to change them."""

    gradual = True

    names: LibraryNames
    to: Annotated[Path, Option("Folder to copy to; created if missing.", "FOLDER")] = Path()
    force: ForceOf = False


def perform_copy(request: CopyRequest, say: Say) -> Iterator[PlainText]:
    """Yield each file once it is written; Misuse if a program does not exist, or a file already does."""
    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.path_walk import make_folder
    from pfnlab.programs.lang.library import library_programs
    from pfnlab.programs.lang.load import read_program_text

    instead = "name another folder with --to"
    sources = {request.to / path.name: path for path in library_programs(request.names)}
    _check_free(sources, instead, force=request.force)
    texts = {target: read_program_text(source) for target, source in sources.items()}
    with writing(request.to, instead):
        make_folder(request.to)
    for target, text in texts.items():
        with writing(target):
            write_whole(target, text)
        yield PlainText.line(str(target))


class NewRequest(Request, frozen=True, kw_only=True):
    """Write a commented program to start from, ready to run."""

    file: Annotated[
        Path | None, Option("File to write the program to. Default: print it.", "FILE", positional=True)
    ] = None
    force: ForceOf = False


def perform_new(request: NewRequest, say: Say) -> Iterator[PlainText]:
    """Return the program's text, or its path; Misuse if the file exists or cannot be written."""
    from importlib.resources import files

    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.inert import shell_path, visible_name

    text = files("pfnlab.programs.lang").joinpath("template.pfn").read_text(encoding="utf-8")
    if request.file is None:
        yield PlainText(text)
        return
    _check_free([request.file], "name another file", force=request.force)
    with writing(request.file):
        write_whole(request.file, text)
    written = f"{visible_name(request.file)} written"
    yield PlainText.line(f"{written}; run it: pfnlab run {shell_path(request.file)}")


def _check_free(targets: Iterable[Path], instead: str, *, force: bool) -> None:
    """Refuse to overwrite any of *targets*: raise Misuse that names an alternative."""
    there = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if there and not force:
        exist = "exists" if len(there) == 1 else "exist"
        raise Misuse(f"{', '.join(there)} already {exist}: {instead}, or add --force")
