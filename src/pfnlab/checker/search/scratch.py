"""Folders for what is of use only while a process lives: gone with it, however it ends.

A folder is locked for as long as its maker lives. Whoever makes the next one removes those beside it that
nobody holds any more.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as File
from types import FrameType

from pfnlab.errors import Misuse, Undecided

#: Where to put what does not go into memory, for messages.
ROOM = "make room, or set TMPDIR to a folder that has more"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def scratch(prefix: str, beside: File | None = None) -> Iterator[File]:
    """A new folder that only this user can look into.

    It is removed at the end, when SIGTERM or SIGHUP ends this process, and, when nothing else could, by the
    next call for the same place.

    :param prefix: how its name begins, and that of nothing else
    :param beside: where it goes; None is where the system has such folders
    :raises Undecided: there is no room for it
    :raises Misuse: it cannot be made
    """
    parent = File(tempfile.gettempdir()) if beside is None else beside
    _remove_orphans(parent, prefix)
    with written(parent, ROOM if beside is None else "make room"):
        folder, lock = _made(parent, prefix)
    try:
        with _removed_at_signals(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


@contextmanager
def written(file: File, remedy: str) -> Iterator[None]:
    """Says in one line what is wrong when something cannot be written.

    :param remedy: what to do about a full disk
    :raises Undecided: there is no room
    :raises Misuse: it cannot be written there
    """
    try:
        yield
    except OSError as wrong:
        if wrong.errno in _FULL:
            raise Undecided(f"{file}: {wrong.strerror}: {remedy}") from None
        raise Misuse(f"{file} cannot be written: {wrong.strerror}") from None


def _made(parent: File, prefix: str) -> tuple[File, int]:
    while True:
        folder = File(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Until it is locked it looks like an orphan's, and may be gone.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_orphans(parent: File, prefix: str) -> None:
    """Remove the folders of this user that nobody holds."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(held).st_uid == os.getuid():
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # Its maker lives, or nobody can tell.
            continue
        finally:
            os.close(held)


@contextmanager
def _removed_at_signals(folder: File) -> Iterator[None]:
    """Remove *folder* before a signal ends this process as it would have."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    maker = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        # A child that was forked meanwhile has the handler, and not the folder.
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # Somebody who handles a signal, or ignores it, goes on doing so.
    ours = [number for number in _ENDS if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
