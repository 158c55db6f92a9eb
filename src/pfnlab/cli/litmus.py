"""``pfnlab litmus`` and ``pfnlab new``: programs to look at, and programs to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pfnlab.errors import Misuse
from pfnlab.files import cannot_write, write_whole
from pfnlab.programs.lang.library import library_programs
from pfnlab.programs.lang.load import read_program_text


def show_litmus(names: Sequence[str]) -> int:
    """Print the texts, one below the other."""
    for number, path in enumerate(library_programs(names)):
        if number:
            print()
        print(read_program_text(path), end="")
    return 0


def copy_litmus(names: Sequence[str], folder: Path, *, force: bool) -> int:
    """Copy programs to *folder*, and print where they are. Nothing is copied where one may not be.

    :raises Misuse: a file is there already
    """
    sources = {folder / path.name: path for path in library_programs(names)}
    _check_free(list(sources), "name another folder with --to", force=force)
    texts = {target: read_program_text(source) for target, source in sources.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as trouble:
        raise cannot_write(folder, trouble, "name another folder with --to") from trouble
    for target, text in texts.items():
        _write(target, text)
        print(target)
    return 0


def new_program(file: Path | None, *, force: bool) -> int:
    """Write the template to *file*, or print it.

    :raises Misuse: the file is there already
    """
    text = files("pfnlab.programs.lang").joinpath("template.pfn").read_text(encoding="utf-8")
    if file is None:
        print(text, end="")
        return 0
    _check_free([file], "name another file", force=force)
    _write(file, text)
    print(f"{file} written; run it: pfnlab run {file}")
    return 0


def _check_free(targets: Sequence[Path], instead: str, *, force: bool) -> None:
    there = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if there and not force:
        are = "is" if len(there) == 1 else "are"
        raise Misuse(f"{', '.join(there)} {are} there already: {instead}, or add --force")


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, text)
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
