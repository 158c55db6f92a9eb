"""Machines' runs of the page's program, computed on request and kept for the next question.

A real kernel's recorded runs are found by the program's content, not its name. So a program stays recorded if
only its comments change, and an edited one is not mistaken for it.

The page may name fewer machines than the command line. Its questions must never reach a file, so a name
consists only of known words: ``model:7.2`` with policies, switches and commits (no ``config=FILE``, no policy
from a file), ``recorded:6.1.192`` for a run of a real kernel that a golden has, and ``qemu:7.2`` for a kernel
to be run on request. Other names are accepted only if they were given on the command line, e.g. ``pfnlab
explore --on model:7.2,tracker=mine.py``.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.base.inert import one_line
from pfnlab.checker.judging.judge import judged
from pfnlab.kernel.policies.own import files_in
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.releases import is_version
from pfnlab.kernel.policies.seams import POLICIES
from pfnlab.present.picture.scenes import Scenes
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.lang.lines import lines_of
from pfnlab.programs.lang.load import load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.words import HEADERS
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.golden import Golden, golden_path, golden_run, read_golden
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: The maximum number of machines that a page shows side by side.
MOST_MACHINES = 2
#: The policies that can be chosen for each seam.
SEAMS = {seam: tuple(policies) for seam, policies in POLICIES.items()}
_LENGTH = 200
_CHANGE = re.compile(r"[a-z0-9_]{1,40}(\.[a-z_]{1,40})?=[a-z0-9_-]{1,60}(@[0-9]{1,2}\.[0-9]{1,3})?")


class MachineName(msgspec.Struct, frozen=True):
    """A machine that the page names: model, recorded or qemu, and the text after the colon."""

    kind: str
    rest: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.rest}"


def machine_name(text: str, given: Sequence[str] = ()) -> MachineName:
    """Return the name of a machine that the page sent, or one of *given*; raise Misuse with a correction."""
    kind, _, rest = text.partition(":")
    if text in given:
        return MachineName(kind, rest)
    version, *changes = rest.split(",")
    if len(text) > _LENGTH or kind not in ("model", "recorded", "qemu") or not is_version(version):
        raise Misuse(
            f"there is no machine {one_line(text)[:_LENGTH]}: write model:7.2, model:7.2,tracker=vm_pat, "
            "recorded:6.1.192 or qemu:7.2"
        )
    if changes and kind != "model":
        raise Misuse(f"policies belong to models: write model:{version},{changes[0]}"[:_LENGTH])
    for change in changes:
        if not _CHANGE.fullmatch(change) or change.startswith("config="):
            raise Misuse(
                "the page names policies, switches and commits alone: for a file, start the explorer with "
                "--on model:7.2,tracker=FILE.py"
            )
    return MachineName(kind, rest)


def series_on_offer() -> list[str]:
    """Return the series of all models, newest first."""
    return list(reversed(PROFILES))


def files_of(model: str) -> str:
    """Return the state of the files that *model* is made from, which changes after a write; empty if none."""
    configurations = [change[len("config=") :] for change in model.split(",") if change.startswith("config=")]
    return " ".join(map(_written, [*files_in(model), *configurations]))


def _written(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError as trouble:
        # The model itself reports this.
        return str(trouble.errno)
    return f"{status.st_mtime_ns}:{status.st_size}"


#: The number of runs and of stories to keep, so that going back and forth between them is quick.
_KEPT, _STORIES = 64, 8
#: The text's name in errors.
_SOURCE = "program"


#: The start of a golden: the hash of its program.
_HASH = re.compile(rb'"program": "(?P<hash>[^"]+)"')
_BEGINNING = 200


K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V]):
    """The most recently used values by key, at most *most* of them."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def kept(self, key: K, make: Callable[[], V]) -> V:
        """Return the value for *key*, making it with *make* if it is missing."""
        if key not in self:
            self[key] = make()
        self.move_to_end(key)
        value = self[key]
        while len(self) > self._most:
            self.popitem(last=False)
        return value


class NotRunYet(Misuse):
    """Raised for a real kernel that has not run this program yet; it runs on request."""

    def __init__(self, machine: str) -> None:
        super().__init__(f"{machine} has not run this program yet: press Run on {machine}")
        self.machine = machine


class Story(msgspec.Struct, frozen=True, dict=True):
    """A program and its runs, side by side.

    :param lines: the line number of each operation in the text, counted from 1
    :param files: the state of the files that its machines were made from
    """

    result: RunResult
    lines: tuple[int, ...]
    files: str = ""

    @cached_property
    def scenes(self) -> Scenes:
        """The parts that the pictures of all steps share."""
        return Scenes(self.result.program, self.result.runs)

    @property
    def steps(self) -> int:
        """The number of steps that at least one machine reached; the last is ``end``."""
        return max((len(run.steps) for run in self.result.runs), default=0)


def _golden_of(program: Program) -> Golden | None:
    """Return the golden of *program*; None if no kernel was recorded."""
    path = _by_hash().get(program_hash(program))
    return read_golden(path) if path is not None else None


@cache
def _by_hash() -> dict[str, Path]:
    found = {}
    for program in library_paths():
        path = golden_path(program)
        if path.is_file():
            with path.open("rb") as file:
                match = _HASH.search(file.read(_BEGINNING))
            if match:
                found[match["hash"].decode()] = path
    return found


class Storyteller:
    """Runs the page's programs; *model_text* gives the model to use for a kernel that was built here."""

    def __init__(self, given: Sequence[str] = (), model_text: Callable[[str], str] = str) -> None:
        self._text = model_text
        self._given = tuple(given)
        self._stories: Recent[tuple[str, tuple[str, ...], str], Story] = Recent(_STORIES)
        self._runs: Recent[tuple[str, str, str, LookLevel | None], Run] = Recent(_KEPT)

    def story(self, text: str, machines: Sequence[str]) -> Story:
        """Run *text* on *machines*; raise ProgramError, NotRunYet, or Misuse for an invalid machine."""
        files = " ".join(filter(None, map(self._files, machines)))
        key = text, tuple(machines), files
        return self._stories.kept(key, lambda: self._run_story(text, machines, files))

    def _run_story(self, text: str, machines: Sequence[str], files: str) -> Story:
        if not 1 <= len(machines) <= MOST_MACHINES:
            raise Misuse(f"name one machine, or {MOST_MACHINES} to compare")
        program = load_text(text, _SOURCE)
        names = [machine_name(name, self._given) for name in machines]
        look = next((look for name in names if (look := self._look(program, name))), LookLevel.MEMORY)
        runs = [self._run(program, name, look) for name in names]
        result = judged(program, runs, {run.machine: None for run in runs})
        return Story(result, op_lines_of(text), files)

    def keep(self, program: Program, machine: str, run: Run) -> None:
        """Keep a run on a real kernel."""
        self._stories.clear()
        key = machine, "", program_hash(program), None
        self._runs.pop(key, None)
        self._runs.kept(key, lambda: msgspec.structs.replace(run, machine=machine))

    def recorded(self, program: Program) -> list[str]:
        """Return the versions of those real kernels on which exactly this program was recorded."""
        golden = _golden_of(program)
        return list(golden.kernels) if golden is not None else []

    def _look(self, program: Program, name: MachineName) -> LookLevel | None:
        """Return how a real kernel was observed, so that models next to it match; None for a model."""
        if name.kind == "recorded":
            golden = _golden_of(program)
            return golden.look if golden is not None else None
        kept = self._runs.get((str(name), "", program_hash(program), None))
        return kept.look if kept is not None else None

    def _run(self, program: Program, name: MachineName, look: LookLevel) -> Run:
        model = name.kind == "model"
        key = str(name), self._files(str(name)), program_hash(program), look if model else None
        return self._runs.kept(
            key, lambda: msgspec.structs.replace(self._new(program, name, look), machine=str(name))
        )

    def _new(self, program: Program, name: MachineName, look: LookLevel) -> Run:
        if name.kind == "recorded":
            golden = _golden_of(program)
            run = golden_run(golden, name.rest) if golden is not None else None
            if run is None:
                raise Misuse(f"no run of this program on {name.rest} was recorded: choose a model")
            return run
        if name.kind == "qemu":
            raise NotRunYet(str(name))
        machine = self.model(str(name), look)
        (run,) = machine.run([program])
        return run

    def model(self, name: str, look: LookLevel = LookLevel.MEMORY) -> ModelMachine:
        """Return the model that the page calls *name*; raise Misuse if it does not exist."""
        read = machine_name(name, self._given)
        if read.kind != "model":
            raise Misuse(f"{name} is not a model: write model:7.2")
        return ModelMachine(self._text(read.rest) if name in self._given else read.rest, look)

    def _files(self, name: str) -> str:
        """Return the state of the files behind a machine from the command line; others have no files."""
        return files_of(self._text(name.partition(":")[2])) if name in self._given else ""


def op_lines_of(text: str) -> tuple[int, ...]:
    """Return the line number of each operation in *text*, from 1; raise ProgramError if it is too long."""
    other = ("pfnlab", "expect", *HEADERS)
    lines = lines_of(text, _SOURCE)
    return tuple(line.number for line in lines if line.tokens and not line.free and line.next not in other)


def mistake(wrong: ProgramError) -> dict[str, Any]:
    """Describe a mistake in a program, to be shown at its line."""
    return {"line": max(wrong.line, 1), "column": max(wrong.column, 1), "message": wrong.message}
