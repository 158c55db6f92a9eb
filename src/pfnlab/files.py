"""Files that users name: read up to a bound, and what to say where one cannot be read or written.

Whoever reads a file somebody named reads it here. A name may be that of a device that never ends, of a pipe
nobody writes into, or of something a thousand times too large; each is one line instead of a wait.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path

from pfnlab.errors import Misuse, PfnlabError, Undecided

#: The size a file of each kind may have, in bytes: what somebody writes by hand, and what a machine wrote.
MOST_WRITTEN = 1 << 20
MOST_RECORDED = 256 << 20

#: Seconds until a pipe is given up into which nobody writes, and one whose writer says nothing.
NO_WRITER, SILENT = 5.0, 120.0

#: What a write fails with when nobody asked for anything wrong: it can succeed another time.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})

_READ = 1 << 16


class Unreadable(Misuse):
    """A file cannot be read as what it should be.

    :ivar reason: why, and what to do instead, without the file's name
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{path}: {reason}")


class Missing(Unreadable):
    """There is no such file."""


def read_bytes(path: Path, kind: str, most: int) -> bytes:
    """The content of the file or pipe at *path*.

    :param kind: what it should be, for messages: ``program``
    :param most: bytes it may have
    :raises Missing: there is none
    :raises Unreadable: it is a folder or a device, it cannot be read, it is larger than *most*, or it is a
        pipe and nobody writes into it
    """
    _check_size(path, _found(path, kind).st_size, kind, most)
    try:
        # Without waiting: nobody may ever write into a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            content = _up_to(path, descriptor, most + 1)
        finally:
            os.close(descriptor)
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None
    _check_size(path, len(content), kind, most)
    return content


def read_text(path: Path, kind: str, most: int = MOST_WRITTEN) -> str:
    """The same as text.

    :raises Unreadable: it is not UTF-8 either
    """
    try:
        return read_bytes(path, kind, most).decode()
    except UnicodeDecodeError:
        raise Unreadable(path, "this is not UTF-8: save the file as UTF-8") from None


def check_regular(path: Path, kind: str, most: int | None = None) -> os.stat_result:
    """What is known of the file at *path*, which others will open and may read several times.

    :raises Missing: there is none
    :raises Unreadable: it is no regular file, or larger than *most* bytes
    """
    found = _found(path, kind)
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(path, f"this is a pipe: a {kind} has to be a file here")
    if most is not None:
        _check_size(path, found.st_size, kind, most)
    return found


def cannot_write(path: Path, trouble: OSError, instead: str = "") -> PfnlabError:
    """The error for a file that was not written: undecided where the disk is full or fails, else misuse.

    :param instead: what to do about it
    """
    family = Undecided if is_full(trouble) else Misuse
    return family(f"{path} cannot be written: {trouble.strerror}{instead and f'; {instead}'}")


def is_full(trouble: OSError) -> bool:
    """Whether a file could not be written or read for want of room, or because the disk fails."""
    return trouble.errno in _FULL


def _found(path: Path, kind: str) -> os.stat_result:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        raise Missing(path, "there is no such file: check the path") from None
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        raise Unreadable(path, f"the file cannot be read: {reason}") from None
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(path, f"this is a directory: name a {kind} file in it")
    if not (stat.S_ISREG(found.st_mode) or stat.S_ISFIFO(found.st_mode)):
        raise Unreadable(path, f"this is a device: name a {kind} file")
    return found


def _check_size(path: Path, size: int, kind: str, most: int) -> None:
    if size > most:
        raise Unreadable(path, f"a {kind} is at most {most >> 20} MiB, this is larger: is it the right file?")


def _up_to(path: Path, descriptor: int, most: int) -> bytes:
    """At most so many bytes; of a pipe all until its last writer is gone."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    # An end before anybody was there is none: of a pipe that waits for its writer.
    begun = not stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    while size < most:
        try:
            part = os.read(descriptor, min(_READ, most - size))
        except BlockingIOError:
            part, begun, wait = b"", True, SILENT
        else:
            wait = NO_WRITER
            if not part and begun:
                break
        if part:
            begun = True
            parts.append(part)
            size += len(part)
        elif poll.poll(wait * 1000):
            begun = True
        else:
            raise Unreadable(path, "nobody writes into this pipe: name a file")
    return b"".join(parts)
