"""The boundary between good and bad on a line of candidates, asked as seldom as possible."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from pfnlab.hunt.meeting.sought import BisectWord

Candidate = TypeVar("Candidate")


class Boundary(NamedTuple):
    """Two places of a line with nothing decided between them.

    :ivar good: the place that is good and next to it
    :ivar bad: the place that is bad
    :ivar left: places between them of which nobody knows
    """

    good: int
    bad: int
    left: tuple[int, ...]


def boundary(line: Sequence[Candidate], ask: Callable[[Candidate], BisectWord]) -> Boundary:
    """Halve a line whose first candidate is good and whose last is bad.

    A candidate that is like none of both ends is passed over, and the nearest one asked instead.

    :param ask: of one candidate; never of the first and the last
    """
    good, bad, passed = 0, len(line) - 1, set[int]()
    while True:
        middle = (good + bad) / 2
        open_places = [place for place in range(good + 1, bad) if place not in passed]
        if not open_places:
            return Boundary(good, bad, tuple(range(good + 1, bad)))
        place = min(open_places, key=lambda at: (abs(at - middle), at))
        match ask(line[place]):
            case "good":
                good = place
            case "bad":
                bad = place
            case _:
                passed.add(place)


def least(parts: Sequence[Candidate], suffice: Callable[[Sequence[Candidate]], bool]) -> Sequence[Candidate]:
    """Of *parts*, which suffice together, as few as do; each that is left is needed.

    Halves are tried first; where neither suffices, one part after the other is left out.
    """
    while len(parts) > 1:
        middle = len(parts) // 2
        half = next((half for half in (parts[:middle], parts[middle:]) if suffice(half)), None)
        if half is None:
            break
        parts = half
    for part in list(parts) if len(parts) > 1 else ():
        rest = [other for other in parts if other != part]
        if suffice(rest):
            parts = rest
    return parts
