"""What programs have reached: pairs of operations, branches of the model's rules, kinds of kernel calls.

A branch is one way out of an ``if``, ``while``, ``for`` or ``case`` in a function of ``mm/`` or
``policies/``: into its body, or past it. Conditions within a line (``and``, ``or``, conditional expressions,
comprehensions) are not counted apart, nor are the model's checks of itself.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import msgspec

from pfnlab.fuzz.kinds import pairs_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.events import EVENTS
from pfnlab.programs.runs.observation import Run

_ROOT = Path(__file__).parents[1]

#: The packages whose branches count: what runs while a program does.
WATCHED = ("mm", "policies/trackers", "policies/flushes")

#: The model's checks of itself.
_UNWATCHED = ("_check", "_check_tables_have_vmas")

#: Every word an event of a step can begin with.
WORDS = frozenset(word for word, _ in EVENTS.values())


class Branch(NamedTuple):
    """A statement that goes one way or the other.

    :param test: first and last line of what is asked
    :param body: first and last line of where it goes when the answer is yes
    """

    line: int
    test: tuple[int, int]
    body: tuple[int, int]
    both: bool


class Coverage(msgspec.Struct):
    """What was reached so far.

    :ivar pairs: pairs of kinds and how many programs had each
    :ivar branches: as ``mm/unmap.py:31 in``, ``past`` for the other way
    :ivar words: the first words of events and how often
    """

    pairs: dict[str, int] = msgspec.field(default_factory=dict)
    branches: set[str] = msgspec.field(default_factory=set)
    words: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, program: Program, runs: Iterable[Run], branches: Iterable[str] = ()) -> bool:
        """Add what one program reached; whether anything of it is new.

        :param branches: what the model reached while it ran
        """
        before = len(self.pairs), len(self.branches), len(self.words)
        for pair in pairs_of(program):
            self.pairs[pair] = self.pairs.get(pair, 0) + 1
        self.branches.update(branches)
        for run in runs:
            for word in _words(run):
                self.words[word] = self.words.get(word, 0) + 1
        return before != (len(self.pairs), len(self.branches), len(self.words))


def _words(run: Run) -> Iterator[str]:
    """The first words of every event of *run*, the longest that is one."""
    for step in run.steps:
        for event in step.events or ():
            parts = event.split()
            two = " ".join(parts[:2])
            yield two if two in WORDS else parts[0]


class BranchWatch:
    """Sees which branches the model takes while it runs in this thread; use it in a ``with`` statement.

    A function all of whose branches were seen is not looked at any more, so watching costs less and less.

    :param reached: branches that were seen already
    """

    def __init__(self, reached: Iterable[str] = ()) -> None:
        self.seen: set[str] = set(reached)
        self._left: dict[CodeType, dict[int, Branch] | None] = {}
        self._before: Any = None

    def __enter__(self) -> BranchWatch:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def settle(self) -> None:
        """Look no more at functions of which everything was seen."""
        for code, lines in self._left.items():
            if lines is not None and self._done(code, lines):
                self._left[code] = None

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        try:
            lines = self._left[code]
        except KeyError:
            lines = self._left[code] = self._look_up(code)
        return None if lines is None else self._tracer(_file(code.co_filename) or "", lines)

    def _tracer(self, file: str, lines: dict[int, Branch]) -> Any:
        asked: Branch | None = None

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal asked
            if event == "exception":
                asked = None
                return trace
            line = frame.f_lineno if event == "line" else 0
            if asked is not None and not asked.test[0] <= line <= asked.test[1]:
                way = "in" if asked.body[0] <= line <= asked.body[1] else "past"
                self.seen.add(f"{file}:{asked.line} {way}")
                asked = None
            if line in lines:
                asked = lines[line]
            return trace

        return trace

    def _look_up(self, code: CodeType) -> dict[int, Branch] | None:
        file = _file(code.co_filename)
        if file is None or code.co_name in _UNWATCHED or code.co_name.startswith("<"):
            return None
        last = max((line for *_, line in code.co_lines() if line), default=0)
        mine = [one for one in branches_of(file) if code.co_firstlineno <= one.line <= last]
        lines = {line: one for one in mine for line in range(one.test[0], one.test[1] + 1)}
        return lines if lines and not self._done(code, lines) else None

    def _done(self, code: CodeType, lines: dict[int, Branch]) -> bool:
        file = _file(code.co_filename) or ""
        return all(name in self.seen for one in set(lines.values()) for name in _names(file, one))


def all_branches() -> set[str]:
    """Every branch there is."""
    return {
        name
        for part in WATCHED
        for path in (_ROOT / part).rglob("*.py")
        for one in branches_of(path.relative_to(_ROOT).as_posix())
        for name in _names(path.relative_to(_ROOT).as_posix(), one)
    }


@cache
def branches_of(file: str) -> tuple[Branch, ...]:
    """The branches of one file of the package, in order; those outside functions do not count."""
    tree = ast.parse((_ROOT / file).read_text(encoding="utf-8"))
    found: list[Branch] = []
    _collect(tree, False, found)
    return tuple(sorted(found))


def _collect(node: ast.AST, inside: bool, found: list[Branch]) -> None:
    if isinstance(node, ast.FunctionDef):
        if node.name in _UNWATCHED:
            return
        inside = True
    if inside:
        found += _ways(node)
    for child in ast.iter_child_nodes(node):
        _collect(child, inside, found)


def _ways(node: ast.AST) -> Iterator[Branch]:
    if isinstance(node, (ast.If, ast.While)):
        endless = isinstance(node.test, ast.Constant)
        yield Branch(node.lineno, _lines(node.test), _body(node.body), not endless)
    elif isinstance(node, ast.For):
        yield Branch(node.lineno, (node.lineno, node.iter.end_lineno or node.lineno), _body(node.body), True)
    elif isinstance(node, ast.match_case):
        default = (
            isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None and node.guard is None
        )
        yield Branch(node.pattern.lineno, _lines(node.guard or node.pattern), _body(node.body), not default)


def _lines(node: ast.expr | ast.pattern) -> tuple[int, int]:
    return node.lineno, node.end_lineno or node.lineno


def _body(body: list[ast.stmt]) -> tuple[int, int]:
    return body[0].lineno, body[-1].end_lineno or body[-1].lineno


def _names(file: str, one: Branch) -> list[str]:
    ways = ("in", "past") if one.both else ("in",)
    return [f"{file}:{one.line} {way}" for way in ways]


@cache
def _file(name: str) -> str | None:
    """The path of a watched source below the package, None for all others."""
    path = Path(name)
    if not path.is_relative_to(_ROOT):
        return None
    below = path.relative_to(_ROOT)
    return below.as_posix() if any(below.is_relative_to(part) for part in WATCHED) else None
