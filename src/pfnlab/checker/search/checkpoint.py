"""Saves a search: all the data needed to resume it later, in one file of plain data.

Reading the file runs no code from it, so the worst an untrusted file can do is be wrong.
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path as File
from typing import Any, BinaryIO, Generic, Literal

import msgspec

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.files import check_regular
from pfnlab.base.inert import one_line
from pfnlab.base.version import VERSION
from pfnlab.base.whole_file import try_writing, whole_file
from pfnlab.checker.search import plain_values
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.frontier import Waiting
from pfnlab.checker.search.model import Model, State, Storable, UnmetError
from pfnlab.checker.search.path import path_along, path_of
from pfnlab.checker.search.scratch import written
from pfnlab.checker.search.trail import Trail
from pfnlab.checker.search.visited import Marks

_FAMILY = b"pfnlab search "
_MAGIC = _FAMILY + b"4\n"

#: The letters that mark records.
_HEADER, _PARENTS, _CHOICES, _DEPTHS, _CLOSED, _VISITED, _WAITING = (b"%c" % letter for letter in b"hpcdxvw")

#: The number of states per record.
_TOGETHER = 1 << 12

_STATES = list[tuple[int, int, bytes]]

#: Options that must not change when a search is resumed.
Settings = dict[str, bool | int | str | None]


class Progress(Generic[State]):
    """The progress of a search, with all that is needed to resume it.

    :ivar trail: the origin of each state
    :ivar depths: the depth of each state, in searches where it can change
    :ivar closed: whether each state has been expanded, in searches that need this
    """

    found: Exploration[State]
    trail: Trail
    visited: Marks
    depths: array[int]
    closed: bytearray


class _SavedExploration(msgspec.Struct):
    """The saved part of an :class:`.exploration.Exploration`; discoveries are encoded as paths."""

    states: int
    transitions: int
    depth: int
    growth: list[int]
    discoveries: dict[str, str]
    premises: dict[str, int]
    fired: dict[str, int]
    seconds: float
    expanded: int


class _Maker(msgspec.Struct):
    """:param maker: the version that wrote the file; the form of a state depends on it"""

    maker: str


class _Header(_Maker):
    """:param model: the :func:`likeness` of the model
    :param properties: the names of the properties
    :param choices: the type code of the trail's choices
    :param tallies: the counts of the model
    """

    model: str
    properties: tuple[str, ...]
    settings: Settings
    found: _SavedExploration
    choices: Literal["H", "I"]
    tallies: bytes


class Checkpoint(Generic[State]):
    """Writes a search to a file and reads it back.

    :param settings: options that must not change when a search is resumed
    :raises Misuse: if the model's states are not plain values and it does not pack them
    """

    def __init__(
        self, model: Model[State], properties: Sequence[Property[State]], settings: Settings
    ) -> None:
        self._model, self._settings = model, settings
        self._names = tuple(question.name for question in properties)
        self._storable: Storable[State] = model if isinstance(model, Storable) else _AsItIs()
        tallies = self._storable.tallies()
        self._likeness = likeness(model)
        # Do not count the steps taken by :func:`likeness`.
        self._storable.recall(tallies)
        for state in model.initial():
            packed = self._storable.packed(state)
            try:
                same = plain_values.loads(plain_values.dumps(packed)) == packed
            except ValueError:
                same = False
            if not same:
                raise Misuse(f"the search cannot be saved: {state!r} is not a plain value, even when packed")

    def prepare(self, file: File) -> None:
        """Check, before the search, that *file* can be written.

        :raises Misuse: if it cannot be written
        :raises Undecided: if there is no room
        """
        with written(file, _ROOM):
            try_writing(file)

    def write(self, file: File, search: Progress[State], waiting: Iterable[Waiting[State]]) -> None:
        """Replace *file*, or leave it unchanged.

        :raises Misuse: if it cannot be written, or a state is not a plain value
        :raises Undecided: if there is no room for it
        """
        found, trail = search.found, search.trail
        counts = {name: getattr(found, name) for name in _SavedExploration.__struct_fields__}
        counts["discoveries"] = {name: way.encode() for name, way in found.discoveries.items()}
        header = _Header(
            _maker(),
            self._likeness,
            self._names,
            self._settings,
            _SavedExploration(**counts),
            "H" if trail.choices.typecode == "H" else "I",
            plain_values.dumps(self._storable.tallies()),
        )
        with written(file, _ROOM), writing(file, _MAGIC) as add:
            add(_HEADER, msgspec.msgpack.encode(header))
            add(_PARENTS, trail.parents.tobytes())
            add(_CHOICES, trail.choices.tobytes())
            add(_DEPTHS, search.depths.tobytes())
            add(_CLOSED, bytes(search.closed))
            for part in search.visited.dump():
                add(_VISITED, part)
            entries = iter(waiting)
            while batch := [self._dumped(*entry) for entry in islice(entries, _TOGETHER)]:
                add(_WAITING, msgspec.msgpack.encode(batch))

    def _dumped(self, number: int, depth: int, state: State) -> tuple[int, int, bytes]:
        try:
            return number, depth, plain_values.dumps(self._storable.packed(state))
        except ValueError:
            raise Misuse(f"the search cannot be saved: {state!r} is not a plain value") from None

    def read(self, file: File, search: Progress[State], add: Callable[[int, int, State], None]) -> None:
        """Load the search saved in *file* into *search*.

        :param add: called for each waiting state with its number, its depth, and the state itself
        :raises Misuse: if *file* does not exist, is damaged, or contains no search or a different one
        """
        with _saved_records(file) as contents:
            _, data = next(contents)
            header = self._header(data)
            self._take_over(search, header)
            for letter, group in groupby(contents, itemgetter(0)):
                parts = (data for _, data in group)
                if letter == _VISITED:
                    search.visited.load(parts)
                elif letter == _WAITING:
                    _check_whole(search)
                    for part in parts:
                        for number, depth, packed in msgspec.msgpack.decode(part, type=_STATES):
                            if not 0 <= number < len(search.trail):
                                raise ValueError("a state that was not found waits")
                            add(number, depth, self._state(search.trail, number, packed))
                elif letter == _PARENTS:
                    search.trail.parents = array("I", b"".join(parts))
                elif letter == _CHOICES:
                    search.trail.choices = array(header.choices, b"".join(parts))
                elif letter == _DEPTHS:
                    search.depths = array("I", b"".join(parts))
                elif letter == _CLOSED:
                    search.closed = bytearray(b"".join(parts))
            _check_whole(search)
            # Do not count steps replayed in the meantime.
            self._storable.recall(plain_values.loads(header.tallies))

    def _header(self, data: bytes) -> _Header:
        maker = msgspec.msgpack.decode(data, type=_Maker).maker
        if maker != _maker():
            raise Misuse(f"the saved search is from {one_line(maker)}, this is {_maker()}: start again")
        header = msgspec.msgpack.decode(data, type=_Header)
        if header.model != self._likeness:
            raise Misuse("the saved search is of another model or scope: use the same, or start again")
        if header.properties != self._names:
            asked = one_line(", ".join(header.properties)) or "nothing"
            raise Misuse(f"the saved search asked {asked}: ask the same")
        for name, value in header.settings.items():
            if self._settings.get(name) != value:
                saved = one_line(f"{name} {value}")
                raise Misuse(f"the saved search has {saved}, not {self._settings.get(name)}: give the same")
        return header

    def _take_over(self, search: Progress[State], header: _Header) -> None:
        found = search.found
        for name in _SavedExploration.__struct_fields__:
            value = getattr(header.found, name)
            if name == "discoveries":
                value = {question: path_of(self._model, way) for question, way in value.items()}
            kind = type(getattr(found, name))
            setattr(found, name, kind(value))
        self._storable.recall(plain_values.loads(header.tallies))

    def _state(self, trail: Trail, number: int, packed: bytes) -> State:
        value = plain_values.loads(packed)
        try:
            return self._storable.unpacked(value)
        except UnmetError:
            path_along(self._model, *trail.way_to(number))
            return self._storable.unpacked(value)


def _check_whole(search: Progress[Any]) -> None:
    """:raises ValueError: if a state has no path, or lacks the depth that the others have"""
    count = len(search.trail)
    parts = (len(search.depths), len(search.closed))
    if parts not in ((0, 0), (count, count)) or not search.trail.is_sound():
        raise ValueError("states without a way")


class _AsItIs:
    """Stores states unchanged, for models that are not :class:`.model.Storable`."""

    def packed(self, state: Any) -> Any:
        return state

    def unpacked(self, packed: Any) -> Any:
        return packed

    def tallies(self) -> None:
        return None

    def recall(self, tallies: Any) -> None:
        pass


@contextmanager
def _saved_records(file: File) -> Iterator[Iterator[Record]]:
    """The records in *file*."""
    check_regular(file, "search")
    try:
        with file.open("rb") as source:
            begin = source.read(len(_MAGIC))
            if begin != _MAGIC and begin.startswith(_FAMILY):
                raise Misuse(f"{file} holds a search of another version of pfnlab: {_ANEW}")
            if begin != _MAGIC:
                raise Misuse(f"{file} holds no saved search: {_ANEW}")
            yield records(source, _MAGIC)
    except OSError as wrong:
        raise Misuse(f"{file}: {wrong.strerror}") from None
    except (ValueError, StopIteration, msgspec.MsgspecError, UnmetError, Defect):
        raise Misuse(f"{file} is damaged or was cut short: {_ANEW}") from None


_ROOM = "free some space or name another file; the file's old contents are unchanged"
_ANEW = "remove it, or name another file, to start again"


def _maker() -> str:
    python = ".".join(map(str, sys.version_info[:2]))
    return f"pfnlab {VERSION} on Python {python}, {sys.byteorder}-endian"


def likeness(model: Model[Any]) -> str:
    """A digest of the model's first two levels, which is enough to tell scopes apart."""
    lines = []
    for state in model.initial():
        lines.append(repr(model.key(state)))
        lines.extend(f"{action} {model.key(after)!r}" for action, after in model.successors(state))
    return blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


_SEAL_BYTES = 16
_HEAD = struct.Struct("<cQ")
_CHUNK = 1 << 20

#: A record: a letter for its kind, and its bytes.
Record = tuple[bytes, bytes]


@contextmanager
def writing(file: File, magic: bytes) -> Iterator[Callable[[bytes, bytes], None]]:
    """Yield a function that adds a record to the new content of *file*.

    The new content replaces *file* at the end; if there is an error, *file* stays unchanged.

    :raises OSError: if it cannot be written
    """
    with whole_file(file, lasting=True) as out:
        seal = blake2b(digest_size=_SEAL_BYTES)

        def put(data: bytes) -> None:
            seal.update(data)
            out.write(data)

        def add(letter: bytes, data: bytes) -> None:
            put(_HEAD.pack(letter, len(data)))
            put(data)

        put(magic)
        yield add
        out.write(seal.digest())


def records(source: BinaryIO, magic: bytes) -> Iterator[Record]:
    """The records in *source*, in the order in which they were added.

    :raises ValueError: if the file has changed since it was written
    """
    size = os.fstat(source.fileno()).st_size - _SEAL_BYTES
    _check_seal(source, size)
    source.seek(len(magic))
    while source.tell() < size:
        try:
            letter, length = _HEAD.unpack(source.read(_HEAD.size))
        except struct.error:
            raise ValueError("a record without a head") from None
        # The seal is not secret, so a length in a file from someone else may be any number.
        if length > size - source.tell():
            raise ValueError("a record longer than the file")
        yield letter, source.read(length)


def _check_seal(source: BinaryIO, size: int) -> None:
    seal = blake2b(digest_size=_SEAL_BYTES)
    source.seek(0)
    remaining = max(0, size)
    while remaining and (data := source.read(min(remaining, _CHUNK))):
        seal.update(data)
        remaining -= len(data)
    if seal.digest() != source.read():
        raise ValueError("contents differ from what was written")
