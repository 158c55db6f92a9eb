"""Searches for the generated pages. Several pages ask about the same machine, so results are kept."""

from __future__ import annotations

from functools import cache

from pfnlab.checker.check import CheckLimits, CheckResult, check
from pfnlab.checker.kernel.scope import RaceScope, load_scope
from pfnlab.programs.model.machine import ModelMachine

#: How many operations in a row a search tries by default.
DEPTH = 3


@cache
def searched(machine: str, scope: str, depth: int = DEPTH) -> CheckResult:
    """The result of a search of *machine* in the scope called *scope*, for every property.

    :param depth: operations in a row; a scope of races is searched to its end
    """
    loaded = load_scope(scope)
    limits = CheckLimits() if isinstance(loaded, RaceScope) else CheckLimits(depth=depth)
    return check(ModelMachine(machine), loaded, limits=limits)
