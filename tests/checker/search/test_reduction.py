"""Partial-order reduction: fewer states, the same verdicts, and footprints that are true."""

from __future__ import annotations

import pytest
from shared_race import PROPERTIES, Race, Racing

from pfnlab.checker.search.exploration import Exploration
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.frontier import Order
from pfnlab.checker.search.reduction import Footprint, by_footprint, disagreements

ORDERS: tuple[Order, ...] = ("breadth", "depth")
MODELS = [
    Race(fixed, pages, cpus, accesses, local)
    for fixed in (True, False)
    for pages, cpus, accesses, local in ((1, 1, 1, 0), (2, 1, 2, 0), (2, 2, 1, 0), (1, 2, 1, 1), (2, 1, 1, 2))
]


def verdicts(found: Exploration[Racing]) -> list[str]:
    """One for each property."""
    return [found.verdict(asked.name) for asked in PROPERTIES]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("model", MODELS)
def test_verdicts_are_the_same_with_and_without(model: Race, order: Order) -> None:
    """On both variants of the race, for several numbers of pages, processors and accesses."""
    full = explore(model, PROPERTIES, order=order)
    reduced = explore(model, PROPERTIES, order=order, ample=by_footprint(model, model.visible))

    assert verdicts(full) == verdicts(reduced)
    assert ("holds" if model.fixed else "violated") == verdicts(full)[0]
    assert reduced.states < full.states


def test_every_final_state_is_reached_with_reduction() -> None:
    """Reduction leaves out ways, never where they end."""
    model = Race(fixed=False, pages=2, cpus=2, accesses=1)

    def finals(reduce: bool) -> set[Racing]:
        ample = by_footprint(model, model.visible) if reduce else None
        met: list[Racing] = []
        last: set[Racing] = set()

        class Watched(Race):
            def key(self, state: Racing) -> Racing:
                met.append(state)
                return state

        watched = Watched(fixed=False, pages=2, cpus=2, accesses=1)
        explore(watched, ample=ample)
        last.update(state for state in met if not list(model.successors(state)))
        return last

    assert finals(False) == finals(True)


@pytest.mark.parametrize(
    ("local", "factor"),
    [(0, 2), (1, 8)],
)
def test_it_pays_with_four_threads(local: int, factor: int) -> None:
    """The more a thread does on its own variables, the more."""
    model = Race(fixed=True, pages=2, cpus=2, accesses=1, local=local)

    full = explore(model).states
    reduced = explore(model, ample=by_footprint(model, model.visible)).states

    assert full >= factor * reduced


def test_counts_of_the_race_are_pinned() -> None:
    """Both orders, both variants, without reduction; breadth first with it."""
    counts = {}
    for fixed in (True, False):
        model = Race(fixed, pages=2, cpus=2, accesses=1)
        full = {explore(model, order=order).states for order in ORDERS}
        counts[fixed] = full, explore(model, ample=by_footprint(model, model.visible)).states

    assert {True: ({4993}, 2371), False: ({4621}, 2227)} == counts


def test_the_shortest_schedule_of_the_race() -> None:
    """Ten steps: an access fills the TLB, munmap unlinks before it flushes, the other one looks and frees."""
    model = Race(fixed=False, pages=1, cpus=1, accesses=1)

    way = explore(model, PROPERTIES).discoveries[PROPERTIES[0].name]

    kinds = [str(action[1]) for action in way.actions if isinstance(action, tuple)]
    assert kinds.index("unlink") < kinds.index("look") < kinds.index("free")
    assert "flush" not in kinds


@pytest.mark.parametrize("model", MODELS)
def test_footprints_are_true(model: Race) -> None:
    """In no reachable state does a picked step fail to commute with another."""
    states: list[Racing] = []

    class Watched(Race):
        def key(self, state: Racing) -> Racing:
            states.append(state)
            return state

    explore(Watched(model.fixed, model.pages, model.cpus, model.accesses, model.local), depth=12)

    assert [] == disagreements(model, by_footprint(model, model.visible), states)


def test_a_wrong_footprint_is_found_out() -> None:
    """An access that says it reads no entry does not commute with clearing it."""

    class Wrong(Race):
        def next_of(self, state: Racing, thread: object) -> Footprint:
            return Footprint() if str(thread).startswith("cpu") else super().next_of(state, thread)

        def rest_of(self, state: Racing, thread: object) -> Footprint:
            return Footprint() if str(thread).startswith("cpu") else super().rest_of(state, thread)

    states: list[Racing] = []

    class Watched(Wrong):
        def key(self, state: Racing) -> Racing:
            states.append(state)
            return state

    model = Watched(fixed=False)
    explore(model, depth=6)

    assert disagreements(Wrong(fixed=False), by_footprint(model, 0), states)


class Spinning:
    """One thread goes round in a circle of its own, another breaks the property with its only step."""

    def initial(self) -> list[tuple[int, bool]]:
        return [(0, False)]

    def successors(self, state: tuple[int, bool]) -> list[tuple[tuple[str, int], tuple[int, bool]]]:
        at, done = state
        steps = [(("spin", at), ((at + 1) % 3, done))]
        return steps if done else [*steps, (("break", 0), (at, True))]

    def key(self, state: tuple[int, bool]) -> tuple[int, bool]:
        return state


@pytest.mark.parametrize("order", ORDERS)
def test_a_circle_puts_nothing_off_for_ever(order: Order) -> None:
    """Picking only the harmless circle would never come to the other step."""
    from pfnlab.checker.search.property import always

    asked = always("unbroken", lambda state: not state[1])

    found = explore(
        Spinning(), [asked], order=order, ample=lambda state, steps: (0,) if len(steps) > 1 else ()
    )

    assert "violated" == found.verdict("unbroken")
