"""What the runs of one program tell: of programs and runs alone, so it can be told while others run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pfnlab.fuzz.causes import Evidence, evidence_of
from pfnlab.fuzz.signature import Signature, placed_signatures, undecided
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Reason, Run


@dataclass(frozen=True)
class Weighed:
    """
    The runs of a program, one a machine, and what they tell.

    :param reason: why they tell nothing; None where they do
    :param signatures: of all findings, each once (:func:`~pfnlab.fuzz.signature.signatures_of`)
    :param sightings: what they tell of the cause of each (:func:`~pfnlab.fuzz.causes.sightings`)
    """

    runs: Sequence[Run]
    reason: Reason | None
    signatures: tuple[Signature, ...] = ()
    sightings: Mapping[Signature, Evidence] = field(default_factory=dict)


def weigh(program: Program, runs: Sequence[Run], *, agreed: bool = True) -> Weighed:
    """What *runs* of *program* tell.

    :param agreed: as for :func:`~pfnlab.fuzz.signature.signatures_of`
    """
    reason = undecided(runs)
    if reason is not None:
        return Weighed(runs, reason)
    placed = placed_signatures(program, runs, agreed=agreed)
    signatures = tuple(dict.fromkeys(signature for _, signature in placed))
    return Weighed(runs, None, signatures, evidence_of(program, runs, placed))
