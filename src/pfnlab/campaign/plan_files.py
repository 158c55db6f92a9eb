"""The files next to a campaign's file: programs and scopes, whose content becomes part of the work."""

from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.base.inert import visible
from pfnlab.base.toml_text import MOST_TOML
from pfnlab.checker.scopes.scope import RaceScope, Scope, load_scope, scope_names
from pfnlab.hunt.fuzz.filing import KnownFinding, findings_in
from pfnlab.programs.lang.library import STDIN, in_library, library_paths, long_name, program_paths
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.printer import format_program


class PlanFiles:
    """The files next to the plan, each read only once.

    :param folder: the folder that contains the campaign's file
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs: dict[tuple[str, ...], dict[str, str]] = {}
        self._scopes: dict[str, str] = {}

    def programs(self, words: tuple[str, ...]) -> dict[str, str]:
        """The text of the programs that *words* name, by unique names.

        A program that comes with pfnlab has its name in the library; a user's program has the path of its
        file, including the suffix. The working directory makes no difference.

        :param words: as for ``pfnlab run``; empty for all programs that come with pfnlab
        :raises Misuse: if there is no such program, or it is malformed
        """
        if words not in self._programs:
            self._programs[words] = self._read_programs(words)
        return self._programs[words]

    def scope(self, name: str) -> Scope | RaceScope:
        """The scope with that name, or in the file with that name.

        :raises Misuse: if it does not exist or is malformed
        """
        return load_scope(name, self._folder)

    def scope_text(self, name: str) -> str:
        """The content of a scope's file; empty for a built-in scope.

        :raises Misuse: if there is no such scope, or it is malformed
        """
        if name not in self._scopes:
            known = name in scope_names()
            self.scope(name)
            self._scopes[name] = "" if known else read_text(self._folder / name, "scope", MOST_TOML)
        return self._scopes[name]

    def findings(self, name: str) -> list[KnownFinding]:
        """The findings filed in the folder with that name that have a program.

        :raises Misuse: if it does not exist or is malformed
        """
        folder = self._folder / name
        if not folder.is_dir():
            raise Misuse(f"there is no folder {folder}: name one that `pfnlab fuzz --findings` has filled")
        return [finding for finding in findings_in(folder) if finding.program]

    def _read_programs(self, words: tuple[str, ...]) -> dict[str, str]:
        paths = program_paths(words, folder=self._folder) if words else library_paths()
        if STDIN in paths:
            raise Misuse("a campaign does not read standard input: name a file")
        texts: dict[str, str] = {}
        for path in paths:
            name = long_name(path) if in_library(path) else self._name_of(path)
            text = format_program(load_program(path))
            if texts.setdefault(name, text) != text:
                raise Misuse(f"{name} is both a program of pfnlab and a file: rename the file")
        return texts

    def _name_of(self, path: Path) -> str:
        relative = path.relative_to(self._folder) if path.is_relative_to(self._folder) else path
        # File names may contain bytes that are not text, which no result can store.
        return visible(str(relative))
