"""The small programs that come with pfnlab, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import AsJson, ForceOf, LibraryNames, Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.programs.lang.library_list import LibraryList


VERBS = ("list", "show", "copy")


class LitmusRequest(Request, frozen=True, kw_only=True):
    """Every program: its name and its question, by section."""

    grep: Annotated[str | None, Option("Only those with this word in name, question or text.", "WORD")] = None
    section: Annotated[str | None, Option("Only those of one section, as Unmapping or vfio.", "S")] = None
    as_json: AsJson = False


def perform_list(request: LitmusRequest, say: Say) -> Iterator[LibraryList]:
    """The programs that were asked for; Misuse if there is no such section, or none (JSON may say none)."""
    from pfnlab.base.units import number_of
    from pfnlab.programs.lang.library_list import LibraryList, chosen_entries

    entries = chosen_entries(request.grep, request.section)
    if not entries and not request.as_json:
        raise Misuse(f"no program has {request.grep!r} in it: `pfnlab litmus list` has all")
    yield LibraryList(programs=tuple(entries))
    if not request.as_json:
        say(f"{number_of(len(entries), 'program')}; pfnlab run NAME, pfnlab litmus show NAME")


class LitmusShowRequest(Request, frozen=True, kw_only=True):
    """Print the text of programs."""

    names: LibraryNames
    form: Annotated[
        str | None,
        Option("In a form of `pfnlab export`, as c. Default: its text.", "c|kselftest|syz|drgn", ("--as",)),
    ] = None


def perform_show(request: LitmusShowRequest, say: Say) -> Iterator[PlainText]:
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


class CopyRequest(Request, frozen=True, kw_only=True):
    """Copy programs to files of your own, to change them."""

    names: LibraryNames
    to: Annotated[Path, Option("Where to; made where it is missing.", "FOLDER")] = Path()
    force: ForceOf = False


def perform_copy(request: CopyRequest, say: Say) -> Iterator[PlainText]:
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
