"""Programs by name: those of ``litmus/``, which come with pfnlab, beside a user's own files.

In a wheel they are package data (``pfnlab/litmus``), in a checkout the folder ``litmus`` beside ``src``. All
who need them ask here.
"""

from __future__ import annotations

import difflib
import glob
import os
import re
import sys
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from itertools import groupby
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.programs.lang.load import load_bytes, load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.words import MAX_BYTES
from pfnlab.result import Printed

#: What stands for standard input among files.
STDIN = Path("-")

#: What stands for all programs that come with pfnlab.
ALL = "@all"

#: The name of the folder, in the package and in a checkout.
FOLDER = "litmus"

#: How a file of a program ends.
SUFFIX = ".pfn"

_PACKAGE = Path(__file__).resolve().parents[2]
_HERE = Path()

#: A row of the folder's README: name, file, question and what else is said of the program.
_ROW = re.compile(r"^\| \[(?P<name>[^]]+)\]\((?P<file>[^)]+\.pfn)\) \| (?P<question>.*?) \| (?P<rest>.*) \|$")

#: Words that are a path, whether there is such a file or not.
_PATH = re.compile(r"^(/|\.\.?/|~)|\.(pfn|json)$")


class LibraryEntry(msgspec.Struct, frozen=True):
    """One program of the library as its README lists it.

    :param name: its name, as run takes it
    :param folder: its folder, below that of the library
    :param section: the heading it stands under in the list
    :param question: what it asks, a sentence
    :param says: what kernels do with it, and where it is from
    """

    name: str
    folder: str
    section: str
    question: str
    says: str

    @property
    def path(self) -> Path:
        """Its file."""
        return library_folder() / self.folder / f"{self.name}.pfn"


class LibraryList(Printed, frozen=True, kw_only=True, tag="pfnlab-litmus/1"):
    """Programs of the library.

    :param programs: the programs that ``--grep`` and ``--section`` leave
    """

    programs: tuple[LibraryEntry, ...]

    def __str__(self) -> str:
        width = max((len(entry.name) for entry in self.programs), default=0)
        sections = (
            "\n".join([heading, *(f"  {entry.name.ljust(width)}   {entry.question}" for entry in entries)])
            for heading, entries in groupby(self.programs, key=lambda entry: entry.section)
        )
        return "\n\n".join(sections)


def library_folder() -> Path:
    """The folder of the programs that come with pfnlab.

    :raises Misuse: they are not here
    """
    for folder in (_PACKAGE / FOLDER, _PACKAGE.parents[1] / FOLDER):
        if (folder / "README.md").is_file():
            return folder
    raise Misuse("the programs of pfnlab are not installed: install it from its wheel, or name files")


def library_paths() -> tuple[Path, ...]:
    """The files of all programs that come with pfnlab, sorted by folder and name."""
    return _paths(library_folder())


def find_program(name: str) -> Path:
    """The file of the program called *name*: the stem of its file, with the folder where two have that stem.

    :raises Misuse: there is none, or there are several
    """
    found = _named(name, library_paths())
    if len(found) == 1:
        return found[0]
    if found:
        raise Misuse(f"{name} is several programs, {', '.join(map(long_name, found))}: name one of them")
    raise Misuse(f"there is no program {name!r}, neither a file nor a name: {_close_names(name)}")


def long_name(path: Path) -> str:
    """The name of the program in a file of the library that no other has: ``unmapping/munmap-middle``."""
    return path.relative_to(library_folder()).with_suffix("").as_posix()


def in_library(path: Path) -> bool:
    """True where the file is one of those that come with pfnlab."""
    return path.is_relative_to(library_folder())


def library_programs(words: Iterable[str]) -> list[Path]:
    """The files of the programs of the library that *words* name: names, folders of the library, patterns.

    :raises Misuse: a word names none
    """
    return list(dict.fromkeys(path for word in words for path in _of_name(word)))


def program_paths(words: Iterable[str], *, names: bool = True, folder: Path = _HERE) -> list[Path]:
    """The files of programs that *words* name, in their order.

    A word is a file, a folder (all programs in it and below), a pattern of files or names (``fork/*.pfn``,
    ``munmap-*``), a name, a folder of the library, :data:`ALL`, or ``-`` for standard input. What exists wins
    over a name. A pattern of files means programs, unless it says how the files end.

    :param names: whether a word may be a name, as it may not where files are written
    :param folder: where files with relative names are
    :raises Misuse: a word names nothing, or standard input is named twice
    """
    found = [path for word in words for path in _of_word(word, names, folder)]
    if found.count(STDIN) > 1:
        raise Misuse("standard input holds one program: give - once")
    return found


def load_found(path: Path) -> Program:
    """The program in a file, or in standard input where *path* is :data:`STDIN`.

    :raises ProgramError: it cannot be read, or is no correct program
    """
    if path != STDIN:
        return load_program(path)
    return load_bytes(read_stdin().encode(errors="surrogateescape"), str(path))


def read_stdin() -> str:
    """The text in standard input; one character more than a program may have where it is longer.

    :raises Misuse: it cannot be read, or is no text
    """
    try:
        return sys.stdin.read(MAX_BYTES + 1)
    except (AttributeError, OSError, ValueError) as trouble:
        raise Misuse(f"{STDIN} cannot be read: {trouble}") from trouble


def library_entries() -> list[LibraryEntry]:
    """Every program of the library, in the order of its README."""
    folder = library_folder()
    entries, section = [], ""
    for line in (folder / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif row := _ROW.match(line):
            path = folder / row["file"]
            entries.append(LibraryEntry(row["name"], path.parent.name, section, row["question"], row["rest"]))
    return entries


def chosen_entries(grep: str | None = None, section: str | None = None) -> list[LibraryEntry]:
    """The programs with *grep* in name, question, text or row of the README, of one section or folder.

    Upper and lower case are the same in both.

    :raises Misuse: there is no such section
    """
    entries = library_entries()
    if section is not None:
        wanted = section.casefold()
        named = [entry for entry in entries if wanted in (entry.folder.casefold(), entry.section.casefold())]
        named = named or [entry for entry in entries if wanted in entry.section.casefold()]
        if not named:
            sections = ", ".join(dict.fromkeys(entry.section for entry in entries))
            raise Misuse(f"there is no section {section!r}: they are {sections}")
        entries = named
    if grep is not None:
        word = grep.casefold()
        entries = [entry for entry in entries if word in _text_of(entry).casefold()]
    return entries


def _text_of(entry: LibraryEntry) -> str:
    text = entry.path.read_text(encoding="utf-8")
    return "\n".join((entry.name, entry.section, entry.question, entry.says, text))


def _of_word(word: str, names: bool, folder: Path) -> Sequence[Path]:
    if word == str(STDIN):
        return [STDIN]
    if word == ALL and names:
        return library_paths()
    path = folder / word
    if word and _is_there(path):
        # `./-` is a file of that name.
        return _of_folder(path) if os.path.isdir(path) else [path.absolute() if path == STDIN else path]
    if glob.has_magic(word) and (files := _of_pattern(word, folder)):
        return files
    if not names or (_PATH.search(word) and not word.startswith(f"{FOLDER}/")) or "\0" in word:
        return [path]
    return _of_name(word)


def _of_name(word: str) -> Sequence[Path]:
    """The programs of the library that a word means."""
    if word == ALL:
        return library_paths()
    # The path that pages show is a name also where there is no checkout.
    is_path = word.startswith(f"{FOLDER}/")
    name = word.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX) if is_path else word
    if glob.has_magic(name):
        paths = library_paths()
        found = [path for path in paths if any(fnmatchcase(it, name) for it in (path.stem, long_name(path)))]
        if not found:
            raise Misuse(f"{word} matches no program, neither a file nor a name: {_close_names(name)}")
        return found
    folder = name.rstrip("/")
    of_folder = [
        path for path in library_paths() if path.parent.relative_to(library_folder()).as_posix() == folder
    ]
    return of_folder if of_folder and not _named(name, library_paths()) else [find_program(name)]


def _is_there(path: Path) -> bool:
    try:
        os.stat(path)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        # What cannot be looked at is reported when it is read.
        return True
    return True


def _of_folder(folder: Path) -> Sequence[Path]:
    paths = _below(folder)
    if not paths:
        raise Misuse(f"{folder} holds no program: name a folder with files that end in {SUFFIX}")
    return paths


def _of_pattern(pattern: str, folder: Path) -> Sequence[Path]:
    """The programs in files and folders that match a pattern."""
    matched = [folder / name for name in sorted(glob.glob(pattern, root_dir=folder, recursive=True))]
    ending = Path(pattern).suffix
    said = ending and not glob.has_magic(ending)
    files = [path for path in matched if path.is_file() and (said or path.suffix == SUFFIX)]
    folders = [path for path in matched if path.is_dir()]
    return files + [path for folder in folders for path in _below(folder) if path not in files]


def _named(name: str, paths: Iterable[Path]) -> list[Path]:
    stem = name.rpartition("/")[2]
    return [path for path in paths if stem == path.stem and name in (stem, long_name(path))]


def _close_names(name: str) -> str:
    names = [path.stem for path in library_paths()]
    close = difflib.get_close_matches(name.rpartition("/")[2], names, n=3)
    guess = f"did you mean {', '.join(close)}? " if close else ""
    return f"{guess}`pfnlab litmus list` has all names"


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob(f"*{SUFFIX}") if path.is_file())


@cache
def _paths(folder: Path) -> tuple[Path, ...]:
    return tuple(_below(folder))
