"""States found but not yet expanded: a queue or stack whose middle may be on disk."""

import pickle
import struct
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Any, Generic, Literal

from pfnlab.checker.search.model import ComposedModel, Model, State
from pfnlab.checker.search.scratch import ROOM, written
from pfnlab.checker.search.visited import Fingerprints, PartTable, SpillingFingerprints, VisitedStates

Order = Literal["breadth", "depth"]

#: A state's number, its distance from an initial state in steps, and the state itself.
Waiting = tuple[int, int, State]

#: Encodes a state as words and decodes it.
StateCodec = tuple[Callable[[State], bytes], Callable[[bytes], State]]

_HEAD = struct.Struct("<QI")


class Frontier(Generic[State]):
    """States waiting to be expanded: first in, first out for breadth; last in, first out for depth.

    :param folder: the folder for states beyond two parts; None keeps all states in memory
    :param part: the number of states written to one file and read back together
    :param codec: stores a state as words; None stores it unchanged
    """

    def __init__(
        self,
        order: Order,
        folder: File | None = None,
        part: int = 1 << 14,
        codec: StateCodec[State] | None = None,
    ) -> None:
        self._order, self._codec = order, codec
        self._folder = folder
        self.part = part
        # With a codec, one byte string per state: its number, its depth and its words.
        self._out: deque[Any] = deque()  # taken from here
        self._in: deque[Any] = deque()  # breadth only: added here once something is on disk
        self._files: deque[tuple[File, int]] = deque()
        self._files_made = 0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def files(self) -> int:
        """The number of parts on disk."""
        return len(self._files)

    def add(self, number: int, depth: int, state: State) -> None:
        self._count += 1
        kept = self._kept((number, depth, state))
        if self._order == "breadth" and (self._files or self._in):
            self._in.append(kept)
        else:
            self._out.append(kept)
        if self._folder is not None:
            self._spill(self._folder)

    def take(self) -> Waiting[State]:
        self._count -= 1
        if not self._out:
            self._refill()
        return self._waiting(self._out.popleft() if self._order == "breadth" else self._out.pop())

    def put_back(self, waiting: Waiting[State]) -> None:
        """Put a state that was taken from a queue back at the front."""
        self._count += 1
        self._out.appendleft(self._kept(waiting))

    def _kept(self, waiting: Waiting[State]) -> Any:
        if self._codec is None:
            return waiting
        number, depth, state = waiting
        return _HEAD.pack(number, depth) + self._codec[0](state)

    def _waiting(self, kept: Any) -> Waiting[State]:
        if self._codec is None:
            return kept  # type: ignore[no-any-return]
        number, depth = _HEAD.unpack_from(kept)
        return number, depth, self._codec[1](kept[_HEAD.size :])

    def first_depth(self) -> int:
        """The depth of the state that :meth:`take` would return next; at least one state must be waiting."""
        return self._first()[1]

    def first_number(self) -> int:
        """The number of the state that :meth:`take` would return next; at least one state must be waiting."""
        return self._first()[0]

    def _first(self) -> tuple[int, int]:
        """The number and depth of the next state."""
        if not self._out:
            self._refill()
        kept = self._out[0 if self._order == "breadth" else -1]
        number, depth, *_ = kept if self._codec is None else _HEAD.unpack_from(kept)
        return number, depth

    def everything(self) -> Iterator[Waiting[State]]:
        """The waiting states, in the order in which they were added."""
        yield from map(self._waiting, self._out if self._order == "breadth" else ())
        for file, _ in self._files:
            yield from map(self._waiting, _read(file))
        yield from map(self._waiting, self._in if self._order == "breadth" else self._out)

    def _spill(self, folder: File) -> None:
        queue = self._in if self._in else self._out
        if len(queue) < 2 * self.part:
            return
        if self._order == "breadth":
            # The oldest part of the first overflow stays, to be taken next; all others go to disk in turn.
            keep = self.part if queue is self._out else 0
            self._write(folder, [queue[at] for at in range(keep, len(queue))])
            while len(queue) > keep:
                queue.pop()
        else:
            self._write(folder, [queue.popleft() for _ in range(self.part)])

    def _write(self, folder: File, waiting: list[Any]) -> None:
        file = folder / f"frontier-{self._files_made}"
        self._files_made += 1
        with written(folder, ROOM):
            # No other user can write to the folder (:mod:`.scratch`), and the file is removed when the search
            # ends.
            file.write_bytes(pickle.dumps(waiting, pickle.HIGHEST_PROTOCOL))
        self._files.append((file, len(waiting)))

    def _refill(self) -> None:
        if self._files:
            file, _ = self._files.popleft() if self._order == "breadth" else self._files.pop()
            self._out.extend(_read(file))
            file.unlink()
        else:
            self._out, self._in = self._in, self._out


def _read(file: File) -> list[Any]:
    waiting: list[Any] = pickle.loads(file.read_bytes())
    return waiting


def storage(
    model: Model[State], order: Order, memory: int | None = None, folder: File | None = None
) -> tuple[VisitedStates, Frontier[State]]:
    """Empty storage for fingerprints and for waiting states.

    :param memory: about how many bytes both may take; the rest goes to files in *folder*
    :raises Undecided: from the storage's methods, if the disk is full
    """
    if memory is not None and folder is not None:
        waiting = Frontier[State](order, folder, part=_part(model, memory // 4))
        return SpillingFingerprints(memory * 3 // 4, folder), waiting
    return Fingerprints(), Frontier(order, codec=_codec(model) if isinstance(model, ComposedModel) else None)


def _codec(model: ComposedModel[State]) -> StateCodec[State]:
    """Encodes states as words of one table of parts."""
    table = PartTable()
    return (lambda state: table.words(model.parts(state)), lambda words: model.composed(table.parts(words)))


def _part(model: Model[State], limit: int) -> int:
    """The number of states per part of a frontier, so that four parts take about *limit* bytes."""
    size = max((len(pickle.dumps(state)) for state in model.initial()), default=64)
    # In memory, a state takes a few times its pickled size.
    return max(64, limit // (4 * 4 * size))
