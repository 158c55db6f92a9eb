"""Where a breadth-first search is heading: how many states there will be, from how the levels grew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.model import State
from pfnlab.units import number_of

_MOST_LEVELS = 1000

# Over how many factors to look for how they change: one alone jumps about.
_SPAN = 3


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

    Levels of a finite space grow ever slower and then shrink. So the last factors between levels give how
    the factor itself changes, and that is carried on until a level is empty or *depth* is reached.
    """
    levels = _whole(found)
    factors = [after / before for before, after in pairwise(levels) if before]
    if len(factors) < 3:
        return None
    factor, span = factors[-1], min(_SPAN, len(factors) - 1)
    slowing = (factor / factors[-1 - span]) ** (1 / span)
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


def _whole(found: Exploration[State]) -> Sequence[int]:
    """The levels that are found whole. The first states of a level lead to more new ones than the last, so
    nothing can be said of one that is half found.
    """
    *done, _ = found.growth
    return found.growth if found.expanded >= sum(done) else done


def line(found: Exploration[State], depth: int | None = None) -> str:
    """One line of progress: states, rate, frontier, depth and where it is heading."""
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
    return f"{text}, about {number_of(ahead.states, 'state')} in all, {_time(ahead.seconds)} to go"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
