"""Guided walks compared with uniform ones: coverage for the same number of steps, scope by scope.

Both start from the same seeds, in turn. Distinct states, pairs of consecutive operation kinds, and branches
taken in the model are counted. Nothing is timed, so machine load has no effect.

    python evidence/benchmarks/guided_walks.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterable
from typing import Any

from measuring import show

from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.operations import ScopeStep
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.checker.search.random_walks import simulate
from pfnlab.hunt.fuzz.coverage import watch_rules
from pfnlab.programs.model.model_machine import ModelMachine

#: Scopes, with the number of walks and their steps.
SCOPES = {"standard": (15, 8), "leaves": (15, 8), "wide": (6, 6)}
SEEDS = 3


class WatchedKernel(KernelModel):
    """A modelled kernel that records which steps walks took."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(ModelMachine("7.2"), scope)
        self.pairs: set[tuple[str, str]] = set()
        #: The last operation kind on the way to a returned state.
        self._kinds: dict[int, tuple[KernelState, str]] = {}

    def successors(self, state: KernelState) -> Iterable[tuple[ScopeStep, KernelState]]:
        """The steps; asking for a state's steps means that the walk has reached it."""
        _, before = self._kinds.get(id(state), (state, ""))
        came = before.split(" > ")
        if len(came) == 2:
            self.pairs.add((came[0], came[1]))
        last = came[-1]
        self._kinds = {}
        for step, after in super().successors(state):
            self._kinds[id(after)] = after, f"{last} > {step.kind}" if last else step.kind
            yield step, after


def reached(scope: Scope, walks: int, length: int, seed: int, *, guided: bool) -> tuple[int, ...]:
    """Distinct states, pairs of kinds, and branches."""
    model = WatchedKernel(scope)
    watch = watch_rules()
    with watch:
        found: Any = simulate(model, seed=seed, walks=walks, length=length, guided=guided)
    return found.states, len(model.pairs), len(watch.seen)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one seed, a few steps")
    quick = parser.parse_args().quick
    rows = []
    for name, (walks, length) in SCOPES.items():
        scope = load_scope(name)
        assert isinstance(scope, Scope)
        both = [
            tuple(
                reached(scope, 2 if quick else walks, 3 if quick else length, seed, guided=guided)
                for guided in (False, True)
            )
            for seed in range(1 if quick else SEEDS)
        ]
        for place, what in enumerate(("states", "pairs", "branches")):
            uniform = statistics.median(one[place] for one, _ in both)
            guided = statistics.median(one[place] for _, one in both)
            ratio = statistics.median(second[place] / max(first[place], 1) for first, second in both)
            rows.append([f"{name}: {what}", f"{uniform:.0f}", f"{guided:.0f}", f"{ratio:.2f}"])
    show("reached in as many steps, median of seeds", ["scope", "uniform", "guided", "ratio"], rows)


if __name__ == "__main__":
    main()
