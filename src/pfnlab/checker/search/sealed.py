"""A file of records that is written whole or not at all, and read only if it is unchanged since then."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path as File
from typing import BinaryIO

from pfnlab.base.whole_file import whole_file

_SEAL_BYTES = 16
_HEAD = struct.Struct("<cQ")
_CHUNK = 1 << 20

#: A letter that tells its kind, and its bytes.
Record = tuple[bytes, bytes]


@contextmanager
def writing(file: File, magic: bytes) -> Iterator[Callable[[bytes, bytes], None]]:
    """A function that adds a record to the new content of *file*.

    The new content replaces *file* at the end, or after an error *file* stays as it was.

    :raises OSError: it cannot be written
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
    """The records that were added, in order.

    :raises ValueError: the file has changed since it was written
    """
    size = os.fstat(source.fileno()).st_size - _SEAL_BYTES
    _check_seal(source, size)
    source.seek(len(magic))
    while source.tell() < size:
        try:
            letter, length = _HEAD.unpack(source.read(_HEAD.size))
        except struct.error:
            raise ValueError("a record without a head") from None
        # The seal is no secret, and a length of somebody else is any number.
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
        raise ValueError("not as it was written")
