"""States found but not yet expanded, first in, first out."""

import struct
from collections import deque
from typing import Any, Generic

from pfnlab.checker.search.model import ComposedModel, Model, State
from pfnlab.checker.search.visited import PartTable

#: A state's number, its distance from an initial state in steps, and the state itself.
Waiting = tuple[int, int, State]

_HEAD = struct.Struct("<QI")


class Frontier(Generic[State]):
    """States waiting to be expanded.

    A state that *model* composes of parts (:class:`.model.ComposedModel`) is stored as one byte string: its
    number, its depth, and its parts as words of one table.
    """

    def __init__(self, model: Model[State]) -> None:
        self._composed = model if isinstance(model, ComposedModel) else None
        self._table = PartTable()
        self._queue: deque[Any] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, number: int, depth: int, state: State) -> None:
        self._queue.append(self._stored(number, depth, state))

    def put_back(self, waiting: Waiting[State]) -> None:
        """Put a state that was taken back at the front."""
        self._queue.appendleft(self._stored(*waiting))

    def take(self) -> Waiting[State]:
        stored = self._queue.popleft()
        if self._composed is None:
            return stored  # type: ignore[no-any-return]
        number, depth = _HEAD.unpack_from(stored)
        return number, depth, self._composed.composed(self._table.parts(stored[_HEAD.size :]))

    def first(self) -> tuple[int, int]:
        """Number and depth of the state that :meth:`take` would return next; at least one must be waiting."""
        first = self._queue[0]
        number, depth, *_ = first if self._composed is None else _HEAD.unpack_from(first)
        return number, depth

    def _stored(self, number: int, depth: int, state: State) -> Any:
        if self._composed is None:
            return number, depth, state
        return _HEAD.pack(number, depth) + self._table.words(self._composed.parts(state))
