"""Several searches side by side, one process each: roots, scopes or designs that are independent.

Whole searches share nothing, so two cores do twice as many. One search is split only where a step takes much
longer than a pipe (:mod:`.expanders`): at a microsecond a step, handing half of all successors to another
process costs more than it gains.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import Model, State
from pfnlab.checker.search.property import Property
from pfnlab.processes import in_order
from pfnlab.units import number_of


class Root(Generic[State]):
    """A model with only one of its initial states."""

    def __init__(self, model: Model[State], number: int) -> None:
        self._model, self.number = model, number
        self.successors, self.key = model.successors, model.key

    def initial(self) -> Sequence[State]:
        return [list(self._model.initial())[self.number]]


def explore_roots(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    processes: int | None = None,
    **options: Any,
) -> Exploration[State]:
    """Search from each initial state of *model* by itself, side by side.

    It pays when the initial states lead to different states: devices, designs, kernels. States that several
    roots reach are searched, and counted, several times; the verdicts are those of one search.

    :param options: the options of :func:`.explore.explore`, for each search
    """

    def search(number: int) -> Exploration[State]:
        found = explore(Root(model, number), properties, **options)
        # Properties are functions, and the caller has them.
        found.properties = ()
        return found

    roots = range(len(list(model.initial())))
    results = list(in_order(search, roots, processes, named=lambda number: f"search {number}"))
    for result in results:
        result.properties = properties
    return merged(results, roots)


def merged(results: Sequence[Exploration[State]], roots: Sequence[int] | None = None) -> Exploration[State]:
    """One result of searches that judged the same properties on parts of one model.

    :param roots: for each search the number of its initial state in the model, see :class:`Root`
    :return: counts are sums: a state that several searches found counts once for each
    """
    total = Exploration(results[0].properties if results else ())
    for number, result in enumerate(results):
        total.states += result.states
        total.transitions += result.transitions
        total.expanded += result.expanded
        total.frontier += result.frontier
        total.depth = max(total.depth, result.depth)
        total.seconds = max(total.seconds, result.seconds)
        total.premises.update(result.premises)
        total.fired.update(result.fired)
        total.cut.extend(f"search {number}: {reason}" for reason in result.cut)
        size = max(len(total.growth), len(result.growth))
        padded = ([*growth, *[0] * (size - len(growth))] for growth in (total.growth, result.growth))
        total.growth = [a + b for a, b in zip(*padded, strict=True)]
        for name, way in result.discoveries.items():
            if roots is not None:
                way = type(way)(roots[number], way.choices, way.actions)
            discovery = total.discoveries.get(name)
            if discovery is None or len(way) < len(discovery):
                total.discoveries[name] = way
    total.note = (
        f"{number_of(len(results), 'search', 'searches')}: a state counts once for each that found it"
    )
    return total
