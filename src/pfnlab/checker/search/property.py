"""The properties that are judged: a property is a name and a predicate on single states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal

from pfnlab.checker.search.model import State


@dataclass(frozen=True)
class Property(Generic[State]):
    """A question about the reachable states.

    :param kind: ``always``: no reachable state breaks it. ``sometimes``: some reachable state satisfies it,
        which guards against a search that looked at nothing
    :param premise: whether the question arises in a state; a property whose premise was never true holds
        vacuously, and the verdict says so
    :param of_step: whether it asks of the step to a state something that the state's key does not have: it is
        judged where the state is known, too
    """

    name: str
    kind: Literal["always", "sometimes"]
    holds: Callable[[State], bool]
    premise: Callable[[State], bool] | None = None
    of_step: bool = False


def always(
    name: str, holds: Callable[[State], bool], premise: Callable[[State], bool] | None = None
) -> Property[State]:
    """A property that every reachable state has where *premise* is true."""
    return Property(name, "always", holds, premise)


def sometimes(
    name: str, holds: Callable[[State], bool], premise: Callable[[State], bool] | None = None
) -> Property[State]:
    """A property that some reachable state has."""
    return Property(name, "sometimes", holds, premise)
