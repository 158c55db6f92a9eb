"""The form of a bundle: files of one machine as one text, which ``pfnlab-collect.sh`` writes too.

The first line is ``pfnlab-bundle 1``. Each further line is a directive, or begins with one blank and is
content of the directive before it, so no content can be a directive::

    at SECONDS            when what follows was read, since 1970
    note WORD VALUE       root yes, redacted yes; left LINES FILE: so many lines of it have no known form
    file PATH             a file, its lines as content
    hex PATH              a file of bytes, as hexadecimal digits
    link PATH             a link, its target as content
    folder PATH           a folder, the names in it as content
    cut PATH<tab>WHY      the file before it was not read whole
    refused PATH<tab>WHY  it may not be read
    absent PATH<tab>WHY   it is not there
    end LINES             so many lines come before this one, the last
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import check_regular, read_bytes
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.snapshot_bounds import SnapshotBounds

#: The first line, without the version.
MAGIC = b"pfnlab-bundle "
VERSION = b"1"

GZIP = b"\x1f\x8b"

#: The most bytes of a line of a bundle.
MOST_LINE = 1 << 16

#: Directives that say what became of a file that was not read whole.
ACCESS = {b"refused": Access.REFUSED, b"absent": Access.ABSENT, b"cut": Access.CUT}
WORDS = {access: word for word, access in ACCESS.items()}

_CHUNK = 1 << 20


class Entry(msgspec.Struct, frozen=True):
    """One directive about a file, with its content.

    :param kind: ``file``, ``hex``, ``link``, ``folder``, ``refused``, ``absent`` or ``cut``
    """

    kind: str
    path: str
    data: bytes = b""
    why: str = ""
    seconds: float | None = None


def written(entries: Iterable[Entry], notes: Iterable[tuple[str, str]]) -> bytes:
    """The bundle of these entries."""
    parts = [MAGIC + VERSION + b"\n"]
    parts += [b"note %s %s\n" % (word.encode(), value.encode()) for word, value in notes]
    parts += _directives(entries)
    lines = sum(part.count(b"\n") for part in parts)
    parts.append(b"end %d\n" % lines)
    return b"".join(parts)


def _directives(entries: Iterable[Entry]) -> Iterator[bytes]:
    before = ""
    for entry in entries:
        now = before if entry.seconds is None else f"{entry.seconds:.3f}"
        if now != before:
            yield f"at {now}\n".encode()
            before = now
        # A path of a machine may have bytes that are no text.
        head = f"{entry.kind} {entry.path}".encode("utf-8", "surrogateescape")
        why = b"\t" + visible_name(entry.why).encode() if entry.kind.encode() in ACCESS else b""
        yield head + why + b"\n" + _content(entry)


def _content(entry: Entry) -> bytes:
    data = entry.data
    if entry.kind == "hex":
        data = b"\n".join(data[at : at + 16].hex(" ").encode() for at in range(0, len(data), 16))
    if not data:
        return b""
    # What is no text has no place in a line.
    data = data.removesuffix(b"\n").replace(b"\0", b"\\x00").replace(b"\n", b"\n ")
    return b" " + data + b"\n"


def is_bundle(head: bytes) -> bool:
    """True where the first bytes of a file are those of a bundle, packed or not."""
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, len(MAGIC))
        except zlib.error:
            return False
    return head.startswith(MAGIC)


def bundle_bytes(path: Path, bounds: SnapshotBounds) -> bytes:
    """The text of the bundle at *path*, unpacked.

    :raises Unreadable: the file cannot be read
    :raises Misuse: it is too large, unpacked too, or its packing is damaged
    """
    _check_size(visible_name(path), check_regular(path, "bundle").st_size, bounds)
    return unpacked(read_bytes(path, "bundle", bounds.all_bytes), str(path), bounds)


def _check_size(name: str, size: int, bounds: SnapshotBounds) -> None:
    why = bounds.is_larger(size, 0)
    if why:
        raise Misuse(f"{name}: {why}")


def unpacked(data: bytes, origin: str, bounds: SnapshotBounds) -> bytes:
    """The text of a bundle, packed with gzip or not.

    :param origin: its name for messages
    :raises Misuse: it is too large, unpacked too, or its packing is damaged
    """
    name = visible_name(origin)
    _check_size(name, len(data), bounds)
    if not data.startswith(GZIP):
        return data
    parts, size, before = [], 0, len(data)
    unpacking = zlib.decompressobj(wbits=31)
    try:
        while data and not unpacking.eof:
            parts.append(unpacking.decompress(data, _CHUNK))
            data = unpacking.unconsumed_tail
            size += len(parts[-1])
            why = bounds.is_too_packed(before, size)
            if why:
                raise Misuse(f"{name}: {why}")
            _check_size(name, size, bounds)
    except zlib.error:
        raise Misuse(f"{name}: its packing is damaged: copy it again") from None
    if not unpacking.eof:
        raise Misuse(f"{name}: its packing ends too early: it was cut, collect it again")
    return b"".join(parts)


def packed(data: bytes) -> bytes:
    """The same bytes for the same text, whenever it is packed."""
    return gzip.compress(data, mtime=0)
