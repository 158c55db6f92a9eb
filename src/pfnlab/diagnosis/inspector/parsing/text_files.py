"""A machine's files by absolute path, wherever they are stored: its root, a bundle, or a report folder.

Reading a machine is bounded: file contents cannot decide how much memory is used.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text
from pfnlab.diagnosis.inspector.host_snapshot import Access, UnkeptLines

#: MiB read from one file by default, and the number of lines it may have: 2,000,000.
MOST_MIB, LINES_PER_MIB = 64, 31_250
#: The bound for all files together is this many times the bound for one, in bytes and lines.
_FILES, _FILES_OF_LINES = 4, 2
#: Packed data is unpacked to at most this many times its size, or this many bytes.
_TIMES, _LEAST = 200, 16 << 20


class SnapshotBounds(msgspec.Struct, frozen=True):
    """Bounds on reading: for one file, for all files, and for packed data.

    :param mib: MiB per file; more than :data:`MOST_MIB` only if the user asked for it
    """

    mib: int = MOST_MIB

    @property
    def bytes(self) -> int:
        """The maximum size of one file, in bytes."""
        return self.mib << 20

    @property
    def lines(self) -> int:
        """The maximum number of lines of one file."""
        return self.mib * LINES_PER_MIB

    @property
    def all_bytes(self) -> int:
        """The maximum size of all files together, and of a bundle, in bytes."""
        return self.bytes * _FILES

    @property
    def all_lines(self) -> int:
        """The maximum number of lines of all files together, and of a bundle."""
        return self.lines * _FILES_OF_LINES

    def unpacked(self, size: int) -> int:
        """The maximum number of bytes to unpack from *size* packed bytes, more if the user asked for it."""
        asked = self.all_bytes if self.mib > MOST_MIB else _LEAST
        return max(_TIMES * size, asked)

    def is_longer(self, size: int, lines: int) -> str:
        """Name the bound that a file exceeds, and what to do about it; empty if it exceeds none."""
        if size > self.bytes:
            return f"longer than {size_text(self.bytes)}{self.remedy}"
        return f"more than {self.lines:,} lines{self.remedy}" if lines > self.lines else ""

    def is_larger(self, size: int, lines: int) -> str:
        """Name the bound that all files together exceed, as :meth:`is_longer` does."""
        if size > self.all_bytes:
            return f"all files are larger than {size_text(self.all_bytes)}{self.remedy}"
        more = lines > self.all_lines
        return f"all files have more than {self.all_lines:,} lines{self.remedy}" if more else ""

    def is_too_packed(self, packed: int, size: int) -> str:
        """Name the bound that packed data exceeds, as :meth:`is_longer` does.

        :param packed: packed bytes; *size*: bytes unpacked so far
        """
        if size <= self.unpacked(packed):
            return ""
        over = size_text(self.unpacked(packed))
        return f"unpacked it is more than {_TIMES} times as large, over {over}{self.remedy}"

    @property
    def remedy(self) -> str:
        """Advice on how to read more."""
        return f": `pfnlab inspect --most {2 * self.mib}` reads more"


#: The default bounds.
ORDINARY = SnapshotBounds()
#: The first bytes of gzipped data.
GZIP = b"\x1f\x8b"


def unpacked(data: bytes, bounds: SnapshotBounds) -> tuple[bytes, str]:
    """Return data, gzipped or not, as text, or the reason it cannot be unpacked; the other is empty."""
    if not data.startswith(GZIP):
        return data, ""
    unpacking = zlib.decompressobj(wbits=31)
    most = min(bounds.unpacked(len(data)), bounds.all_bytes)
    try:
        text = unpacking.decompress(data, most + 1)
    except zlib.error:
        return b"", "its packing is damaged: copy it again"
    why = bounds.is_too_packed(len(data), len(text)) or bounds.is_larger(len(text), 0)
    why = why or ("" if unpacking.eof else "its packing ends too early: it was cut, collect it again")
    return b"" if why else text, why


#: Maximum size of a file with few lines, in bytes.
MOST_SMALL = 1 << 20
#: Bytes of a long file to parse at once.
_PIECE = 1 << 20
#: A name without a leading slash is a command; its content is the command's output.
DMESG, JOURNAL = "dmesg", "journalctl -k -b -o short-monotonic"
LSPCI, UNAME = "lspci -nnvv", "uname -a"
#: Characters of a line that an error shows.
_SHOWN = 60


class FileText(msgspec.Struct, frozen=True):
    """The content of a file, and the outcome of reading it.

    :param why: the reason if it was not fully read, in the system's words
    :param seconds: when it was read, in seconds since 1970
    :param line: number of lines that precede it in its container
    """

    data: bytes
    access: Access = Access.READ
    why: str = ""
    seconds: float | None = None
    line: int = 0

    @property
    def there(self) -> bool:
        """True if there is anything to parse."""
        return self.access in (Access.READ, Access.CUT)


class TextFiles(Protocol):
    """The files of one machine.

    :ivar origin: the name of their container, for messages
    :ivar root: whether they were read as the superuser
    :ivar strict: whether to refuse a malformed line instead of skipping and reporting it
    :ivar left_out: lines that a redacted bundle lacks
    :ivar bounds: the bounds on reading them
    """

    origin: str
    root: bool = True
    strict: bool = False
    left_out: tuple[UnkeptLines, ...] = ()
    bounds: SnapshotBounds

    def read(self, path: str, most: int = MOST_SMALL) -> FileText:
        """Return up to *most* bytes of the file at *path*; a missing file is not an error."""
        ...

    def link(self, path: str) -> str | None:
        """Return the target of the link at *path*; None if missing or unreadable."""
        ...

    def names(self, folder: str) -> FileText:
        """Return the names in *folder*, one per line, sorted."""
        ...


class Unparsable(Misuse):
    """A malformed line; *reason* gives its number and beginning."""

    def __init__(self, origin: str, path: str, container_line: int, reason: str) -> None:
        self.reason = reason
        line = f":{container_line}" if container_line else ""
        super().__init__(f"{visible_name(origin)}{line}: {visible_name(path)}: {reason}")


def shown(line: bytes) -> str:
    """Return the beginning of a line, escaped for a message."""
    text = line.decode("utf-8", "backslashreplace")
    return visible_name(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def decoded(data: bytes) -> str:
    """Decode a name or a line, escaping bytes that are not UTF-8."""
    return data.decode("utf-8", "backslashreplace")


def first_line(files: TextFiles, path: str) -> str:
    """Return the first line of a small file, stripped; empty if unreadable."""
    text = files.read(path)
    return decoded(text.data.partition(b"\n")[0]).strip() if text.there else ""


def odd_line(data: bytes, good: Callable[[bytes], object]) -> tuple[int, bytes] | None:
    """Return the first line that is neither empty nor *good*, with its number (from 1), or None."""
    number = 0
    for piece in line_pieces(data):
        for line in piece.removesuffix(b"\n").split(b"\n"):
            number += 1
            if line.strip() and not good(line):
                return number, line
    return None


def line_pieces(data: bytes, first: bytes = b"") -> Iterator[bytes]:
    """Split a long file into pieces of whole lines to parse in turn; each begins with a byte in *first*."""
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
    """A machine's long files, read within the bounds."""

    def __init__(self, files: TextFiles) -> None:
        self._files = files
        self._bytes = self._lines = 0

    def read(self, path: str, kept: Callable[[bytes], bytes] = bytes) -> FileText:
        """Return the content of the file at *path*; if a bound truncates it, add a note.

        Raises Unparsable if a file in a bundle exceeds its bound.

        :param kept: returns the part to keep; only that counts towards the bound for all files
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
    """Return the beginning of *data*, within the line and byte bounds for one file."""
    left, end = bounds.lines, 0
    for piece in line_pieces(data[: bounds.bytes]):
        lines = piece.count(b"\n")
        if lines > left:
            return data[:end] + b"".join(piece.splitlines(keepends=True)[:left])
        left, end = left - lines, end + len(piece)
    return data[:end]
