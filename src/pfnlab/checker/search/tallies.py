"""The counts of models during a search, as plain values."""

from collections import Counter
from collections.abc import Iterable
from typing import Any


def tallies(*counters: Counter[Any]) -> tuple[Any, ...]:
    """*counters* as plain values; their keys must be plain values."""
    return tuple(tuple(counter.items()) for counter in counters)


def add(tallies: Iterable[Any], *counters: Counter[Any]) -> None:
    """Add *tallies*, which :func:`tallies` gave for as many counters in another process."""
    for counter, counts in zip(counters, tallies, strict=True):
        counter.update(dict(counts))


def recall(tallies: Iterable[Any], *counters: Counter[Any]) -> None:
    """Let *counters* continue from *tallies*, which :func:`tallies` gave for as many counters.

    :raises ValueError: it gave no such value
    """
    try:
        tables = [dict(counts) for counts in tallies]
        for counter, counts in zip(counters, tables, strict=True):
            counter.clear()
            counter.update(counts)
    except TypeError:
        raise ValueError("no tallies") from None
