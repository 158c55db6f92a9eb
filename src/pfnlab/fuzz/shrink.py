"""A smaller program that still shows the same: operations go first, then arguments become simpler.

Operations are taken away in ever smaller groups (delta debugging), then one by one until none can go: the
result is 1-minimal, no operation of it can be left out. An operation goes together with what cannot be
without it, as a fork with everything its child does. Then every argument is tried simpler, along orders that
have an end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from pfnlab.errors import ProgramError
from pfnlab.fuzz.simpler import simpler
from pfnlab.programs.checks import check_program
from pfnlab.programs.ops import Fork, Op, Program, Release, Thread

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
        try:
            check_program(program)
        except ProgramError:
            return False
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
        for shorter in _in_groups(program, trial):
            program = shorter
            yield program
        smaller = _first(simpler(program), trial)
        while smaller is not None:
            yield smaller
            program = smaller
            smaller = _first(simpler(program), trial)


def _in_groups(program: Program, trial: _Trial) -> Iterator[Program]:
    """Delta debugging: leave out ever smaller groups, single operations until none can go."""
    size = max(1, len(program.ops) // 2)
    while True:
        smaller = _first(_without_groups(program, size), trial)
        if smaller is not None:
            yield smaller
            program = smaller
            size = min(size, max(1, len(program.ops) // 2))
        elif size == 1:
            return
        else:
            size //= 2


def _without_groups(program: Program, size: int) -> Iterator[Program]:
    """*program* without each group of *size* operations, the last first."""
    for start in reversed(range(0, len(program.ops), size)):
        smaller = without(program, range(start, min(start + size, len(program.ops))))
        if smaller is not None:
            yield smaller


def without(program: Program, places: Sequence[int]) -> Program | None:
    """*program* without the operations at *places* and all that need them; None if nothing is left."""
    gone = set(places)
    ops: list[Op] = []
    never_born: set[str] = set()
    held = False
    for place, op in enumerate(program.ops):
        loose = op.task in never_born or (isinstance(op.call, Release) and not held)
        if place in gone or loose:
            if isinstance(op.call, (Fork, Thread)):
                never_born.add(op.call.child)
            if isinstance(op.call, Release) and held:
                ops = [msgspec.structs.replace(one, hold=None) for one in ops]
                held = False
            continue
        held = op.hold is not None or (held and not isinstance(op.call, Release))
        ops.append(op)
    return msgspec.structs.replace(program, ops=tuple(ops)) if ops else None


def _first(candidates: Iterator[Program], trial: _Trial) -> Program | None:
    return next((one for one in candidates if trial(one)), None)
