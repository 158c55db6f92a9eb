"""Searches that claims and pages rest on. Several ask about the same machine, so results are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pfnlab.base.inert import shell_line
from pfnlab.base.processes import in_order
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.programs.model.model_machine import ModelMachine

#: How many operations in a row a search tries by default.
DEPTH = 3

#: The most states of a scope that is searched to its end: where a tracker leaks, there is none.
MOST_STATES = 10_000


class AskedSearch(NamedTuple):
    """A search that a claim or a page asks for.

    :param machine: a model, as ``7.2,tracker=exact``
    :param scope: the name of its scope
    :param depth: operations in a row; a scope of races, or one without a depth, is searched to its end
    """

    machine: str
    scope: str
    depth: int = DEPTH

    def __str__(self) -> str:
        return f"model:{self.machine} in scope {self.scope}"

    @property
    def limits(self) -> Exhaustive:
        """The limits of the search."""
        scope = load_scope(self.scope)
        if isinstance(scope, RaceScope):
            return Exhaustive()
        return Exhaustive(states=MOST_STATES) if scope.depth is None else Exhaustive(depth=self.depth)

    @property
    def command(self) -> str:
        """The command that makes it, for every property."""
        depth = "" if self.limits.depth is None else f" --depth {self.limits.depth}"
        return f"pfnlab check {shell_line(('--on', f'model:{self.machine}', '--scope', self.scope))}{depth}"


_results: dict[AskedSearch, CheckResult] = {}


def searched(machine: str, scope: str, depth: int = DEPTH) -> CheckResult:
    """The result of a search of *machine* in the scope called *scope*, for every property.

    :param depth: operations in a row; a scope of races, or one without a depth, is searched to its end
    """
    asked = AskedSearch(machine, scope, depth)
    if asked not in _results:
        _results[asked] = _search(asked)
    return _results[asked]


def search_ahead(
    searches: Iterable[AskedSearch], jobs: int | None = None, counted: PartCount = UNCOUNTED
) -> None:
    """Make *searches*, several at a time, so that :func:`searched` has them.

    :param jobs: processes at a time; None for as many as there are processors
    :param counted: counts the searches
    """
    missing = [asked for asked in dict.fromkeys(searches) if asked not in _results]
    counted.expect(len(missing))
    for asked, found in zip(missing, in_order(_search, missing, jobs, done=counted.advance), strict=True):
        _results[asked] = found


def _search(asked: AskedSearch) -> CheckResult:
    return check(ModelMachine(asked.machine), load_scope(asked.scope), limits=asked.limits)
