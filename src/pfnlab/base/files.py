"""Files that users name: reading up to a bound, and the errors where one cannot be read or written.

Every file that a user named is read here. The name may be that of a device that never ends, of a pipe without
a writer, or of a file a thousand times too large; each gives a message of one line instead of a wait.
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

#: The largest size of a file, in bytes: of one written by hand, and of one recorded by a machine.
MOST_WRITTEN = 1 << 20
MOST_RECORDED = 256 << 20

#: More than any file has, of which only the beginning is read.
MOST_ANY = 1 << 63

#: Seconds until a pipe without a writer is given up, and a pipe whose writer is silent.
NO_WRITER, SILENT = 5.0, 120.0

#: Seconds until standard input is given up, where nothing comes and nobody types.
UNSAID = 600.0

#: The largest log, and the longest line of one, in bytes.
MOST_LOG, MOST_LINE = 2 << 30, 8 << 20

#: Errors of a write that the user did not cause: it can succeed another time.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})

#: The remedy where the file of ``-o`` cannot be written.
_ANOTHER = "name another file with -o"

_READ, _PIECE = 1 << 16, 1 << 20

_STDIN = Path("standard input")


class Unreadable(Misuse):
    """A file cannot be read as the kind it should be; the reason has a remedy, and not the file's name."""

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
    try:
        with _opened(path, kind, most) as descriptor:
            content = _read_up_to(path, descriptor, most + 1)
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None
    _check_size(path, len(content), kind, most)
    return content


def read_head(path: Path, kind: str, most: int) -> bytes:
    """The first *most* bytes of the regular file at *path*, or all; errors as :func:`check_regular`."""
    check_regular(path, kind)
    try:
        with _opened(path, kind, MOST_ANY) as descriptor:
            return _read_up_to(path, descriptor, most)[:most]
    except OSError as trouble:
        raise Unreadable(path, f"the file cannot be read: {trouble.strerror}") from None


def read_text(path: Path, kind: str, most: int = MOST_WRITTEN) -> str:
    """The content of the file or pipe at *path* as text; errors as :func:`read_bytes`, or it is not UTF-8."""
    try:
        return read_bytes(path, kind, most).decode()
    except UnicodeDecodeError:
        raise Unreadable(path, "this is not UTF-8: save the file as UTF-8") from None


def log_pieces(path: Path | None, kind: str) -> Iterator[bytes]:
    """The content of a log of any length, in pieces of at most 1 MiB.

    :param path: a file or a pipe; None for standard input
    :param kind: the kind of file expected, for messages
    :raises Missing: there is none
    :raises Unreadable: as :func:`read_bytes`; or a line is longer than :data:`MOST_LINE`, or all of it than
        :data:`MOST_LOG`
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
    # Without waiting: a pipe may never get a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


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
    """The error of a file that was not written: Undecided if the disk is full, else Misuse, *instead*."""
    family = Undecided if is_full(trouble) else Misuse
    return family(f"{visible_name(path)} cannot be written: {trouble.strerror}{instead and f'; {instead}'}")


@contextmanager
def writing(path: Path, instead: str = "") -> Iterator[None]:
    """An OSError of writing the file within this context is the error of :func:`cannot_write`."""
    try:
        yield
    except OSError as trouble:
        raise cannot_write(path, trouble, instead) from trouble


def write_whole(
    path: Path, content: str | bytes, *, private: bool = False, new: bool = False, mode: int = 0o666
) -> None:
    """Write *content*: a reader finds the old file or the new one. Options and errors: ``whole_file``."""
    # Only here: most commands write no file.
    from pfnlab.base.whole_file import whole_file

    with whole_file(path, private=private, new=new, mode=mode) as out:
        out.write(content.encode() if isinstance(content, str) else content)


def check_output(output: Path | None, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file named with ``-o`` before the work whose result it is for.

    :param output: None for none
    :param inputs: files that are read; those that are not there do not matter
    :raises Misuse: it is one of the inputs, by its own name, through a link, or as another name of the same
        file; its folder is not there or may not be written to, or it is a folder itself
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
    """Print what a verb prints, or write it to the file named with ``-o``, completely or not at all.

    :param path: the file; None for standard output
    :param append: add it to what is in the file
    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    if path is None:
        print(text, end="")
        return
    from pfnlab.base.whole_file import append_text

    with writing(path, _ANOTHER):
        (append_text if append else write_whole)(path, text)


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
    """At most *most* bytes, and what came with the last of them."""
    parts, size = [], 0
    for part in _parts(path, descriptor, min(_READ, most)):
        parts.append(part)
        size += len(part)
        if size >= most:
            break
    return b"".join(parts)


def _parts(path: Path, descriptor: int, most: int) -> Iterator[bytes]:
    """The content in parts of at most *most* bytes; of a pipe, all until its last writer has closed it."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    # Before the first writer has come, the end of a pipe is no end of its content.
    writer_seen = not is_pipe
    while True:
        try:
            part = os.read(descriptor, most)
        except BlockingIOError:
            if not is_pipe:
                # As that of /proc/kmsg: more comes when the kernel has more to say.
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
            raise Unreadable(path, "nobody writes into this pipe: name a file")


def _of_stdin() -> Iterator[bytes]:
    """The parts of standard input, which others may read too: it stays as it is, waiting or not."""
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
    raise Unreadable(_STDIN, f"nothing came for {UNSAID:g} s: give a file, or what ends")


def _is_endless(descriptor: int, status: os.stat_result) -> bool:
    """True of a device but a terminal, which a person ends, and the one that is always empty."""
    device = stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return device and not os.isatty(descriptor) and not os.path.samestat(status, os.stat(os.devnull))


def _by_lines(path: Path, kind: str, parts: Iterable[bytes]) -> Iterator[bytes]:
    """The parts of a log; Unreadable if it is larger than one, or has a line that no log has."""
    size = line = 0
    for part in parts:
        size += len(part)
        first, last = part.find(b"\n"), part.rfind(b"\n")
        if line + (len(part) if first < 0 else first) > MOST_LINE:
            raise Unreadable(path, f"a line is longer than {size_text(MOST_LINE)}: this is no {kind}")
        line = line + len(part) if last < 0 else len(part) - last - 1
        _check_size(path, size, kind, MOST_LOG)
        yield part
