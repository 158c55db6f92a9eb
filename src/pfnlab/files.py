"""Files that users name: reading up to a bound, and the errors where one cannot be read or written.

Every file that a user named is read here. The name may be that of a device that never ends, of a pipe without
a writer, or of a file a thousand times too large; each gives a message of one line instead of a wait.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
import stat
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pfnlab.errors import Misuse, PfnlabError, Undecided
from pfnlab.inert import visible_name
from pfnlab.units import size_text

#: The largest size of a file, in bytes: of one written by hand, and of one recorded by a machine.
MOST_WRITTEN = 1 << 20
MOST_RECORDED = 256 << 20

#: Seconds until a pipe without a writer is given up, and a pipe whose writer is silent.
NO_WRITER, SILENT = 5.0, 120.0

#: Errors of a write that the user did not cause: it can succeed another time.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})

#: The remedy where the file of ``-o`` cannot be written.
_ANOTHER = "name another file with -o"

_READ = 1 << 16


class Unreadable(Misuse):
    """A file cannot be read as the kind it should be.

    :ivar reason: the reason and the remedy, without the file's name
    """

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{visible_name(path)}: {reason}")


class Missing(Unreadable):
    """There is no such file."""


def read_bytes(path: Path, kind: str, most: int) -> bytes:
    """The content of the file or pipe at *path*.

    :param kind: the kind of file expected, for messages: ``program``
    :param most: the largest size allowed, in bytes
    :raises Missing: there is none
    :raises Unreadable: it is a folder or a device, it cannot be read, it is larger than *most*, or it is a
        pipe without a writer
    """
    _check_size(path, _stat(path, kind).st_size, kind, most)
    try:
        # Without waiting: a pipe may never get a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            content = _read_up_to(path, descriptor, most + 1)
        finally:
            os.close(descriptor)
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None
    _check_size(path, len(content), kind, most)
    return content


def read_text(path: Path, kind: str, most: int = MOST_WRITTEN) -> str:
    """The content of the file or pipe at *path* as text.

    :raises Unreadable: as :func:`read_bytes`, or it is not UTF-8
    """
    try:
        return read_bytes(path, kind, most).decode()
    except UnicodeDecodeError:
        raise Unreadable(path, "this is not UTF-8: save the file as UTF-8") from None


def check_regular(path: Path, kind: str, most: int | None = None) -> os.stat_result:
    """The status of the regular file at *path*, for a caller that may open it several times later.

    :raises Missing: there is none
    :raises Unreadable: it is no regular file, or larger than *most* bytes
    """
    status = _stat(path, kind)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable(path, f"this is a pipe: a {kind} has to be a file here")
    if most is not None:
        _check_size(path, status.st_size, kind, most)
    return status


def cannot_write(path: Path, trouble: OSError, instead: str = "") -> PfnlabError:
    """The error for a file that was not written: undecided where the disk is full or fails, else misuse.

    :param instead: the remedy
    """
    family = Undecided if is_full(trouble) else Misuse
    return family(f"{visible_name(path)} cannot be written: {trouble.strerror}{instead and f'; {instead}'}")


def write_whole(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Write *content* to *path* so that a reader finds the old file or the new one, never a part of it.

    A link stays one, and a pipe or a device is written to as it is.

    :param mode: the rights of a new file, before the umask
    :raises OSError: it cannot be written; what was there is there still
    """
    data = content.encode() if isinstance(content, str) else content
    target = Path(os.path.realpath(path))
    if _stays(target):
        target.write_bytes(data)
        return
    part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with open(part, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
        with suppress(FileNotFoundError):
            shutil.copymode(target, part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_output(output: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file named with ``-o`` before the work whose result it is for.

    :param output: None for none
    :param inputs: files that are read; those that are not there do not matter
    :raises Misuse: it is one of the inputs, by its own name, through a link, or as another name of the same
        file; its folder is not there or may not be written to, or it is a folder itself
    """
    if output is None:
        return
    written = _file_number(output)
    for path in inputs if written else ():
        if _file_number(path) == written:
            which = "" if path == output else f" {path} by another name,"
            raise Misuse(f"{output} is{which} a file that is read: name another file with -o")
    try:
        target = Path(os.path.realpath(output))
        wrong = 0
        if target.is_dir():
            wrong = errno.EISDIR
        elif not target.parent.is_dir():
            wrong = errno.ENOENT
        # A new file takes the place of an old one; a pipe or a device is written to as it is.
        elif not os.access(target if _stays(target) else target.parent, os.W_OK):
            wrong = errno.EACCES
        if wrong:
            raise OSError(wrong, os.strerror(wrong))
    except OSError as trouble:
        raise cannot_write(output, trouble, _ANOTHER) from trouble


def _stays(target: Path) -> bool:
    return target.exists() and not target.is_file()


def write_output(path: Path | None, text: str) -> None:
    """Print what a verb prints, or write it to the file named with ``-o``, completely or not at all.

    :param path: the file; None for standard output
    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    if path is None:
        print(text, end="")
        return
    try:
        write_whole(path, text)
    except OSError as trouble:
        raise cannot_write(path, trouble, _ANOTHER) from trouble


def is_full(trouble: OSError) -> bool:
    """True where a file could not be written or read because the disk is full or fails."""
    return trouble.errno in _FULL


def _file_number(path: Path) -> tuple[int, int] | None:
    """The device and number of a file, by which it is known under each of its names; None where none is."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _stat(path: Path, kind: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise Missing(path, "there is no such file: check the path") from None
    except (OSError, ValueError) as trouble:
        reason = getattr(trouble, "strerror", None) or str(trouble)
        raise Unreadable(path, f"the file cannot be read: {reason}") from None
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable(path, f"this is a directory: name a {kind} file in it")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
        raise Unreadable(path, f"this is a device: name a {kind} file")
    return status


def _check_size(path: Path, size: int, kind: str, most: int) -> None:
    if size > most:
        raise Unreadable(
            path, f"a {kind} is at most {size_text(most)}, this is larger: is it the right file?"
        )


def _read_up_to(path: Path, descriptor: int, most: int) -> bytes:
    """At most *most* bytes; of a pipe, all until its last writer has closed it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    parts: list[bytes] = []
    size = 0
    # Before the first writer has come, the end of a pipe is no end of its content.
    writer_seen = not stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    while size < most:
        try:
            part = os.read(descriptor, min(_READ, most - size))
        except BlockingIOError:
            part, writer_seen, wait = b"", True, SILENT
        else:
            wait = NO_WRITER
            if not part and writer_seen:
                break
        if part:
            writer_seen = True
            parts.append(part)
            size += len(part)
        elif poll.poll(wait * 1000):
            writer_seen = True
        else:
            raise Unreadable(path, "nobody writes into this pipe: name a file")
    return b"".join(parts)
