"""What models count while they are searched, as plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any


def tallies(*counters: Counter[Any]) -> tuple[Any, ...]:
    """*counters* as plain values; what they count are such."""
    return tuple(tuple(one.items()) for one in counters)


def recall(kept: Iterable[Any], *counters: Counter[Any]) -> None:
    """Let *counters* go on from what :func:`tallies` gave of as many.

    :raises ValueError: it gave no such thing
    """
    try:
        found = [dict(one) for one in kept]
        for counter, counts in zip(counters, found, strict=True):
            counter.clear()
            counter.update(counts)
    except TypeError:
        raise ValueError("no tallies") from None
