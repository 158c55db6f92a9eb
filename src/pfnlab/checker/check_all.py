"""Checks several models in one scope in parallel, and shows their progress."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pfnlab.base.processes import in_order
from pfnlab.base.progress import Work, working
from pfnlab.base.units import number_of
from pfnlab.checker.check import CheckResult, check, depth_of
from pfnlab.checker.limits import UNLIMITED, CheckLimits
from pfnlab.checker.scopes.question import Question
from pfnlab.checker.scopes.scope import RaceScope, Scope
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.model import State
from pfnlab.programs.model.model_machine import ModelMachine


def check_all(
    machines: Sequence[ModelMachine],
    scope: Scope | RaceScope,
    selection: Sequence[Question],
    limits: CheckLimits = UNLIMITED,
    *,
    jobs: int,
) -> list[CheckResult]:
    """Run one check per machine; checks that run in parallel have no progress lines of their own."""
    if len(machines) == 1:
        (machine,) = machines
        with working(f"checking model:{machine.spec}") as work:
            return [
                check(
                    *(machine, scope, selection, limits),
                    progress=progress_display(work, scope, limits),
                    jobs=jobs,
                    counted=work,
                )
            ]

    def checked(machine: ModelMachine) -> CheckResult:
        return check(machine, scope, selection, limits)

    with working(f"checking {number_of(len(machines), 'model')}", len(machines)) as work:
        return list(
            in_order(checked, machines, jobs, named=lambda one: f"model:{one.spec}", done=work.advance)
        )


def progress_display(
    work: Work, scope: Scope | RaceScope, limits: CheckLimits
) -> Callable[[Exploration[Any]], None]:
    """Return a function that shows a search's progress in *work*."""
    depth = depth_of(scope, limits)
    return lambda exploration: work.show(forecast_line(exploration, depth))


_MOST_LEVELS = 1000

# The number of growth factors to average the trend over, because a single change is noisy.
_SPAN = 3


@dataclass(frozen=True)
class Forecast:
    """The expected end of a search.

    :param states: the expected number of distinct states; None if growth does not slow down and no depth
        limit ends it
    :param seconds: the remaining time at the current rate
    :param factor: the size of the last level divided by that of the level before
    """

    states: int | None
    seconds: float | None
    factor: float


def forecast(found: Exploration[State], depth: int | None = None) -> Forecast | None:
    """The expected end of a breadth-first search, or None while there are too few levels.

    In a finite space, levels grow more and more slowly and then shrink. So the forecast takes the trend of
    the growth factor from the last levels, and extrapolates it until a level is empty or *depth* is reached.
    """
    levels = _whole(found)
    factors = [after / before for before, after in pairwise(levels) if before]
    if len(factors) < 3:
        return None
    factor, span = factors[-1], min(_SPAN, len(factors) - 1)
    slowing = (factor / factors[-1 - span]) ** (1 / span)
    total, size, level = float(sum(levels)), float(levels[-1]), len(levels) - 1
    last_factor = factor
    while size >= 1 and (depth is None or level < depth):
        factor *= min(1.0, slowing)
        size *= factor
        total += size
        level += 1
        if level - len(levels) > _MOST_LEVELS or total > 1e18:
            return Forecast(None, None, last_factor)
    states = max(round(total), found.states)
    seconds = (states - found.states) / found.rate if found.rate else None
    return Forecast(states, seconds, last_factor)


def _whole(found: Exploration[State]) -> Sequence[int]:
    """The complete levels. A partial level is misleading, because its first states lead to more new ones."""
    *earlier, _ = found.growth
    return found.growth if found.expanded >= sum(earlier) else earlier


def forecast_line(found: Exploration[State], depth: int | None = None) -> str:
    """A progress line: states, rate, frontier, depth and forecast."""
    text = (
        f"{number_of(found.states, 'state')}, {found.rate:,.0f}/s, "
        f"{found.frontier:,} waiting, depth {found.depth}"
        f"{f' of {depth}' if depth is not None else ''}"
    )
    ahead = forecast(found, depth)
    if ahead is None:
        return text
    if ahead.states is None or ahead.seconds is None:
        return f"{text}, each level {ahead.factor:.1f} times the last: no end in sight"
    percent = 100 * found.states // max(ahead.states, 1)
    return (
        f"{text}, about {number_of(ahead.states, 'state')} in all: {percent} %, {_time(ahead.seconds)} to go"
    )


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
