"""The branches in Python functions, and which of them a run takes.

A branch is one way out of an ``if``, ``while``, ``for`` or ``case`` in a function: into its body,
or past it. Conditions within a line (``and``, ``or``, conditional expressions, comprehensions)
are not counted separately.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

#: Self-checks in the model and in policies, which are not rules.
CHECKS = ("_check", "_check_tables_have_vmas")

#: The two ways out of a statement.
IN, PAST = "in", "past"


class Branch(NamedTuple):
    """A statement with two ways out.

    :param test: first and last line of its condition
    :param body: first and last line of its body, entered if the condition holds
    :param both: False if it always enters its body: ``case _``, ``while True``
    """

    line: int
    test: tuple[int, int]
    body: tuple[int, int]
    both: bool

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways out that it has."""
        return (IN, PAST) if self.both else (IN,)


class BranchWatch:
    """Record the branches taken in this thread; use as a context manager.

    A function is no longer traced once all its branches have been seen, so the overhead shrinks over time.

    :param named: display name of a function's file, None for a file that is not watched
    :param seen: branches already seen, as named by :meth:`name`; branches that are taken get added
    """

    def __init__(self, named: Callable[[str], str | None], seen: Iterable[str] = ()) -> None:
        self._named = named
        self.seen: set[str] = set(seen)
        self._left: dict[CodeType, dict[int, Branch] | None] = {}
        self._before: Any = None

    def __enter__(self) -> BranchWatch:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    @staticmethod
    def name(file: str, branch: Branch, way: str) -> str:
        """Name one way out of a branch, e.g. ``mm/unmap.py:31 in``."""
        return f"{file}:{branch.line} {way}"

    def settle(self) -> None:
        """Stop tracing functions whose branches have all been seen."""
        for code, lines in self._left.items():
            if lines is not None and self._done(code, lines):
                self._left[code] = None

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        try:
            lines = self._left[code]
        except KeyError:
            lines = self._left[code] = self._look_up(code)
        return None if lines is None else self._tracer(self._named(code.co_filename) or "", lines)

    def _tracer(self, file: str, lines: dict[int, Branch]) -> Any:
        asked: Branch | None = None

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal asked
            if event == "exception":
                asked = None
                return trace
            line = frame.f_lineno if event == "line" else 0
            if asked is not None and not asked.test[0] <= line <= asked.test[1]:
                way = IN if asked.body[0] <= line <= asked.body[1] else PAST
                self.seen.add(self.name(file, asked, way))
                asked = None
            if line in lines:
                asked = lines[line]
            return trace

        return trace

    def _look_up(self, code: CodeType) -> dict[int, Branch] | None:
        file = self._named(code.co_filename)
        if file is None or code.co_name in CHECKS or code.co_name.startswith("<"):
            return None
        last = max((line for *_, line in code.co_lines() if line), default=0)
        inside = [
            branch for branch in branches_of(code.co_filename) if code.co_firstlineno <= branch.line <= last
        ]
        lines = {line: branch for branch in inside for line in range(branch.test[0], branch.test[1] + 1)}
        return lines if lines and not self._done(code, lines) else None

    def _done(self, code: CodeType, lines: dict[int, Branch]) -> bool:
        file = self._named(code.co_filename) or ""
        return all(
            self.name(file, branch, way) in self.seen for branch in set(lines.values()) for way in branch.ways
        )


@cache
def branches_of(path: str) -> tuple[Branch, ...]:
    """Branches in one source file, in order; code outside functions and in :data:`CHECKS` is ignored."""
    found: list[Branch] = []
    _collect(ast.parse(Path(path).read_text(encoding="utf-8")), False, found)
    return tuple(sorted(found))


def _collect(node: ast.AST, inside: bool, found: list[Branch]) -> None:
    if isinstance(node, ast.FunctionDef):
        if node.name in CHECKS:
            return
        inside = True
    if inside:
        found += _statement_branches(node)
    for child in ast.iter_child_nodes(node):
        _collect(child, inside, found)


def _statement_branches(node: ast.AST) -> Iterator[Branch]:
    """The branch that *node* stands for, if it is a branching statement."""
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
