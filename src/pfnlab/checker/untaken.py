"""Policy branches that a search never took, and about which its result says nothing.

User-defined policies are watched like the package's own (:mod:`pfnlab.base.branches`), except for their own
checks. Watching slows a search down.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from inspect import unwrap
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.branches import CHECKS, IN, PAST, BranchWatch, statement_branches
from pfnlab.kernel.mm.kernel import Kernel

#: Methods that decide nothing.
_CHECKS = (*CHECKS, "tracked")


class UntakenBranch(NamedTuple):
    """A policy branch that was never taken.

    :param source: the policy's file name, without folders
    :param way: ``never`` for a branch that was never entered, ``always`` for one that was never skipped
    """

    source: str
    line: int
    text: str
    way: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.way}: {self.text}"


class PolicyWatch:
    """Records which branches of a kernel's policies are taken within a ``with`` statement."""

    def __init__(self, kernel: Kernel) -> None:
        policies = (kernel.tracker, *kernel.flushes, *kernel.walkers)
        self.files = sorted({file for policy in policies if (file := _file(policy)) is not None})
        self._watch = BranchWatch(dict(zip(self.files, self.files, strict=True)).get, checks=_CHECKS)

    def __enter__(self) -> PolicyWatch:
        self._watch.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.__exit__(*error)

    def untaken(self) -> list[UntakenBranch]:
        """The untaken branches in functions that ran, and the functions that never ran."""
        return [branch for file in self.files for branch in self._untaken(file)]

    def _untaken(self, file: str) -> Iterator[UntakenBranch]:
        path = Path(file)
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef) or function.name in _CHECKS:
                continue
            if not _statements(function.body):
                continue
            first = min((function.lineno, *(decorator.lineno for decorator in function.decorator_list)))
            if (file, first) not in self._watch.ran:
                yield UntakenBranch(path.name, function.lineno, lines[function.lineno - 1].strip(), "never")
                continue
            for line, way in sorted(set(self._ways(file, function))):
                yield UntakenBranch(path.name, line, lines[line - 1].strip(), way)

    def _ways(self, file: str, function: ast.FunctionDef) -> Iterator[tuple[int, str]]:
        for node in ast.walk(function):
            for branch in statement_branches(node):
                entered, passed = (
                    BranchWatch.name(file, branch, way) in self._watch.seen for way in (IN, PAST)
                )
                if passed and not entered:
                    yield branch.line, "never"
                elif entered and not passed and isinstance(node, ast.If):
                    yield branch.line, "always"


def _file(policy: object) -> str | None:
    """The file that defines a policy, or its methods if its module is not registered."""
    for kind in type(policy).__mro__:
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if file is not None:
            return file  # type: ignore[no-any-return]
        for part in map(unwrap, filter(callable, vars(kind).values())):
            if hasattr(part, "__code__") and part.__module__ == kind.__module__:
                return part.__code__.co_filename  # type: ignore[no-any-return]
    return None


def _statements(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """A function's statements without its docstring; a function with none does nothing."""
    first = body[0] if body else None
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return list(body[1:] if documented else body)
