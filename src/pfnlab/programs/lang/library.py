"""Programs by name: those in ``litmus/``, which come with pfnlab, and a user's own files.

In a wheel, the former are package data (``pfnlab/litmus``); in a checkout, they are in the folder
``litmus`` next to ``src``: see :mod:`pfnlab.programs.lang.library_list`. Every lookup of a program
goes through this module.
"""

import glob
import os
import re
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import near_words
from pfnlab.programs.lang.library_list import FOLDER, library_folder
from pfnlab.programs.lang.load import load_bytes, load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.words import MAX_BYTES

#: The word for standard input in a list of files.
STDIN = Path("-")

#: The word for all programs that come with pfnlab.
ALL = "@all"

#: The suffix of program files.
SUFFIX = ".pfn"

_HERE = Path()

#: Words that are paths whether or not such a file exists.
_PATH = re.compile(r"^(/|\.\.?/|~)|\.(pfn|json)$")


def library_paths() -> tuple[Path, ...]:
    """The files of all programs that come with pfnlab, sorted by folder and name."""
    return _paths(library_folder())


def find_program(name: str) -> Path:
    """The file of the program called *name*, which is the file's stem, with its folder if
    two files have that stem.

    :raises Misuse: if there is no such program, or more than one
    """
    found = _named(name, library_paths())
    if len(found) == 1:
        return found[0]
    if found:
        raise Misuse(f"{name} is several programs, {', '.join(map(long_name, found))}: name one of them")
    raise Misuse(f"there is no program {name!r}, neither a file nor a name: {_close_names(name)}")


def long_name(path: Path) -> str:
    """The unique name of a library program: ``unmapping/munmap-middle``."""
    return path.relative_to(library_folder()).with_suffix("").as_posix()


def in_library(path: Path) -> bool:
    """True if the file is one of those that come with pfnlab."""
    return path.is_relative_to(library_folder())


def library_programs(words: Iterable[str]) -> list[Path]:
    """The files of the library programs that *words* select: names, library folders, or patterns.

    :raises Misuse: if a word matches nothing
    """
    return list(dict.fromkeys(path for word in words for path in _of_name(word)))


def program_paths(words: Iterable[str], *, names: bool = True, folder: Path = _HERE) -> list[Path]:
    """The files of the programs that *words* select, in that order.

    A word is a file, a folder (all programs in it and below it), a pattern for files or names
    (``fork/*.pfn``, ``munmap-*``), a name, a library folder, :data:`ALL`, or ``-`` for standard input. An
    existing file takes precedence over a name. A file pattern without a suffix matches only programs.

    :param names: words may be names; set this to False if the files will be written
    :param folder: the folder to which relative file names refer
    :raises Misuse: if a word refers to nothing, or standard input is given twice
    """
    found = [path for word in words for path in _of_word(word, names, folder)]
    if found.count(STDIN) > 1:
        raise Misuse("standard input holds one program: give - once")
    return found


def only_path(word: str) -> Path:
    """The file of the program that *word* selects; Misuse if it selects several, or as for program_paths."""
    paths = program_paths([word])
    if len(paths) != 1:
        raise Misuse(f"{word} is {len(paths)} programs: name one")
    return paths[0]


def load_found(path: Path) -> Program:
    """The program in a file, or on standard input if *path* is :data:`STDIN`.

    :raises ProgramError: if it cannot be read, or is not a valid program
    """
    if path != STDIN:
        return load_program(path)
    return load_bytes(read_stdin().encode(errors="surrogateescape"), str(path))


def read_stdin() -> str:
    """The text on standard input, cut off one character beyond the maximum length of a program.

    :raises Misuse: if it cannot be read, or is not text
    """
    if sys.stdin is None:
        raise Misuse("standard input is closed: name a file instead of -")
    try:
        return sys.stdin.read(MAX_BYTES + 1)
    except (OSError, ValueError) as trouble:
        raise Misuse(f"{STDIN} cannot be read: {trouble}") from trouble


def _of_word(word: str, names: bool, folder: Path) -> Sequence[Path]:
    if word == str(STDIN):
        return [STDIN]
    if word == ALL and names:
        return library_paths()
    path = folder / word
    if word and _is_there(path):
        # `./-` is a file named `-`.
        return _of_folder(path) if os.path.isdir(path) else [path.absolute() if path == STDIN else path]
    if glob.has_magic(word) and (files := _of_pattern(word, folder)):
        return files
    if not names or (_PATH.search(word) and not word.startswith(f"{FOLDER}/")) or "\0" in word:
        return [path]
    return _of_name(word)


def _of_name(word: str) -> Sequence[Path]:
    """The library programs that a word refers to."""
    if word == ALL:
        return library_paths()
    # The path shown on documentation pages works as a name even without a checkout.
    is_path = word.startswith(f"{FOLDER}/")
    name = word.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX) if is_path else word
    if glob.has_magic(name):
        paths = library_paths()
        found = [path for path in paths if any(fnmatchcase(it, name) for it in (path.stem, long_name(path)))]
        if not found:
            raise Misuse(f"{word} matches no program, neither a file nor a name: {_close_names(name)}")
        return found
    folder = library_folder() / name.rstrip("/")
    of_folder = [path for path in library_paths() if path.parent == folder] if _is_there(folder) else []
    return of_folder if of_folder and not _named(name, library_paths()) else [find_program(name)]


def _is_there(path: Path) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        # A file that cannot be examined is reported when it is read.
        return True
    return True


def _of_folder(folder: Path) -> Sequence[Path]:
    from pfnlab.base.wildcards import searching

    with searching(str(folder)) as search:
        paths = search.below(folder, SUFFIX)
    if not paths:
        raise Misuse(f"{folder} holds no program: name a folder with files that end in {SUFFIX}")
    return paths


def _of_pattern(pattern: str, folder: Path) -> Sequence[Path]:
    """The programs in files and folders that match a pattern."""
    from pfnlab.base.wildcards import searching

    ending = Path(pattern).suffix
    said = ending and not glob.has_magic(ending)
    with searching(pattern) as search:
        matched = search.matching(pattern, folder)
        files = [path for path in matched if path.is_file() and (said or path.suffix == SUFFIX)]
        below = [path for place in matched if place.is_dir() for path in search.below(place, SUFFIX)]
    return list(dict.fromkeys(files + below))


def _named(name: str, paths: Iterable[Path]) -> list[Path]:
    stem = name.rpartition("/")[2]
    return [path for path in paths if stem == path.stem and name in (stem, long_name(path))]


def _close_names(name: str) -> str:
    names = [path.stem for path in library_paths()]
    close = near_words(name.rpartition("/")[2], names)
    guess = f"did you mean {', '.join(close)}? " if close else ""
    return f"{guess}`pfnlab litmus list` has all names"


@cache
def _paths(folder: Path) -> tuple[Path, ...]:
    # pfnlab's own folder, which has no links and a fixed size.
    return tuple(sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file()))
