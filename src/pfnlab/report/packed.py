"""The search of a packed model, as text and as one JSON object (``pfnlab-packed/1``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pfnlab.checker.search.exploration import Exploration
from pfnlab.made import made
from pfnlab.units import number_of

#: The value of ``format``.
PACKED_FORMAT = "pfnlab-packed/1"


def packed_object(name: str, found: Exploration[int], asked: Collection[str]) -> dict[str, Any]:
    """The object for the model of the file *name*; keys are only ever added.

    :param asked: the properties that are told
    """
    return {
        "format": PACKED_FORMAT,
        "made": made(),
        "model": name,
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "complete": found.complete,
        "cut": list(found.cut),
        "properties": [
            {"name": question, "verdict": _verdict(found, question), "path": _path(found, question)}
            for question in asked
        ],
        "seconds": round(found.seconds, 3),
    }


def packed_lines(name: str, found: Exploration[int], asked: Collection[str]) -> Iterator[str]:
    """The same as lines."""
    rate = found.states / found.seconds if found.seconds else 0.0
    yield f"{name}: {number_of(found.states, 'state')}, {number_of(found.transitions, 'step')}"
    yield f"no state is farther than {found.depth}, {found.seconds:.1f} s ({rate:,.0f} states/s)"
    yield ""
    for question in asked:
        yield f"{_verdict(found, question):<9}  {question}"
        yield from (f"{'':<11}{action}" for action in _path(found, question) or ())
    yield from (f"cut: {reason}" for reason in found.cut)


def packed_code(found: Exploration[int], asked: Collection[str]) -> int:
    """The exit code: 1 where a property is violated, 3 where the search was cut off."""
    if any(question in found.discoveries for question in asked):
        return 1
    return 0 if found.complete else 3


def _verdict(found: Exploration[int], question: str) -> str:
    if question in found.discoveries:
        return "VIOLATED"
    return "always" if found.complete else "undecided"


def _path(found: Exploration[int], question: str) -> list[str] | None:
    if question not in found.discoveries:
        return None
    return [str(action) for action in found.discoveries[question].actions]
