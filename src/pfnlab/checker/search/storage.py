"""The storage of a search: for the states seen, and for those that wait to be expanded."""

from __future__ import annotations

import pickle
from pathlib import Path as File

from pfnlab.checker.search.frontier import Frontier, Order, StateCodec
from pfnlab.checker.search.model import Composed, Model, State
from pfnlab.checker.search.visited import Fingerprints, PartTable, Spilling, Visited


def storage(
    model: Model[State], order: Order, memory: int | None = None, folder: File | None = None
) -> tuple[Visited, Frontier[State]]:
    """Empty storage for fingerprints, and for the states that wait.

    :param memory: about how many bytes both may take; the rest goes to files in *folder*
    :raises Undecided: from its methods, there is no room on disk
    """
    if memory is not None and folder is not None:
        waiting = Frontier[State](order, folder, part=_part(model, memory // 4))
        return Spilling(memory * 3 // 4, folder), waiting
    return Fingerprints(), Frontier(order, codec=_codec(model) if isinstance(model, Composed) else None)


def _codec(model: Composed[State]) -> StateCodec[State]:
    """States as words of one table of parts."""
    table = PartTable()
    return (
        lambda state: table.words(model.parts(state)),
        lambda words: model.composed(table.parts(words)),
    )


def _part(model: Model[State], limit: int) -> int:
    """The number of states in one part of a frontier, so that four parts take about *limit* bytes."""
    size = max((len(pickle.dumps(state)) for state in model.initial()), default=64)
    # In memory a state takes a few times what it takes pickled.
    return max(64, limit // (4 * 4 * size))
