"""Checks of several models in one scope, side by side, and how far they are."""

from collections.abc import Callable, Sequence
from typing import Any

from pfnlab.base.processes import in_order
from pfnlab.base.progress import Work, working
from pfnlab.base.units import number_of
from pfnlab.checker.check import CheckResult, check, depth_of
from pfnlab.checker.limits import UNLIMITED, CheckLimits
from pfnlab.checker.scopes.properties import Question
from pfnlab.checker.scopes.scope import RaceScope, Scope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.forecast import line as forecast_line
from pfnlab.programs.model.model_machine import ModelMachine


def check_all(
    machines: Sequence[ModelMachine],
    scope: Scope | RaceScope,
    asked: Sequence[Question],
    limits: CheckLimits = UNLIMITED,
    *,
    jobs: int,
    watch: bool = False,
) -> list[CheckResult]:
    """One check a machine; several run side by side, without a line of how far each is."""
    if len(machines) == 1:
        (machine,) = machines
        with working(f"checking model:{machine.spec}") as work:
            return [
                check(
                    *(machine, scope, asked, limits),
                    progress=shown_in(work, scope, limits),
                    watch=watch,
                    jobs=jobs,
                    counted=work,
                )
            ]

    def checked(machine: ModelMachine) -> CheckResult:
        return check(machine, scope, asked, limits, watch=watch)

    with working(f"checking {number_of(len(machines), 'model')}", len(machines)) as work:
        return list(
            in_order(checked, machines, jobs, named=lambda one: f"model:{one.spec}", done=work.advance)
        )


def shown_in(work: Work, scope: Scope | RaceScope, limits: CheckLimits) -> Callable[[Exploration[Any]], None]:
    """A function that shows in *work* how far a search is."""
    depth = depth_of(scope, limits)
    return lambda exploration: work.show(forecast_line(exploration, depth))
