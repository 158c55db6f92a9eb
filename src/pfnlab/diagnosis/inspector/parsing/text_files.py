"""Files of a machine by their absolute paths, wherever they lie: its root, a bundle, a report's folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access, UnkeptLines
from pfnlab.diagnosis.inspector.snapshot_bounds import SnapshotBounds

#: The most bytes of a file with few lines.
MOST_SMALL = 1 << 20

#: Bytes of a piece of a long file that is parsed at once.
_PIECE = 1 << 20

#: A name without a leading slash is a command's, and its content what that prints.
DMESG, JOURNAL = "dmesg", "journalctl -k -b -o short-monotonic"
LSPCI, UNAME = "lspci -nnvv", "uname -a"

#: Letters of a line that an error shows.
_SHOWN = 60


class FileText(msgspec.Struct, frozen=True):
    """The content of one file, and what became of it.

    :param why: the reason where it was not read whole, as the system words it
    :param seconds: when it was read, since 1970
    :param line: how many lines of its container come before it
    """

    data: bytes
    access: Access = Access.READ
    why: str = ""
    seconds: float | None = None
    line: int = 0

    @property
    def there(self) -> bool:
        """True where there is something to parse."""
        return self.access in (Access.READ, Access.CUT)


class TextFiles(Protocol):
    """Files of one machine.

    :ivar origin: the name of what holds them, for messages
    :ivar root: they were read as the superuser
    :ivar strict: a line that has not the form of its file is refused; otherwise it is left out and said
    :ivar left_out: of a redacted bundle, the lines that it lacks
    :ivar bounds: the most that is read of them
    """

    origin: str
    root: bool
    strict: bool
    left_out: tuple[UnkeptLines, ...]
    bounds: SnapshotBounds

    def read(self, path: str, most: int = MOST_SMALL) -> FileText:
        """The content of the file at *path*, at most *most* bytes; what is not there is no error."""
        ...

    def link(self, path: str) -> str | None:
        """The target of the link at *path*, None where there is none or it may not be read."""
        ...

    def names(self, folder: str) -> FileText:
        """The names in *folder*, one a line, sorted."""
        ...


class Unparsable(Misuse):
    """A line has not the form of its file.

    :ivar reason: the number and the beginning of the line
    """

    def __init__(self, origin: str, path: str, container_line: int, reason: str) -> None:
        self.reason = reason
        place = (
            f"{visible_name(origin)}:{container_line}: " if container_line else f"{visible_name(origin)}: "
        )
        super().__init__(f"{place}{visible_name(path)}: {reason}")


def shown(line: bytes) -> str:
    """The beginning of a line, inert, for a message."""
    text = line.decode("utf-8", "backslashreplace")
    return visible_name(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def decoded(data: bytes) -> str:
    """Text of a name or a line; bytes that are no UTF-8 are written out."""
    return data.decode("utf-8", "backslashreplace")


def first_line(files: TextFiles, path: str) -> str:
    """The first line of a small file without blanks around it, empty where it is not to be read."""
    text = files.read(path)
    return decoded(text.data.partition(b"\n")[0]).strip() if text.there else ""


def odd_line(data: bytes, good: Callable[[bytes], object]) -> tuple[int, bytes] | None:
    """The first line, counted from 1, that is not empty and is not *good*; None where there is none."""
    number = 0
    for piece in line_pieces(data):
        for line in piece.removesuffix(b"\n").split(b"\n"):
            number += 1
            if line.strip() and not good(line):
                return number, line
    return None


def line_pieces(data: bytes, first: bytes = b"") -> Iterator[bytes]:
    """A long file in pieces of whole lines: what is parsed of one is kept in another form, and it is gone.

    :param first: what the first line of a piece begins with, any one of these bytes; empty for anything
    """
    start = 0
    while start < len(data):
        end = start + _PIECE
        while True:
            end = data.find(b"\n", end) + 1 or len(data)
            if not first or end == len(data) or data[end : end + 1] in first:
                break
        yield data[start:end]
        start = end


class LongFiles:
    """Files of many lines out of those of a machine, as far as the bounds of a reading go.

    :param files: all files
    """

    def __init__(self, files: TextFiles) -> None:
        self._files = files
        self._bytes = self._lines = 0

    def read(self, path: str, kept: Callable[[bytes], bytes] = bytes) -> FileText:
        """The content of the file at *path*; where it goes beyond a bound it is cut there, and says so.

        :param kept: what is kept of it, which counts for the bound of all files
        :raises Unparsable: the files are a bundle's, and it goes beyond a bound
        """
        bounds, text = self._files.bounds, self._files.read(path, self._files.bounds.bytes + 1)
        lines = text.data.count(b"\n")
        why = bounds.is_longer(len(text.data), lines)
        if why and self._files.strict:
            raise Unparsable(self._files.origin, path, text.line + min(lines, bounds.lines) + 1, why)
        data = kept(_beginning(text.data, bounds) if why else text.data)
        self._bytes += len(data)
        self._lines += data.count(b"\n")
        beyond = bounds.is_larger(self._bytes, self._lines)
        if not (why or beyond):
            return FileText(data, text.access, text.why, text.seconds, text.line)
        return FileText(b"" if beyond else data, Access.CUT, beyond or why, text.seconds, text.line)


def _beginning(data: bytes, bounds: SnapshotBounds) -> bytes:
    """As many lines, and bytes, as one file may have."""
    left, end = bounds.lines, 0
    for piece in line_pieces(data[: bounds.bytes]):
        lines = piece.count(b"\n")
        if lines > left:
            return data[:end] + b"".join(piece.splitlines(keepends=True)[:left])
        left, end = left - lines, end + len(piece)
    return data[:end]
