"""The limits of a check: an exhaustive search, or random walks."""

import msgspec


class Exhaustive(msgspec.Struct, frozen=True, kw_only=True, tag="exhaustive"):
    """A search that tries every sequence, with the limits that end it early.

    :param depth: the maximum number of consecutive operations, overriding the scope; 0 for no limit
    :param every_order: for races, disable partial-order reduction
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    every_order: bool = False

    @property
    def whole_ways(self) -> bool:
        """True if the search must follow every path to each state; partial-order reduction omits some."""
        return self.every_order or self.depth is not None


class Walks(msgspec.Struct, frozen=True, kw_only=True, tag="walks"):
    """Random walks."""

    count: int
    seed: int = 0
    depth: int | None = None
    seconds: float | None = None


#: The kind of check and its limits.
CheckLimits = Exhaustive | Walks

#: Search to the scope's depth, with no other limits.
UNLIMITED = Exhaustive()
