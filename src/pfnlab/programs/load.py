"""From a file to a program, whichever form it has."""

from __future__ import annotations

from pathlib import Path

from pfnlab.errors import ProgramError
from pfnlab.programs.ops import Program
from pfnlab.programs.text import parse
from pfnlab.programs.words import MAX_BYTES, TOO_LARGE


def load_program(path: str | Path) -> Program:
    """Read the program in the file at *path*, text or JSON by its content.

    :raises ProgramError: the file cannot be read, or is no correct program
    """
    return load_bytes(_read(Path(path)), str(path))


def load_bytes(content: bytes, source: str = "<program>") -> Program:
    """Read a program from the content of a file, text or JSON."""
    if len(content) > MAX_BYTES:
        raise ProgramError(TOO_LARGE, source=source)
    if content.lstrip()[:1] == b"{":
        from pfnlab.programs.form import from_json

        return from_json(content, source)
    return load_text(_decode(content, source), source)


def load_text(text: str, source: str = "<program>") -> Program:
    """Read a program from its text form.

    :param source: what to call the text in errors
    :raises ProgramError: at the first place that is wrong
    """
    return parse(text, source)


def _read(path: Path) -> bytes:
    """The content of the file, at most one byte more than a program may have."""
    source = str(path)
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ProgramError("there is no such file: check the path", source=source) from None
    except IsADirectoryError:
        raise ProgramError("this is a directory: name a program file in it", source=source) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ProgramError(f"the file cannot be read: {reason}", source=source) from None


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
