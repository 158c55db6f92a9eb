"""Searches that pages are made of. Several pages ask of the same machine, and what was searched is kept."""

from __future__ import annotations

from functools import cache

from pfnlab.checker.check import CheckLimits, CheckResult, check
from pfnlab.checker.kernel.scope import RaceScope, load_scope
from pfnlab.programs.model.machine import ModelMachine

#: How many operations in a row a search tries without another wish.
DEPTH = 3


@cache
def searched(machine: str, scope: str, depth: int = DEPTH) -> CheckResult:
    """What a search of *machine* in the scope called *scope* finds of every property.

    :param depth: operations in a row; a scope of races is searched to its end
    """
    found = load_scope(scope)
    limits = CheckLimits() if isinstance(found, RaceScope) else CheckLimits(depth=depth)
    return check(ModelMachine(machine), found, limits=limits)
