"""Branches of policies that a search never took; its result says nothing about them.

A branch is one way out of an ``if`` or a ``case``, or into a loop. Lines are counted while the search runs,
which makes it slower. A policy's own checks are not counted.

Random programs watch branches in another way (:mod:`pfnlab.fuzz.coverage`): in the package's own files only,
and in a function until all of its branches were seen. Here a user's file is watched too, and branches are
counted.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from pfnlab.mm.kernel import Kernel
from pfnlab.policies.guard import unguarded

#: Methods that decide nothing.
_UNWATCHED = ("_check", "tracked")


class UntakenBranch(NamedTuple):
    """A branch of a policy that was never taken.

    :param source: the policy's file, without folders
    :param line: of the condition
    :param text: that line, without indentation
    :param way: ``never`` for a branch that was not entered, ``always`` for one that was not passed by
    """

    source: str
    line: int
    text: str
    way: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.way}: {self.text}"


class PolicyWatch:
    """Counts the lines that run in the modules of a kernel's policies, within a ``with`` statement."""

    def __init__(self, kernel: Kernel) -> None:
        policies = (kernel.tracker, kernel.flushes, *kernel.walkers)
        modules = [sys.modules.get(type(unguarded(one)).__module__) for one in policies]
        named = zip(modules, policies, strict=True)
        files = {getattr(module, "__file__", None) or _file(one) for module, one in named}
        self.files = sorted(file for file in files if file)
        self._lines: dict[str, Counter[int]] = {file: Counter() for file in self.files}
        self._before: Any = None

    def __enter__(self) -> PolicyWatch:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def untaken(self) -> list[UntakenBranch]:
        """The branches that were not taken, in functions that ran at all, and functions that never ran."""
        return [branch for file in self.files for branch in _untaken(Path(file), self._lines[file])]

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        lines = self._lines.get(frame.f_code.co_filename)
        if lines is None or frame.f_code.co_name in _UNWATCHED:
            return None

        def count(frame: FrameType, event: str, argument: Any) -> Any:
            if event == "line":
                lines[frame.f_lineno] += 1
            return count

        return count


def _file(policy: object) -> str | None:
    """The file of a policy whose module is registered nowhere."""
    methods = vars(type(unguarded(policy))).values()
    return next((one.__code__.co_filename for one in methods if hasattr(one, "__code__")), None)


def _untaken(path: Path, counts: Counter[int]) -> Iterator[UntakenBranch]:
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    for function in ast.walk(ast.parse(text)):
        if not isinstance(function, ast.FunctionDef) or function.name in _UNWATCHED:
            continue
        body = _code(function.body)
        if not body:
            continue
        if not any(counts[line] for line in range(function.lineno, (function.end_lineno or 0) + 1)):
            yield UntakenBranch(path.name, function.lineno, lines[function.lineno - 1].strip(), "never")
            continue
        for line, way in sorted(set(_ways(function, counts))):
            yield UntakenBranch(path.name, line, lines[line - 1].strip(), way)


def _ways(function: ast.FunctionDef, counts: Counter[int]) -> Iterator[tuple[int, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.If):
            yield from _way(
                node.test.lineno, counts[node.test.lineno], counts[node.body[0].lineno], both=True
            )
        elif isinstance(node, ast.For | ast.While):
            yield from _way(node.lineno, counts[node.lineno], counts[node.body[0].lineno], both=False)
        elif isinstance(node, ast.match_case):
            line = node.pattern.lineno
            yield from _way(line, counts[line], counts[node.body[0].lineno], both=False)


def _way(line: int, asked: int, entered: int, *, both: bool) -> Iterator[tuple[int, str]]:
    if not asked:
        return
    if not entered:
        yield line, "never"
    elif both and entered == asked:
        yield line, "always"


def _code(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements of a function without its docstring: one that has none does nothing."""
    first = body[0] if body else None
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return list(body[1:] if documented else body)
