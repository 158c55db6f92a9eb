"""Causes on machines: what they are asked for, beside the programs that showed a finding anyway.

Machines are asked at the level of looking that shows most, since a cause is seen where it strikes and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pfnlab.fuzz.causes import (
    Cause,
    Conditions,
    Evidence,
    Found,
    causes_of,
    conditions_of,
    effects_of,
    shows_field,
    sightings,
    step_of,
)
from pfnlab.fuzz.signature import Signature
from pfnlab.fuzz.variations import VARIATIONS
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: Levels of looking, the one that shows most first.
MOST_TELLING = (LookLevel.MEMORY, LookLevel.PROC, LookLevel.END)


class Grouping:
    """The causes of findings on one set of machines.

    :param ask: the runs of a program on all of them, in new guests where it is asked so; None where they have
        no answer
    :param agreed: as for :func:`~pfnlab.fuzz.signature.signatures_of`
    """

    def __init__(self, ask: Callable[[Program, bool], Sequence[Run] | None], *, agreed: bool = True) -> None:
        self._ask = ask
        self._agreed = agreed

    def evidence(self, program: Program, signature: Signature) -> Evidence:
        """What the smallest program of a finding tells of it, looked at as closely as possible.

        Where it does not show so, all that differs came before it.
        """
        runs = self._ask(program, _needs_boot(signature))
        if runs is None:
            return Evidence()
        seen = sightings(program, runs, agreed=self._agreed, smallest=True)
        if signature in seen or not seen:
            return seen.get(signature, Evidence())
        return Evidence([effects_of(program, runs, agreed=self._agreed)])

    def causes(self, found: Iterable[Found]) -> list[Cause]:
        """The causes of *found*, that with the smallest program first."""
        return causes_of(found, self._conditions)

    def _conditions(self, finding: Found) -> Conditions:
        fresh = _needs_boot(finding.signature)
        runs = self._ask(finding.program, fresh) if finding.program is not None else None
        if finding.program is None or runs is None:
            return (None,) * len(VARIATIONS)
        step = step_of(finding.program, runs, finding.signature, agreed=self._agreed)
        usual = _calls_in(runs[0], step)

        def shows(program: Program) -> bool | None:
            runs = self._ask(program, fresh)
            # An operation that goes another way on the first machine says nothing of the other.
            if runs is None or _calls_in(runs[0], step) != usual:
                return None
            return shows_field(program, runs, finding.signature, agreed=self._agreed)

        return conditions_of(finding, shows)


def _calls_in(run: Run, step: int | None) -> tuple[str, frozenset[str]] | None:
    """The result of a step and the kinds of kernel calls in it; None where there is no such step."""
    if step is None or not 0 <= step < len(run.steps):
        return None
    seen = run.steps[step]
    return seen.result, frozenset(event.partition(" ")[0] for event in seen.events or ())


def _needs_boot(signature: Signature) -> bool:
    """Whether a guest in which something else has run may not show it any more."""
    return signature.kind == "alarm"
