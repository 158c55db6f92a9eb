"""The list of programs that come with pfnlab: their names and questions, from the README in ``litmus/``.

In a wheel they are package data (``pfnlab/litmus``); in a checkout they are in the folder ``litmus`` next to
``src``. This module reads no programs, so it imports no part of the language.
"""

import re
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PrintedStruct

#: The folder's name, in the package and in a checkout.
FOLDER = "litmus"

_PACKAGE = Path(__file__).resolve().parents[2]

#: The pattern of a row in the folder's README: a program's name, file, question and remarks.
_ROW = re.compile(r"^\| \[(?P<name>[^]]+)\]\((?P<file>[^)]+\.pfn)\) \| (?P<question>.*?) \| (?P<rest>.*) \|$")


class LibraryEntry(msgspec.Struct, frozen=True):
    """A program in the library, as its README lists it.

    :param name: its name, as given to ``run``
    :param folder: its folder in the library
    :param section: the heading under which it is listed
    :param question: the question it answers, as a sentence
    :param says: how kernels behave, and where the program comes from
    """

    name: str
    folder: str
    section: str
    question: str
    says: str

    @property
    def path(self) -> Path:
        """The path of its file."""
        return library_folder() / self.folder / f"{self.name}.pfn"


class LibraryList(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-litmus/1"):
    """The programs in the library.

    :param programs: the programs that ``--grep`` and ``--section`` select
    """

    programs: tuple[LibraryEntry, ...]


def library_folder() -> Path:
    """The folder with the programs that come with pfnlab.

    :raises Misuse: if they are not installed
    """
    for folder in (_PACKAGE / FOLDER, _PACKAGE.parents[1] / FOLDER):
        if (folder / "README.md").is_file():
            return folder
    raise Misuse("the programs of pfnlab are not installed: install it from its wheel, or name files")


def library_entries() -> list[LibraryEntry]:
    """All programs in the library, in the order of its README."""
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
    """The programs in a section or folder that have *grep* in their name, question, text or README row.

    Case is ignored for both.

    :raises Misuse: if there is no such section
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
        texts = (
            "\n".join((one.name, one.section, one.question, one.says, one.path.read_text(encoding="utf-8")))
            for one in entries
        )
        entries = [entry for entry, text in zip(entries, texts, strict=True) if word in text.casefold()]
    return entries
