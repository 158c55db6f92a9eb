"""A forecast for a breadth-first search: the number of states at its end, from the growth of its levels."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.model import State

_MOST_LEVELS = 1000

# The number of factors over which their change is measured: a single change is not steady.
_SPAN = 3


@dataclass(frozen=True)
class Forecast:
    """The expected end of a search.

    :param states: distinct states in all; None when the levels do not slow down and no depth ends them
    :param seconds: the time left, at the rate so far
    :param factor: the size of the last level, in sizes of the level before it
    """

    states: int | None
    seconds: float | None
    factor: float


def forecast(found: Exploration[State], depth: int | None = None) -> Forecast | None:
    """The expected end of a breadth-first search; None while there are too few levels.

    The levels of a finite space grow ever slower and then shrink. So the change of the factor between levels
    is taken from the last factors, and continued until a level is empty or *depth* is reached.
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
    """The complete levels: the first states of one lead to more new ones, so a part of one tells nothing."""
    *earlier, _ = found.growth
    return found.growth if found.expanded >= sum(earlier) else earlier


def line(found: Exploration[State], depth: int | None = None) -> str:
    """One line of progress: states, rate, frontier, depth and forecast."""
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
