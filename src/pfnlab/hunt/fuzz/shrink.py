"""A smaller program that shows the same difference: with fewer operations, then with simpler arguments.

Operations are removed until none can be left out (:mod:`pfnlab.programs.lang.shorter`). Then simpler values
of every argument are tried, along orders that have an end (:mod:`pfnlab.hunt.fuzz.simplifications`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.hunt.fuzz.simplifications import simplifications
from pfnlab.programs.lang.ops import (
    Program,
)
from pfnlab.programs.lang.shorter import first_that_shows, shrink_steps

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
        """:raises _Enough: the limit is reached"""
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


def shrink_quickly(
    program: Program,
    signature: Signature,
    shows: Callable[[Program, bool], bool],
    most: int = MOST_RUNS,
) -> Shrunk:
    """The smallest program that shows *signature*.

    A new guest for each try takes long, so an alarm is first looked for in guests that have run other
    programs. If a new guest does not confirm what is found so, each try has a new one.

    :param shows: whether a program shows it, quickly or not (:func:`is_shown`)
    :param most: the most programs that may be tried each time
    """
    if signature.raises_alarm:
        small = shrink(program, lambda candidate: shows(candidate, True), most)
        if shows(small.program, False):
            return small
    return shrink(program, lambda candidate: shows(candidate, False), most)


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
