"""The parts of a value."""

from __future__ import annotations

import msgspec

from pfnlab.base.json_text import values_in


class Pair(msgspec.Struct):
    """A structure with a table."""

    name: str
    rows: dict[str, list[int]]


def test_every_part_of_a_value_is_there() -> None:
    """Of structures, tables and lists, each after what contains it."""
    pair = Pair("a", {"b": [1, 2]})

    assert [(pair,), pair, "a", {"b": [1, 2]}, [1, 2], 1, 2] == list(values_in((pair,)))
