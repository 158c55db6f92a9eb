"""Files of a machine by their absolute paths, wherever they lie: its root, a bundle, a report's folder.

The most that is read of one machine has bounds: what a file holds never decides how much memory is used.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text
from pfnlab.diagnosis.inspector.host_snapshot import Access, UnkeptLines

#: MiB of one file that are read without being asked for more, and the lines that a MiB may have: 2,000,000.
MOST_MIB, LINES_PER_MIB = 64, 31_250
#: So many files as large as one may be, and with as many lines, make the most of all.
_FILES, _FILES_OF_LINES = 4, 2
#: What is packed is at most so many times as large when it is unpacked, or so many bytes.
_TIMES, _LEAST = 200, 16 << 20


class SnapshotBounds(msgspec.Struct, frozen=True):
    """The bounds of a reading: of one file, of all files, and of what is packed.

    :param mib: MiB of one file; a larger number than :data:`MOST_MIB` is one that a user asked for
    """

    mib: int = MOST_MIB

    @property
    def bytes(self) -> int:
        """The most bytes of one file."""
        return self.mib << 20

    @property
    def lines(self) -> int:
        """The most lines of one file."""
        return self.mib * LINES_PER_MIB

    @property
    def all_bytes(self) -> int:
        """The most bytes of all files, and of a bundle."""
        return self.bytes * _FILES

    @property
    def all_lines(self) -> int:
        """The most lines of all files, and of a bundle."""
        return self.lines * _FILES_OF_LINES

    def unpacked(self, size: int) -> int:
        """The most bytes that *size* packed bytes may be unpacked; whoever asked for more may have it."""
        asked = self.all_bytes if self.mib > MOST_MIB else _LEAST
        return max(_TIMES * size, asked)

    def is_longer(self, size: int, lines: int) -> str:
        """The bound that such a file goes beyond, with what to do; empty where it goes beyond none."""
        if size > self.bytes:
            return f"longer than {size_text(self.bytes)}{self.remedy}"
        return f"more than {self.lines:,} lines{self.remedy}" if lines > self.lines else ""

    def is_larger(self, size: int, lines: int) -> str:
        """The same of all files together."""
        if size > self.all_bytes:
            return f"all files are larger than {size_text(self.all_bytes)}{self.remedy}"
        more = lines > self.all_lines
        return f"all files have more than {self.all_lines:,} lines{self.remedy}" if more else ""

    def is_too_packed(self, packed: int, size: int) -> str:
        """The same of something packed: its bytes so, and unpacked as far as it was."""
        if size <= self.unpacked(packed):
            return ""
        return f"unpacked it is more than {_TIMES} times as large, over {size_text(size)}{self.remedy}"

    @property
    def remedy(self) -> str:
        """The words that say what reads more."""
        return f": `pfnlab inspect --most {2 * self.mib}` reads more"


#: Those of a reading for which nobody asked for more.
ORDINARY = SnapshotBounds()


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
    """A line, whose number and beginning is *reason*, has not the form of its file."""

    def __init__(self, origin: str, path: str, container_line: int, reason: str) -> None:
        self.reason = reason
        line = f":{container_line}" if container_line else ""
        super().__init__(f"{visible_name(origin)}{line}: {visible_name(path)}: {reason}")


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
    """A long file in pieces of whole lines, one parsed at a time; each begins with a byte of *first*."""
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
    """Files of many lines out of those of a machine, as far as the bounds of a reading go."""

    def __init__(self, files: TextFiles) -> None:
        self._files = files
        self._bytes = self._lines = 0

    def read(self, path: str, kept: Callable[[bytes], bytes] = bytes) -> FileText:
        """The content of the file at *path*, cut at a bound (a bundle's raises Unparsable), which it says.
        *kept* is what is kept of it, and counts for all files' bound.
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
