"""The limits of a check: an exhaustive search, random walks, or a swarm of small searches."""

from pathlib import Path

import msgspec


class Exhaustive(msgspec.Struct, frozen=True, kw_only=True, tag="exhaustive"):
    """A search that tries every sequence, with the limits that end it early.

    :param depth: the maximum number of consecutive operations, overriding the scope; 0 for no limit
    :param memory: bytes of memory for visited states; further states go to disk
    :param checkpoint: the file to which the search is written if it is cut off; if it exists, the search
        resumes from it
    :param every_order: for races, disable partial-order reduction
    """

    depth: int | None = None
    states: int | None = None
    seconds: float | None = None
    memory: int | None = None
    checkpoint: Path | None = None
    every_order: bool = False

    @property
    def whole_ways(self) -> bool:
        """True if the search must follow every path to each state; partial-order reduction omits some."""
        return self.every_order or (self.depth, self.memory, self.checkpoint) != (None, None, None)


class Walks(msgspec.Struct, frozen=True, kw_only=True, tag="walks"):
    """Random walks.

    :param guided: prefer states and pairs of operations that no walk has reached
    """

    count: int
    seed: int = 0
    guided: bool = False
    depth: int | None = None
    seconds: float | None = None


class Swarm(msgspec.Struct, frozen=True, kw_only=True, tag="swarm"):
    """Depth-first searches, each in its own order and without some operations.

    :param states: the maximum number of states per search; None for the default
    """

    searches: int
    states: int | None = None
    seed: int = 0
    depth: int | None = None
    seconds: float | None = None


#: The kind of check and its limits.
CheckLimits = Exhaustive | Walks | Swarm

#: Search to the scope's depth, with no other limits.
UNLIMITED = Exhaustive()
