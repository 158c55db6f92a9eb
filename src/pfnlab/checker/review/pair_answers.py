"""The answers to pairs of concurrent operations: violations in schedules on only one of design and base."""

from __future__ import annotations

import time

from pfnlab.base.errors import Undecided
from pfnlab.checker.races.race import RaceModel
from pfnlab.checker.races.turns import SetUpKernels
from pfnlab.checker.review.kept_base import KeptPair
from pfnlab.checker.review.pairs import OperationPair, searched
from pfnlab.checker.review.reviewed_models import ReviewedModels
from pfnlab.checker.review.sequences import PieceAnswer
from pfnlab.checker.scopes.scope import Race


class PairsOfModels:
    """Base and design, for trying one pair after another; kernels and turns are used again where possible."""

    def __init__(self, models: ReviewedModels) -> None:
        self._base, self._design = SetUpKernels(models.base), SetUpKernels(models.design)
        self._apart, self._kept = models.apart, models.kept

    def answer(self, pair: OperationPair, deadline: float, *, core: bool) -> PieceAnswer:
        """The violations by only one of the two.

        :param core: whether what only the base violates counts, if the design violates nothing
        """
        race = pair.race()
        if race is None:
            return PieceAnswer()
        if core:
            model, kept = None, None if self._kept is None else self._kept.pair(pair.name)
            if kept is None:
                kept, model = _found(self._base, race, deadline)
                if self._kept is not None:
                    self._kept.keep_pair(pair.name, kept)
            base = kept
            if self._apart == frozenset() or base.cut:
                # The models are equal, or the answer is not complete anyway.
                return _compared(base, base)
            other = None if model is None or self._apart is None else (model, self._apart)
            design, _ = _found(self._design, race, deadline, other)
        else:
            design, _ = _found(self._design, race, deadline)
            asks_base = design.lengths and not design.cut
            base = _found(self._base, race, deadline)[0] if asks_base else KeptPair()
        return _compared(base, design)


def _found(
    kernels: SetUpKernels,
    race: Race,
    deadline: float,
    other: tuple[RaceModel, frozenset[str]] | None = None,
) -> tuple[KeptPair, RaceModel | None]:
    """The result of the schedules of *race* on one model, and the model with the turns that were run."""
    try:
        model, exploration = searched(kernels, race, max(0.0, deadline - time.monotonic()), other)
    except Undecided as unknown:
        return KeptPair(undecided=str(unknown)), None
    lengths = {name: len(path.actions) for name, path in exploration.discoveries.items()}
    return KeptPair(lengths, dict(model.unmodelled), cut=bool(exploration.passed)), model


def _compared(base: KeptPair, design: KeptPair) -> PieceAnswer:
    answer = PieceAnswer()
    for found in (design, base):
        if found.undecided is not None:
            return PieceAnswer(unmodelled={found.undecided: 1})
        if found.cut:
            # This model may also violate the properties that the other violates, but that is unknown.
            answer.done = False
            return answer
        answer.unmodelled.update(found.unmodelled)
    answer.broken_pairs = _alone(design.lengths, base.lengths)
    answer.repaired_pairs = _alone(base.lengths, design.lengths)
    return answer


def _alone(violated: dict[str, int], others: dict[str, int]) -> dict[str, int]:
    """The properties that one model violates and the other satisfies."""
    return {name: length for name, length in violated.items() if name not in others}
