"""Atomic writing of files, safe against other users' links, with explicit permissions."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.path_walk import PathEnd, is_root, is_trusted, path_end, sudo_caller

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Seconds to wait for a pipe without a reader, and for a pipe whose reader takes nothing.
NO_READER, UNREAD = 5.0, 120.0

_POLL = 0.05
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def whole_file(
    path: Path, *, private: bool = False, new: bool = False, lasting: bool = False, mode: int = 0o666
) -> Iterator[BinaryIO]:
    """A file to write that replaces *path* at the end; after an error, *path* is unchanged.

    A link that belongs to this user remains a link. A pipe, a device or an open file is written in place.

    :param private: readable only by this user (for root, only by the caller of sudo), whatever
        the old permissions were
    :param new: never replace an existing file
    :param lasting: sync it to disk before it replaces the old file
    :param mode: the permissions of a new file, before the umask
    :raises Misuse: if the path contains a link that is not followed (:mod:`pfnlab.base.path_walk`)
    :raises OSError: if it cannot be written; the old file remains
    """
    with path_end(path) as place:
        status = place.status()
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if _stays(place, status):
            held = io.BytesIO()
            yield held
            _pour(place, held.getbuffer())
            return
        kept = None if private or status is None or not _is_kept(place, status) else status
        mode = 0o600 if private else mode if kept is None else stat.S_IMODE(kept.st_mode) & 0o777
        # An unpredictable name, so no other user can have put a link or a pipe there.
        part = f".{os.urandom(12).hex()}.part"
        opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, mode, dir_fd=place.folder)
        try:
            with open(opened, "wb") as out:
                yield out
                out.flush()
                if private and (caller := sudo_caller()):
                    os.fchown(opened, *caller)
                elif kept is not None:
                    if is_root():
                        os.fchown(opened, kept.st_uid, kept.st_gid)
                    os.fchmod(opened, mode)
                if lasting:
                    os.fsync(opened)
            _place(part, place, new=new)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=place.folder)
            raise


def append_text(path: Path, text: str) -> None:
    """Append *text* to the file *path*, creating it if necessary; errors as for :func:`whole_file`."""
    with path_end(path) as place:
        if _stays(place, place.status()):
            _pour(place, text.encode())
            return
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | _NO_LINK
        with open(os.open(place.name, flags, 0o666, dir_fd=place.folder), "ab") as out:
            status = os.fstat(out.fileno())
            if is_root() and (not _is_kept(place, status) or status.st_nlink > 1):
                raise Misuse(f"{visible_name(path)} belongs to another user, or has other hard links")
            out.write(text.encode())


def try_writing(path: Path) -> None:
    """Check whether a file can be written there, without writing; errors as for :func:`whole_file`."""
    with path_end(path) as place:
        status, wrong = place.status(), 0
        if status is not None and stat.S_ISDIR(status.st_mode):
            wrong = errno.EISDIR
        elif place.descriptor is None:
            # A new file replaces an old one; a pipe or a device is written in place.
            name = place.name if _stays(place, status) else "."
            wrong = 0 if os.access(name, os.W_OK, dir_fd=place.folder) else errno.EACCES
        if wrong:
            raise OSError(wrong, os.strerror(wrong))


def _stays(place: PathEnd, status: os.stat_result | None) -> bool:
    """True if the existing file is written in place rather than replaced."""
    return place.descriptor is not None or (status is not None and not stat.S_ISREG(status.st_mode))


def _is_kept(place: PathEnd, status: os.stat_result) -> bool:
    """True if the new file takes over the mode and owner of the old one, which cannot be a trap."""
    if not is_root() or is_trusted(status.st_uid):
        return True
    # The folder's owner may replace the file in any case.
    return status.st_uid == os.stat(".", dir_fd=place.folder).st_uid


def _place(part: str, place: PathEnd, *, new: bool) -> None:
    """Rename the file *part* to its final name."""
    folder = place.folder
    if new:
        try:
            os.link(part, place.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
            os.unlink(part, dir_fd=folder)
            return
        except FileExistsError:
            raise
        except OSError:
            # A file system with no hard links.
            if place.status() is not None:
                raise
    os.replace(part, place.name, src_dir_fd=folder, dst_dir_fd=folder)


def _pour(place: PathEnd, data: ReadableBuffer) -> None:
    """Write *data* into the existing file; OSError if nothing reads it, or it has been replaced."""
    opened = _opened_to_pour(place)
    try:
        poll = select.poll()
        poll.register(opened, select.POLLOUT)
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(opened, left) :]
            except BlockingIOError:
                if not poll.poll(UNREAD * 1000):
                    raise OSError(errno.EAGAIN, "nothing reads from this pipe any longer") from None
    finally:
        os.close(opened)


def _opened_to_pour(place: PathEnd) -> int:
    if place.descriptor is not None:
        return os.dup(place.descriptor)
    deadline = time.monotonic() + NO_READER
    while True:
        try:
            # Non-blocking, because a pipe may never get a reader.
            opened = os.open(
                place.name, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | _NO_LINK, dir_fd=place.folder
            )
            break
        except OSError as trouble:
            status = place.status()
            if trouble.errno != errno.ENXIO or status is None or not stat.S_ISFIFO(status.st_mode):
                raise
        if time.monotonic() >= deadline:
            raise OSError(errno.ENXIO, "nothing reads from this pipe")
        time.sleep(_POLL)
    status = os.fstat(opened)
    if stat.S_ISREG(status.st_mode):
        os.close(opened)
        raise OSError(errno.ESTALE, "it was a pipe or a device and was replaced by a file")
    if stat.S_ISFIFO(status.st_mode) and is_root() and not is_trusted(status.st_uid):
        os.close(opened)
        raise OSError(errno.EPERM, "this pipe belongs to another user")
    return opened
