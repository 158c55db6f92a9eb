"""Models that workers import, and what makes searches of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from small_models import Graph, always, sometimes

from pfnlab.checker.search.exploration import Property

SIZE = 60

#: A graph in which most states have several ways of the same length.
EDGES = [[(5 * state + step) % SIZE for step in (7, 1, 4, 30)] for state in range(SIZE)]


class MakeGraph:
    """Makes a graph with questions; states are understood only where a step to them was made.

    :param edges: those of the graph
    :param deadly: the state at which the process of a worker is killed
    :param marks: a folder; each time one is killed there is one more file
    :param times: how often it is killed
    """

    def __init__(
        self,
        edges: Sequence[Sequence[int]] = EDGES,
        *,
        deadly: int = -1,
        marks: Path | None = None,
        times: int = 1,
    ) -> None:
        self._arguments = edges, deadly, marks, times

    def __call__(self) -> tuple[Graph, list[Property[int]]]:
        return DeadlyGraph(*self._arguments), questions()


def questions() -> list[Property[int]]:
    """Questions that many states decide."""
    return [
        always("not 50", _not_50, _even),
        sometimes("a state of 40", _from_40),
        sometimes("none", _none),
    ]


def _not_50(state: int) -> bool:
    return state != 50


def _even(state: int) -> bool:
    return state % 2 == 0


def _from_40(state: int) -> bool:
    return state > 40


def _none(state: int) -> bool:
    return False


class DeadlyGraph(Graph):
    """Kills its process at one state, as often as it is told to."""

    def __init__(self, edges: Sequence[Sequence[int]], deadly: int, marks: Path | None, times: int) -> None:
        super().__init__(edges, registering=True)
        self._deadly, self._marks, self._times = deadly, marks, times

    def successors(self, state: int) -> Iterator[tuple[str, int]]:
        if state == self._deadly and self._marks is not None:
            killed = len(list(self._marks.iterdir()))
            if killed < self._times:
                (self._marks / str(killed)).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().successors(state)


def held() -> int:
    """The owners that this process has."""
    import gc

    from pfnlab.campaign.cluster import owners

    gc.collect()
    return len(owners._HELD)


def told_of(result: Any) -> dict[str, Any]:
    """All of the result of a check but its time."""
    return {name: getattr(result, name) for name in result.__struct_fields__ if name != "seconds"}
