"""A smaller program that shows the same difference: with fewer operations, then with simpler arguments.

Operations are removed until none can be left out (:mod:`pfnlab.programs.lang.shrink`). Then simpler values of
every argument are tried, along orders that have an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from pfnlab.fuzz.simplify import simplifications
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.shrink import first_that_shows, shrink_steps

#: The most programs that are run to make one smaller.
MOST_RUNS = 600


class Shrunk(msgspec.Struct, frozen=True):
    """A smaller program, and the cost to find it.

    :param runs: the number of programs that were run
    :param minimal: whether every smaller program was tried; False when the limit came first
    """

    program: Program
    runs: int
    minimal: bool


class _Enough(Exception):
    """The limit is reached."""


class _Trial:
    """Tells whether programs show the difference; runs each once, and no more than the limit."""

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
    """The smallest program found, from *program* on, for which *shows* holds.

    :param shows: whether a program shows the same difference as *program* does
    :param most: the most programs that may be tried
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
    """Ever smaller programs that show the difference, until no smaller one does."""
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
