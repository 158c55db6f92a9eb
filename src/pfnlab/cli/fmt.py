"""``pfnlab fmt``: program files in their canonical form."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from pfnlab.errors import Misuse
from pfnlab.files import cannot_write, check_regular
from pfnlab.programs.lang.layout import format_text
from pfnlab.programs.lang.load import read_program_text
from pfnlab.programs.library import STDIN, program_paths, read_stdin


def format_programs(words: Sequence[str], *, check: bool) -> int:
    """Rewrite files in place, standard input to standard output.

    :param words: files, folders and patterns; names too where nothing is written
    :param check: write nothing and return 1 when a file is not in its canonical form
    """
    status = 0
    for path in program_paths(words, names=check):
        text = _read(path)
        if text.lstrip().startswith("{"):
            raise Misuse(f"{path} is a program in JSON: fmt lays out the text form")
        formatted = format_text(text, str(path))
        if check:
            if formatted != text:
                print(f"{path} would be rewritten")
                status = 1
        elif path == STDIN:
            sys.stdout.write(formatted)
        elif formatted != text:
            _write(path, formatted)
    return status


def _read(path: Path) -> str:
    if path != STDIN:
        return read_program_text(path).replace("\r\n", "\n")
    return read_stdin()


def _write(path: Path, text: str) -> None:
    # A pipe could be read, and writing into one may wait for ever.
    check_regular(path, "program")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
