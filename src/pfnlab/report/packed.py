"""The search of a packed model."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from pfnlab.checker.search.exploration import Exploration
from pfnlab.result import Count, Made, Outcome, Result


class PackedProperty(msgspec.Struct, frozen=True):
    """The result for one property of a packed model.

    :param name: as the model names it
    :param verdict: ``always``: in every state that can be reached; ``undecided``: the search was cut off
    :param path: the steps to a state that breaks it, as few as there are; null where none was found
    """

    name: str
    verdict: Literal["always", "VIOLATED", "undecided"]
    path: tuple[str, ...] | None


class PackedResult(Result, frozen=True, kw_only=True, tag="pfnlab-packed/1"):
    """The search of a packed model.

    :param model: the file of the model
    :param states: distinct states
    :param transitions: steps taken between states
    :param depth: how far the farthest state found is from an initial one
    :param complete: whether every state that can be reached was seen
    :param cut: what was left out
    :param properties: the properties asked for, in the model's order
    :param seconds: what the search took, in seconds
    """

    model: str
    states: Count
    transitions: Count
    depth: Count
    complete: bool
    cut: tuple[str, ...]
    properties: tuple[PackedProperty, ...]
    seconds: float

    @classmethod
    def of(cls, name: str, found: Exploration[int], asked: Collection[str]) -> PackedResult:
        """The result for the model of the file *name*.

        :param asked: the properties that are reported
        """
        return cls(
            made=Made.now(),
            model=name,
            states=found.states,
            transitions=found.transitions,
            depth=found.depth,
            complete=found.complete,
            cut=tuple(found.cut),
            properties=tuple(_property(found, question) for question in asked),
            seconds=round(found.seconds, 3),
        )

    @property
    def outcome(self) -> Outcome:
        """A violation is a discovery, also where the search was cut off."""
        if any(one.verdict == "VIOLATED" for one in self.properties):
            return Outcome.DISCOVERY
        return Outcome.AS_EXPECTED if self.complete else Outcome.UNDECIDED


def _property(found: Exploration[int], question: str) -> PackedProperty:
    if question in found.discoveries:
        path = tuple(str(action) for action in found.discoveries[question].actions)
        return PackedProperty(question, "VIOLATED", path)
    return PackedProperty(question, "always" if found.complete else "undecided", None)
