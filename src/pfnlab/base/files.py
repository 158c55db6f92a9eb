"""Files that users name: bounded reading, and errors for files that cannot be read or written.

Every file named by a user is read here. The name may refer to an endless device, a pipe without a writer, or
a file a thousand times too large; each gives a one-line message instead of a hang.
"""

import errno
import os
import select
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pfnlab.base.errors import Misuse, PfnlabError, Undecided
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text

#: Maximum size of a file in bytes: one written by hand, and one recorded by a machine.
MOST_WRITTEN = 1 << 20
MOST_RECORDED = 256 << 20

#: Larger than any file; used when only the beginning is read.
MOST_ANY = 1 << 63

#: Seconds to wait for a pipe without a writer, and for a pipe whose writer is silent.
NO_WRITER, SILENT = 5.0, 120.0

#: Seconds to wait for standard input if it is not a terminal and stays silent.
UNSAID = 600.0

#: Maximum size of a log, and of one line in it, in bytes.
MOST_LOG, MOST_LINE = 2 << 30, 8 << 20

#: Write errors that the user did not cause: retrying later may succeed.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})

#: The remedy if the ``-o`` file cannot be written.
_ANOTHER = "name another file with -o"

_READ, _PIECE = 1 << 16, 1 << 20

_STDIN = Path("standard input")


class Unreadable(Misuse):
    """A file cannot be read as the kind expected; the reason includes a remedy, but not the file's name."""

    def __init__(self, path: Path, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{visible_name(path)}: {reason}")


class Missing(Unreadable):
    """The file does not exist."""


def read_bytes(path: Path, kind: str, most: int) -> bytes:
    """The content of the file or pipe at *path*.

    :param kind: the kind of file expected, for messages, e.g. ``program``
    :param most: the maximum size in bytes
    :raises Missing: if the file does not exist
    :raises Unreadable: if it is a folder, a device or a pipe without a writer, if it cannot be read, or if
        it is larger than *most*
    """
    try:
        with _opened(path, kind, most) as descriptor:
            content = _read_up_to(path, descriptor, most + 1)
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None
    _check_size(path, len(content), kind, most)
    return content


def read_head(path: Path, kind: str, most: int) -> bytes:
    """The first *most* bytes of the regular file at *path*, or all; errors as for :func:`check_regular`."""
    check_regular(path, kind)
    try:
        with _opened(path, kind, MOST_ANY) as descriptor:
            return _read_up_to(path, descriptor, most)[:most]
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None


def read_text(path: Path, kind: str, most: int = MOST_WRITTEN) -> str:
    """The content of a file or pipe as text; errors as for :func:`read_bytes`, or if it is not UTF-8."""
    try:
        return read_bytes(path, kind, most).decode()
    except UnicodeDecodeError:
        raise Unreadable(path, "this is not UTF-8: save the file as UTF-8") from None


def log_pieces(path: Path | None, kind: str) -> Iterator[bytes]:
    """The content of a log of any length, in pieces of at most 1 MiB.

    :param path: a file or a pipe; None for standard input
    :param kind: the kind of file expected, for messages
    :raises Missing: if the file does not exist
    :raises Unreadable: as for :func:`read_bytes`, or if a line is longer than :data:`MOST_LINE` or the log is
        larger than :data:`MOST_LOG`
    """
    name = _STDIN if path is None else path
    try:
        if path is None:
            yield from _by_lines(name, kind, _of_stdin())
            return
        with _opened(path, kind, MOST_LOG) as descriptor:
            yield from _by_lines(path, kind, _parts(path, descriptor, _PIECE))
    except OSError as trouble:
        raise Unreadable(name, f"it cannot be read: {trouble.strerror}") from None


@contextmanager
def _opened(path: Path, kind: str, most: int) -> Iterator[int]:
    _check_size(path, _stat(path, kind).st_size, kind, most)
    # Non-blocking, because a pipe may never get a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def check_regular(path: Path, kind: str, most: int | None = None) -> os.stat_result:
    """The status of the regular file at *path*, for a caller that may open it several times later.

    :raises Missing: if the file does not exist
    :raises Unreadable: if it is not a regular file, or is larger than *most* bytes
    """
    status = _stat(path, kind)
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable(path, f"this is a pipe: a {kind} has to be a file here")
    if most is not None:
        _check_size(path, status.st_size, kind, most)
    return status


def cannot_write(path: Path, trouble: OSError, instead: str = "") -> PfnlabError:
    """The error for a failed write: Undecided if the disk is full, else Misuse; *instead* is the remedy."""
    family = Undecided if is_full(trouble) else Misuse
    return family(f"{visible_name(path)} cannot be written: {trouble.strerror}{instead and f'; {instead}'}")


@contextmanager
def writing(path: Path, instead: str = "") -> Iterator[None]:
    """Turn an OSError raised while writing in this context into the error of :func:`cannot_write`."""
    try:
        yield
    except OSError as trouble:
        raise cannot_write(path, trouble, instead) from trouble


def write_whole(
    path: Path, content: str | bytes, *, private: bool = False, new: bool = False, mode: int = 0o666
) -> None:
    """Write *content* atomically: readers see the old file or the new one. See ``whole_file``."""
    # Imported here because most commands write no file.
    from pfnlab.base.whole_file import whole_file

    with whole_file(path, private=private, new=new, mode=mode) as out:
        out.write(content.encode() if isinstance(content, str) else content)


def check_output(output: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Check the ``-o`` file before starting the work that produces it.

    :param output: the file; None for standard output
    :param inputs: files that will be read; missing ones are ignored
    :raises Misuse: if it is one of the inputs (even through a link or under another name), a folder, or in a
        folder that is missing or not writable
    """
    if output is None:
        return
    from pfnlab.base.whole_file import try_writing

    written = _file_number(output)
    for path in inputs if written else ():
        if _file_number(path) == written:
            which = "" if path == output else f" {path} by another name,"
            raise Misuse(f"{output} is{which} a file that is read: {_ANOTHER}")
    with writing(output, _ANOTHER):
        try_writing(output)


def write_output(path: Path | None, text: str, *, append: bool = False) -> None:
    """Print a verb's output, or write it to the ``-o`` file, completely or not at all.

    :param path: the file; None for standard output
    :param append: append to the file
    :raises Misuse: if the file cannot be written
    :raises Undecided: if the disk is full or fails
    """
    if path is None:
        print(text, end="")
        return
    from pfnlab.base.whole_file import append_text

    with writing(path, _ANOTHER):
        (append_text if append else write_whole)(path, text)


def is_full(trouble: OSError) -> bool:
    """True if a file could not be written or read because the disk is full or failing."""
    return trouble.errno in _FULL


def _file_number(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, the same under each of its names; None if the file does not exist."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _stat(path: Path, kind: str) -> os.stat_result:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise Missing(path, "no such file: check the path") from None
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
    """Up to *most* bytes, plus the rest of the last part read."""
    parts, size = [], 0
    for part in _parts(path, descriptor, min(_READ, most)):
        parts.append(part)
        size += len(part)
        if size >= most:
            break
    return b"".join(parts)


def _parts(path: Path, descriptor: int, most: int) -> Iterator[bytes]:
    """The content in parts of up to *most* bytes; for a pipe, until its last writer closes it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    # Before the first writer opens a pipe, end of file does not mean that all content has been read.
    writer_seen = not is_pipe
    while True:
        try:
            part = os.read(descriptor, most)
        except BlockingIOError:
            if not is_pipe:
                # /proc/kmsg is such a file: it waits for the kernel's next message.
                raise Unreadable(path, "this file has no end: name a copy of it") from None
            part, writer_seen, wait = b"", True, SILENT
        else:
            wait = NO_WRITER
            if not part and writer_seen:
                return
        if part:
            writer_seen = True
            yield part
        elif poll.poll(wait * 1000):
            writer_seen = True
        else:
            raise Unreadable(path, "nothing writes to this pipe: name a file")


def _of_stdin() -> Iterator[bytes]:
    """The parts of standard input, whose blocking mode is left alone because other processes may share it."""
    if sys.stdin is None:
        raise Unreadable(_STDIN, "it is closed: give a file or a pipe")
    descriptor = sys.stdin.fileno()
    status = os.fstat(descriptor)
    if _is_endless(descriptor, status):
        raise Unreadable(_STDIN, "this is a device: give a file or a pipe")
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    wait = None if os.isatty(descriptor) else UNSAID * 1000
    while poll.poll(wait):
        with suppress(BlockingIOError):
            part = os.read(descriptor, _PIECE)
            if not part:
                return
            yield part
    raise Unreadable(_STDIN, f"no input for {UNSAID:g} s: give a file or a pipe that ends")


def _is_endless(descriptor: int, status: os.stat_result) -> bool:
    """True for a device other than /dev/null and other than a terminal, where the user can end the input."""
    device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return device and not os.isatty(descriptor) and not os.path.samestat(status, os.stat(os.devnull))


def _by_lines(path: Path, kind: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a log; Unreadable if the log or any line in it is too long."""
    size = line = 0
    for part in parts:
        size += len(part)
        first, last = part.find(b"\n"), part.rfind(b"\n")
        if line + (len(part) if first < 0 else first) > MOST_LINE:
            raise Unreadable(path, f"a line is longer than {size_text(MOST_LINE)}: this is not a {kind}")
        line = line + len(part) if last < 0 else len(part) - last - 1
        _check_size(path, size, kind, MOST_LOG)
        yield part
