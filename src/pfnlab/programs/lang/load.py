"""Programs from files, in any form."""

from __future__ import annotations

from pathlib import Path

from pfnlab.base.errors import ProgramError
from pfnlab.base.files import Unreadable, read_bytes
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.text import parse
from pfnlab.programs.lang.words import MAX_BYTES, TOO_LARGE


def load_program(path: str | Path) -> Program:
    """Read the program in the file at *path*, text or JSON by its content.

    :raises ProgramError: the file cannot be read, or is no correct program
    """
    return load_bytes(_read(Path(path)), str(path))


def program_files(folder: Path) -> dict[str, Path]:
    """The files of programs in *folder* and the folders in it, by name and sorted by it.

    :raises ProgramError: two have one name
    """
    from pfnlab.base.wildcards import searching

    files: dict[str, Path] = {}
    with searching(str(folder)) as search:
        found = search.below(folder, ".pfn")
    for path in sorted(found, key=lambda file: file.stem):
        if (other := files.setdefault(path.stem, path)) is not path:
            raise ProgramError(
                f"there is another program of that name, {other}: rename one", source=str(path)
            )
    return files


def read_program_text(path: Path) -> str:
    """The text of the file at *path*, a correct program or not.

    :raises ProgramError: the file cannot be read, or is no text
    """
    return _decode(_read(path), str(path))


def load_bytes(content: bytes, source: str = "<program>") -> Program:
    """Read a program from the content of a file, text or JSON."""
    if len(content) > MAX_BYTES:
        raise ProgramError(TOO_LARGE, source=source)
    if content.lstrip()[:1] == b"{":
        from pfnlab.programs.lang.json_form import from_json

        return from_json(content, source)
    return load_text(_decode(content, source), source)


def load_text(text: str, source: str = "<program>") -> Program:
    """Read a program from its text form.

    :param source: the name of the text in errors
    :raises ProgramError: at the first place that is wrong
    """
    return parse(text, source)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, "program", MAX_BYTES)
    except Unreadable as trouble:
        raise ProgramError(trouble.reason, source=str(path)) from None


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        if b"\0" in before:
            return before.decode()  # binary rather than badly encoded; the caller says so
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode()) + 1
        raise ProgramError(
            "this is not UTF-8: save the file as UTF-8", source=source, line=line, column=column
        ) from None
