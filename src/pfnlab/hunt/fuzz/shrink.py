"""Reproduces a finding and minimizes its program: fewer operations, then simpler arguments.

A smaller program must show the finding at the same operation, because a different operation may show an equal
signature for a different reason.

Operations are removed until every one is needed (:mod:`pfnlab.programs.lang.shorter`). Then simpler values
are tried for every argument, in orders that terminate (:mod:`pfnlab.hunt.fuzz.simplifications`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.signature import (
    Signature,
    placed_by_itself,
    placed_signatures,
    rests_on_spent,
    without_once,
)
from pfnlab.hunt.fuzz.simplifications import simplifications
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.shorter import first_match, shrink_steps
from pfnlab.programs.runs.machine import Machine, RebootableMachine
from pfnlab.programs.runs.observation import Run, undecided


def machines_of(signature: Signature) -> tuple[str, ...]:
    """The machines named in a signature."""
    return tuple(machine for side in signature.sides for machine in side)


def steps_shown(
    program: Program,
    signature: Signature,
    ask: Callable[[], Sequence[Run]],
    machines: Iterable[Machine],
    *,
    agreed: bool = True,
    repeated: bool = False,
    quick: bool = False,
) -> frozenset[int | None]:
    """The steps at which *program* shows *signature*; None stands for the time before the first. Empty if
    nowhere.

    The program runs in new guests if the current ones have already printed a message in the signature.

    :param ask: runs the program on all *machines*
    :param agreed: as for :func:`~pfnlab.hunt.fuzz.signature.placed_signatures`
    :param repeated: whether the program has shown it before. If so, new guests decide, and a message that had
        already been printed at that time may now be printed before the finding
    :param quick: also look for an alarm in guests that have already run programs; the result must then be
        confirmed in new ones
    """
    rebooting = [machine for machine in machines if isinstance(machine, RebootableMachine)]

    def shown(runs: Sequence[Run]) -> frozenset[int | None]:
        if undecided(runs) is not None:
            return frozenset()
        if signature.by_itself:
            found = placed_by_itself(program, runs)
        else:
            found = placed_signatures(program, runs, agreed=agreed)
        return frozenset(step for step, other in found if other.key == signature.key)

    def reboot() -> None:
        for machine in rebooting:
            machine.reboot()

    # A guest that has survived an alarm is not reliable.
    fresh = signature.raises_alarm and not quick
    try:
        if fresh:
            reboot()
        runs = ask()
        if not shown(runs) and (rests_on_spent(signature, runs) or (repeated and rebooting and not fresh)):
            reboot()
            runs = ask()
    except Misuse:
        # No guest is large enough.
        return frozenset()
    return shown(runs) or (shown([without_once(run) for run in runs]) if repeated else frozenset())


def first_of(steps: Collection[int | None]) -> int | None:
    """The first of *steps*; None, the time before the first step, precedes all others."""
    return min(steps, key=lambda step: -1 if step is None else step)


class AtOperation:
    """Tests candidates for :func:`shrink`: a candidate must show a finding at the same operation.

    Later candidates are derived from the last accepted one.

    :param step: the step in *program* with the finding
    :param steps_of: the steps at which a candidate shows it
    """

    def __init__(
        self, program: Program, step: int | None, steps_of: Callable[[Program], Collection[int | None]]
    ) -> None:
        self._program, self._step, self._steps_of = program, step, steps_of

    def __call__(self, candidate: Program) -> bool:
        """True if *candidate* shows it; a candidate without that operation need not run."""
        places = self._places(candidate)
        shown = places and places & set(self._steps_of(candidate))
        if shown:
            self._program, self._step = candidate, first_of(shown)
        return bool(shown)

    def _places(self, candidate: Program) -> set[int | None]:
        """The steps in *candidate* that may be the operation, since operations were removed or one was
        replaced.
        """
        at, ops = self._step, self._program.ops
        if at is None or len(candidate.ops) == len(ops):
            return {at}
        if at >= len(ops):
            return {len(candidate.ops)}
        wanted = _unheld(ops[at])
        return {
            place
            for place, op in enumerate(candidate.ops)
            if _unheld(op) == wanted
            and _is_part(candidate.ops[:place], ops[:at])
            and _is_part(candidate.ops[place + 1 :], ops[at + 1 :])
        }


def _unheld(op: Op) -> Op:
    # Without its release, an operation is not held.
    return replace(op, hold=None)


def _is_part(some: Sequence[Op], ops: Sequence[Op]) -> bool:
    """True if *some* appear in *ops* in the same order, perhaps with others in between."""
    remaining = map(_unheld, ops)
    return all(_unheld(op) in remaining for op in some)


#: The maximum number of programs to run to minimize one.
MOST_RUNS = 600


class Shrunk(msgspec.Struct, frozen=True):
    """A smaller program, and the cost of finding it.

    :param minimal: whether every smaller program was tried; False if a limit was reached first
    """

    program: Program
    runs: int
    minimal: bool


class _Enough(Exception):
    """The limit has been reached."""


def shrink(
    program: Program,
    shows: Callable[[Program], bool],
    most: int = MOST_RUNS,
    late: Callable[[], bool] = lambda: False,
) -> Shrunk:
    """The smallest program found, starting from *program*, for which *shows* returns True.

    :param shows: whether a program shows the same difference as *program* does
    :param late: returns whether to stop running programs; minimization can continue later from the program
        found by then
    """
    answers: dict[bytes, bool] = {}

    def tried(candidate: Program) -> bool:
        # Run each program only once.
        key = msgspec.json.encode(candidate)
        if key not in answers:
            if len(answers) >= most or late():
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
    program: Program,
    signature: Signature,
    step: int | None,
    shows: Callable[[Program, bool], Collection[int | None]],
    most: int = MOST_RUNS,
    late: Callable[[], bool] = lambda: False,
) -> Shrunk:
    """The smallest program that shows *signature* at the operation in *step*.

    A new guest for each try takes long, so alarms are first looked for in guests that have run other
    programs. If a new guest does not confirm the result, each try gets a new guest after all.

    :param shows: returns the steps at which a program shows it, quickly or not (:func:`steps_shown`)
    """
    if signature.raises_alarm:
        quickly = AtOperation(program, step, lambda candidate: shows(candidate, True))
        small = shrink(program, quickly, most, late)
        if shows(small.program, False):
            return small
    return shrink(program, AtOperation(program, step, lambda candidate: shows(candidate, False)), most, late)


def _steps(program: Program, trial: Callable[[Program], bool]) -> Iterator[Program]:
    """Yield smaller and smaller programs that show the difference, until no smaller one does."""
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
