"""Reproduction of a finding, and minimization of its program: fewer operations, then simpler arguments.

Operations are removed until none can be left out (:mod:`pfnlab.programs.lang.shorter`). Then simpler values
of every argument are tried, in orders that terminate (:mod:`pfnlab.hunt.fuzz.simplifications`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.signature import (
    Signature,
    judged_signatures,
    rests_on_spent,
    signatures_of,
    without_once,
)
from pfnlab.hunt.fuzz.simplifications import simplifications
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.shorter import first_match, shrink_steps
from pfnlab.programs.runs.machine import Machine, RebootableMachine
from pfnlab.programs.runs.observation import Run, undecided


def machines_of(signature: Signature) -> tuple[str, ...]:
    """The machines that a signature names."""
    return tuple(machine for side in signature.sides for machine in side)


def is_shown(
    program: Program,
    signature: Signature,
    ask: Callable[[], Sequence[Run]],
    machines: Iterable[Machine],
    *,
    agreed: bool = True,
    repeated: bool = False,
    quick: bool = False,
) -> bool:
    """True if *program* shows *signature*; in new guests if its guests have already printed a message of it.

    :param ask: runs the program on all *machines*
    :param agreed: as for :func:`~pfnlab.hunt.fuzz.signature.signatures_of`
    :param repeated: whether the program has shown it before: then new guests decide, and a message that was
        already printed then may now be printed before the finding
    :param quick: also look for an alarm in guests that have run programs; the result must then be confirmed
        in new ones
    """
    rebooting = [machine for machine in machines if isinstance(machine, RebootableMachine)]

    def shows(runs: Sequence[Run]) -> bool:
        if undecided(runs) is not None:
            return False
        if signature.by_itself:
            found = judged_signatures(program, runs)
        else:
            found = signatures_of(program, runs, agreed=agreed)
        return signature.key in {other.key for other in found}

    def reboot() -> None:
        for machine in rebooting:
            machine.reboot()

    # A guest that survived an alarm is not reliable.
    fresh = signature.raises_alarm and not quick
    try:
        if fresh:
            reboot()
        runs = ask()
        if not shows(runs) and (rests_on_spent(signature, runs) or (repeated and rebooting and not fresh)):
            reboot()
            runs = ask()
    except Misuse:
        # No guest is large enough.
        return False
    return shows(runs) or (repeated and shows([without_once(run) for run in runs]))


#: The maximum number of programs run to minimize one.
MOST_RUNS = 600


class Shrunk(msgspec.Struct, frozen=True):
    """A smaller program, and the cost of finding it.

    :param minimal: whether every smaller program was tried; False if the limit was reached first
    """

    program: Program
    runs: int
    minimal: bool


class _Enough(Exception):
    """Raised when the limit is reached."""


def shrink(program: Program, shows: Callable[[Program], bool], most: int = MOST_RUNS) -> Shrunk:
    """The smallest program found, starting from *program*, for which *shows* returns True.

    :param shows: whether a program shows the same difference as *program* does
    """
    answers: dict[bytes, bool] = {}

    def tried(candidate: Program) -> bool:
        # Run each program only once.
        key = msgspec.json.encode(candidate)
        if key not in answers:
            if len(answers) >= most:
                raise _Enough
            answers[key] = shows(candidate)
        return answers[key]

    best = program
    try:
        for smaller in _steps(program, tried):
            best = smaller
    except _Enough:
        return Shrunk(best, len(answers), False)
    return Shrunk(best, len(answers), True)


def shrink_quickly(
    program: Program, signature: Signature, shows: Callable[[Program, bool], bool], most: int = MOST_RUNS
) -> Shrunk:
    """The smallest program that shows *signature*.

    A new guest for each try takes long, so an alarm is first looked for in guests that have run other
    programs. If a new guest does not confirm the result, each try gets a new guest.

    :param shows: whether a program shows it, quickly or not (:func:`is_shown`)
    """
    if signature.raises_alarm:
        small = shrink(program, lambda candidate: shows(candidate, True), most)
        if shows(small.program, False):
            return small
    return shrink(program, lambda candidate: shows(candidate, False), most)


def _steps(program: Program, trial: Callable[[Program], bool]) -> Iterator[Program]:
    """Yield ever smaller programs that show the difference, until no smaller one does."""
    before = None
    while before != program:
        before = program
        for shorter in shrink_steps(program, trial):
            program = shorter
            yield program
        smaller = first_match(simplifications(program), trial)
        while smaller is not None:
            yield smaller
            program = smaller
            smaller = first_match(simplifications(program), trial)
