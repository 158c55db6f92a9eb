"""Files of a machine by their absolute paths, wherever they lie: its root, a bundle, a report's folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from pfnlab.errors import Misuse
from pfnlab.inert import visible_name
from pfnlab.inspector.host_snapshot import Access, UnkeptLines

#: The most bytes of a file with few lines, and of a list.
MOST_SMALL, MOST_LIST = 1 << 20, 1 << 29

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
    """

    origin: str
    root: bool
    strict: bool
    left_out: tuple[UnkeptLines, ...]

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


def odd_lines(data: bytes, good: Callable[[bytes], object]) -> list[tuple[int, bytes]]:
    """The lines, counted from 1, that are not empty and are not *good*."""
    found = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if line.strip() and not good(line):
            found.append((number, line))
    return found
