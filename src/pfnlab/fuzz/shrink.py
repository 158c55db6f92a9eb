"""A smaller program that still shows the same: operations go first, then arguments become simpler.

Operations are taken away until none can be left out (:mod:`pfnlab.programs.lang.shrink`). Then every argument
is tried simpler, along orders that have an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from pfnlab.fuzz.simplify import simplifications
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.shrink import first_that_shows, shrink_steps

#: How many programs are run at most to make one smaller.
MOST_RUNS = 600


class Shrunk(msgspec.Struct, frozen=True):
    """A program and what it cost to find it.

    :param runs: how many programs were run
    :param minimal: whether every smaller one was tried; False when the limit came first
    """

    program: Program
    runs: int
    minimal: bool


class _Enough(Exception):
    """The limit is reached."""


class _Trial:
    """Asks whether programs still show it, each only once and only so many."""

    def __init__(self, shows: Callable[[Program], bool], most: int) -> None:
        self._shows, self._most = shows, most
        self._answers: dict[bytes, bool] = {}
        self.runs = 0

    def __call__(self, program: Program) -> bool:
        """
        :raises _Enough: the limit is reached
        """
        key = msgspec.json.encode(program)
        if key not in self._answers:
            if self.runs >= self._most:
                raise _Enough
            self.runs += 1
            self._answers[key] = self._shows(program)
        return self._answers[key]


def shrink(program: Program, shows: Callable[[Program], bool], most: int = MOST_RUNS) -> Shrunk:
    """
    The smallest program that was found from *program* on for which *shows* holds.

    :param shows: whether a program shows the same difference as *program* does
    :param most: how many programs may be tried
    """
    trial = _Trial(shows, most)
    best = program
    try:
        for smaller in _steps(program, trial):
            best = smaller
    except _Enough:
        return Shrunk(best, trial.runs, False)
    return Shrunk(best, trial.runs, True)


def _steps(program: Program, trial: _Trial) -> Iterator[Program]:
    """Ever smaller programs that show it, until no smaller one does."""
    before = None
    while before != program:
        before = program
        for shorter in shrink_steps(program, trial):
            program = shorter
            yield program
        smaller = first_that_shows(simplifications(program), trial)
        while smaller is not None:
            yield smaller
            program = smaller
            smaller = first_that_shows(simplifications(program), trial)
