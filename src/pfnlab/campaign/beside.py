"""Programs and scopes beside a campaign's file, which it names by relative paths.

Their content becomes part of the work: a worker elsewhere needs no file, and a file that was changed is other
work.
"""

from __future__ import annotations

from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import visible
from pfnlab.base.toml_text import MOST_TOML
from pfnlab.checker.scopes.scope import RaceScope, Scope, load_scope, scope_names
from pfnlab.programs.lang.library import STDIN, in_library, library_paths, long_name, program_paths
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.printer import format_program


class Beside:
    """The files, each read once.

    :param folder: that of the campaign's file
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[tuple[str, ...], dict[str, str]] = {}
        self._scopes: dict[str, str] = {}

    def programs(self, words: tuple[str, ...]) -> dict[str, str]:
        """The programs that *words* name, as text, by names that no two have.

        A program of pfnlab has its name in the library, one of the user's own the path of its file with its
        ending. The folder in which a command is given changes nothing.

        :param words: as for ``pfnlab run``; none for all programs that come with pfnlab
        :raises Misuse: there is no such program, or it is malformed
        """
        if words not in self._programs:
            self._programs[words] = self._read_programs(words)
        return self._programs[words]

    def scope(self, name: str) -> Scope | RaceScope:
        """The scope of that name, or in the file of that name.

        :raises Misuse: there is none, or it is malformed
        """
        return load_scope(name, self._folder)

    def scope_text(self, name: str) -> str:
        """The content of the file of a scope; empty for one that pfnlab knows.

        :raises Misuse: there is no such scope, or it is malformed
        """
        if name not in self._scopes:
            known = name in scope_names()
            self.scope(name)
            self._scopes[name] = "" if known else read_text(self._folder / name, "scope", MOST_TOML)
        return self._scopes[name]

    def _read_programs(self, words: tuple[str, ...]) -> dict[str, str]:
        paths = program_paths(words, folder=self._folder) if words else library_paths()
        if STDIN in paths:
            raise Misuse("a campaign reads no standard input: name a file")
        texts: dict[str, str] = {}
        for path in paths:
            name = long_name(path) if in_library(path) else self._name_of(path)
            text = format_program(load_program(path))
            if texts.setdefault(name, text) != text:
                raise Misuse(f"{name} is a program of pfnlab and a file: rename the file")
        return texts

    def _name_of(self, path: Path) -> str:
        relative = path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
        # Names of files may hold bytes that are no text, which no result can keep.
        return visible(str(relative))
