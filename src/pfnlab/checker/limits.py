"""The limits of a check: a search of every sequence, random walks, or a swarm of small searches."""

from pathlib import Path

import msgspec


class Exhaustive(msgspec.Struct, frozen=True, kw_only=True, tag="exhaustive"):
    """A search of every sequence, and the limits that end it before every state was seen.

    :param depth: the most operations in a row, instead of the scope's depth; 0 for sequences of any length
    :param memory: bytes for visited states; further states go to disk
    :param checkpoint: the file to which a cut search is written; if it exists, the search resumes from it
    :param every_order: of races, search also the orders that cannot matter
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    memory: int | None = None
    checkpoint: Path | None = None
    every_order: bool = False

    @property
    def whole_ways(self) -> bool:
        """True where the search has to see every way to a state, which partial-order reduction leaves out."""
        return self.every_order or (self.depth, self.memory, self.checkpoint) != (None, None, None)


class Walks(msgspec.Struct, frozen=True, kw_only=True, tag="walks"):
    """Random walks.

    :param guided: prefer states and pairs of operations that no walk has seen
    """

    count: int
    seed: int = 0
    guided: bool = False
    depth: int | None = None
    seconds: float | None = None


class Swarm(msgspec.Struct, frozen=True, kw_only=True, tag="swarm"):
    """Searches into the depth, each in an order of its own and without some operations.

    :param states: the most states of each search; None for the usual number
    """

    searches: int
    states: int | None = None
    seed: int = 0
    depth: int | None = None
    seconds: float | None = None


#: What a check does, and what ends it.
CheckLimits = Exhaustive | Walks | Swarm

#: To the depth of the scope, and to the end.
UNLIMITED = Exhaustive()
