"""Commands in this tree and in another one, in turn: ratios of processor time and of peak memory.

The other is a commit, which gets a clone and an environment in a temporary folder, or a checkout with
``.venv``. An option that a version lacks is left out there. Work that differs between the two (states,
schedules, programs) is named: such a ratio compares different work.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import hunts
import start

from measuring import busy, show
from measuring.paired import HERE, OTHER, rounds_in_turn, table

_ROOT = Path(__file__).parents[3]
#: Stands for the root of a tree in the words of a command.
_TREE = "TREE"
_SCOPE = Path(__file__).parent / "standard-89ffe3888.toml"
_LIMIT = 3600.0

#: Pieces of a review's core, at equal distances.
_SAMPLE = """
import sys
from pfnlab.checker.review.review import plan, review
from pfnlab.programs.model.model_machine import ModelMachine

core = [piece for piece in plan() if piece.core]
base, design = (ModelMachine(spec) for spec in sys.argv[2:])
found = review(base, design, seconds=3600, pieces=core[:: int(sys.argv[1])])
print('{"states": %d, "schedules": %d}' % (found.states, found.schedules))
"""

#: Waits for a command in a process of little memory: until it executes the command, a child has its parent's,
#: and that counts as its peak. The system counts it in KiB.
_WAITS = """
import json, os, sys
_, status, used = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[2], sys.argv[2:]), 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss << 10], file)
"""

#: The designs whose reviews are sampled.
_DESIGNS = ("flush=first_vma", "tracker=exact", "flush=free_vmas")

#: Options that an older version needs in order to do what newer ones do anyway.
_OLDER = {"fuzz": ("--no-coverage",)}

#: The keys of a JSON result that say how much work was done.
_WORK = ("states", "transitions", "schedules", "compared")


class Command(NamedTuple):
    """A command to measure.

    :param words: arguments of pfnlab, or of Python if *python*
    :param each: the key of the result that divides the time: a time per program
    :param warm: whether an unmeasured run comes first; it makes what a guest needs
    """

    words: tuple[str, ...]
    each: str = ""
    python: bool = False
    warm: bool = True


class Tree(NamedTuple):
    """A source tree of pfnlab, and an interpreter that has its package."""

    root: Path
    python: Path


class Used(NamedTuple):
    """The resources that one run of a command used.

    :param seconds: processor time of the command and its children
    :param passed: elapsed time, in seconds
    :param peak: the most memory that it or a child had, in bytes
    :param work: how much it did, by key of its result
    """

    seconds: float
    passed: float
    peak: int
    work: dict[str, int]


def commands(*, long: bool) -> dict[str, Command]:
    """The commands by name.

    :param long: also those that take minutes
    """
    checked = ("check", "--on", "model:7.2,tracker=exact", "--scope", str(_SCOPE), "--jobs", "1", "--json")
    found = {
        f"check, depth {depth}": Command((*checked, "--depth", str(depth)), warm=False)
        for depth in ((4, 5) if long else (4,))
    }
    for design in _DESIGNS:
        sample = ("-c", _SAMPLE, "10" if long else "60", "7.3", f"7.3,{design}")
        found[f"review {design}"] = Command(sample, python=True, warm=False)
    for kind in hunts.KINDS:
        words = tuple(hunts.words_of(kind, hunts.SERIES, 300 if long else 20, _TREE))
        found[f"hunt {kind}, a program"] = Command(words, each="compared")
    return found | {name: Command(tuple(words)) for name, words in start.commands(None).items()}


class Side:
    """A command with one tree's pfnlab, measured on request."""

    def __init__(self, tree: Tree, name: str, command: Command) -> None:
        self._name, self._each = name, command.each
        words = [word.replace(_TREE, str(tree.root)) for word in command.words]
        self._words = [
            str(tree.python),
            *(words if command.python else ["-m", "pfnlab", *fitting(tree.python, words)]),
        ]
        self.peaks: list[dict[str, float]] = []
        self.work: dict[str, int] = {}

    def round(self) -> dict[str, float]:
        """Run it once; return its processor seconds, and those that passed for each program.

        :raises RuntimeError: if it fails
        """
        used = used_by(self._words)
        self.work = used.work
        self.peaks.append({self._name: used.peak / (1 << 20)})
        if not self._each:
            return {self._name: used.seconds}
        number = used.work[self._each]
        return {self._name: used.seconds / number, f"{self._name}, elapsed": used.passed / number}


def used_by(words: Sequence[str]) -> Used:
    """Run a command and return what it used.

    :raises RuntimeError: if it ends with another exit code than 0, 1 or 3, which are answers
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "used"
        begin = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _WAITS, str(told), *words],
            capture_output=True,
            cwd=folder,
            env=environment,
            timeout=_LIMIT,
            check=True,
        )
        passed = time.perf_counter() - begin
        code, seconds, peak = json.loads(told.read_text())
    if code not in (0, 1, 3):
        tail = done.stderr.decode(errors="replace").strip()[-400:]
        raise RuntimeError(f"{' '.join(words)} ended with {code}: {tail}")
    return Used(seconds, passed, peak, _work(done.stdout))


def _work(text: bytes) -> dict[str, int]:
    """The amount of work in a result in JSON; empty for another text."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return {key: found[key] for key in _WORK if key in found} if isinstance(found, dict) else {}


@cache
def _help(python: Path, verb: str) -> str:
    words = [str(python), "-m", "pfnlab", verb, "--help"]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=_LIMIT).stdout


def fitting(python: Path, words: Sequence[str]) -> list[str]:
    """Return *words* without the options that the version lacks, and with those that only it needs.

    An option's value is the word after it, if that is not an option.
    """
    verb = words[0]
    if verb.startswith("-"):
        return list(words)
    known = _help(python, verb).split()
    kept: list[str] = []
    dropping = False
    for word in words:
        if word.startswith("--"):
            dropping = word not in known
        elif dropping:
            dropping = False
            continue
        if not dropping:
            kept.append(word)
    return [*kept, *(option for option in _OLDER.get(verb, ()) if option in known)]


@contextmanager
def base_tree(base: str) -> Iterator[Tree]:
    """The tree of a commit, which is removed at the end, or of a checkout.

    :raises RuntimeError: if there is no such commit, or a checkout has no environment
    """
    if Path(base).is_dir():
        there = _tree(Path(base).resolve())
        if not there.python.exists():
            raise RuntimeError(f"{base} has no .venv: run `make demo` in it")
        yield there
        return
    named = subprocess.run(
        ["git", "-C", str(_ROOT), "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if named.returncode:
        raise RuntimeError(f"{base} is neither a commit nor a checkout")
    with tempfile.TemporaryDirectory(prefix="pfnlab-base-") as folder:
        there = _tree(Path(folder) / "tree")
        for words in (
            ["git", "clone", "--quiet", "--shared", "--no-checkout", str(_ROOT), str(there.root)],
            ["git", "-C", str(there.root), "checkout", "--quiet", "--detach", named.stdout.strip()],
            [sys.executable, "-m", "venv", str(there.root / ".venv")],
            [str(there.python), "-m", "pip", "install", "--quiet", "--editable", f"{there.root}[lens]"],
        ):
            done = subprocess.run(words, check=False, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-400:]}")
        yield there


def _tree(root: Path) -> Tree:
    return Tree(root, root / ".venv" / "bin" / "python")


def against_base(base: str, wanted: Sequence[str], number: int, *, long: bool) -> None:
    """Measure commands in turn with both trees, and print their ratios.

    :param base: a commit, or a checkout with ``.venv``
    :param wanted: the beginnings of their names; empty: all
    :param number: of rounds
    :param long: more programs, pieces and depth
    :raises RuntimeError: if there is no such base or command, or a command fails
    """
    chosen = {
        name: command
        for name, command in commands(long=long).items()
        if not wanted or name.startswith(tuple(wanted))
    }
    if not chosen:
        raise RuntimeError(f"no command has such a name: write some of {', '.join(commands(long=long))}")
    seconds: list[list[str]] = []
    peaks: list[list[str]] = []
    notes: list[str] = []
    with base_tree(base) as there:
        trees = {HERE: Tree(_ROOT, Path(sys.executable)), OTHER: there}
        # Else the first run of a command would also pay for the modules that changed.
        for tree in trees.values():
            subprocess.run([tree.python, "-m", "compileall", "-q", tree.root / "src"], check=False)
        for name, command in chosen.items():
            sides = {side: Side(tree, name, command) for side, tree in trees.items()}
            seconds += table(rounds_in_turn(sides, number, warm=command.warm))
            # A guest has more memory than pfnlab.
            if not command.each:
                kept = {side: one.peaks[-number:] for side, one in sides.items()}
                peaks += table(kept, lambda peak: f"{peak:.1f} MiB")
            if sides[HERE].work != sides[OTHER].work:
                notes.append(f"not the same work: {name}: {sides[HERE].work}, there {sides[OTHER].work}")
    head = ["", HERE, OTHER, "the other / this", "in the rounds"]
    show("processor time", head, seconds)
    if peaks:
        show("peak memory", head, peaks)
    print("\n".join([*notes, busy()]))
