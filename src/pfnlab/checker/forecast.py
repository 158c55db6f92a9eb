"""Where a breadth-first search is heading: how many states there will be, from how the levels grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .exploration import Exploration
from .model import State

_MOST_LEVELS = 1000


@dataclass(frozen=True)
class Forecast:
    """What is expected at the end.

    :param states: distinct states in all; None when the levels do not slow down and no depth ends them
    :param seconds: time still to go, at the rate so far
    :param factor: how much larger each level is than the one before, now
    """

    states: int | None
    seconds: float | None
    factor: float


def forecast(found: Exploration[State], depth: int | None = None) -> Forecast | None:
    """What a breadth-first search will come to; None while it is too young to tell.

    Levels of a finite space grow ever slower and then shrink. So the last two factors between levels give how
    the factor itself changes, and that is carried on until a level is empty or *depth* is reached.
    """
    levels = _whole(found)
    if len(levels) < 4 or levels[-3] <= 0 or levels[-2] <= 0:
        return None
    factor = levels[-1] / levels[-2]
    slowing = factor / (levels[-2] / levels[-3])
    total, size, at = float(sum(levels)), float(levels[-1]), len(levels) - 1
    now = factor
    while size >= 1 and (depth is None or at < depth):
        factor *= min(1.0, slowing)
        size *= factor
        total += size
        at += 1
        if at - len(levels) > _MOST_LEVELS or total > 1e18:
            return Forecast(None, None, now)
    states = max(round(total), found.states)
    seconds = (states - found.states) / found.rate if found.rate else None
    return Forecast(states, seconds, now)


def _whole(found: Exploration[State]) -> Sequence[float]:
    """How many states each level has, the one that is being found now scaled up to its whole."""
    *done, last = found.growth
    if not done:
        return found.growth
    # All states before the last two levels are expanded; so is this part of the last but one.
    part = (found.expanded - sum(done[:-1])) / done[-1] if done[-1] else 1.0
    return [*done, last / part] if part > 0.05 else done


def line(found: Exploration[State], depth: int | None = None) -> str:
    """One line of progress: states, rate, frontier, depth and where it is heading."""
    text = (
        f"{found.states:,} states, {found.rate:,.0f}/s, {found.frontier:,} waiting, depth {found.depth}"
        f"{f' of {depth}' if depth is not None else ''}"
    )
    ahead = forecast(found, depth)
    if ahead is None:
        return text
    if ahead.states is None or ahead.seconds is None:
        return f"{text}, each level {ahead.factor:.1f} times the last: no end in sight"
    return f"{text}, about {ahead.states:,} states in all, {_time(ahead.seconds)} to go"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
