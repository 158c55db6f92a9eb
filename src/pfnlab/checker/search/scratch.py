"""Folders for files needed only while a process lives; they are removed however it ends.

A folder stays locked while its creator lives. The next call also removes folders no longer locked by any
process.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as File
from types import FrameType

from pfnlab.base.errors import Misuse, Undecided

#: The remedy for a full disk, used in messages.
ROOM = "make room, or set TMPDIR to a folder that has more"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ENDS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def scratch(prefix: str) -> Iterator[File]:
    """Create a temporary folder that only this user can read.

    The folder is removed at the end of the context, when SIGTERM or SIGHUP ends this process, or else by the
    next call.

    :param prefix: the beginning of its name, used by no other folders
    :raises Undecided: if there is no room for it
    :raises Misuse: if it cannot be created
    """
    parent = File(tempfile.gettempdir())
    _remove_orphans(parent, prefix)
    with ExitStack() as handled:
        with _signals_wait(), written(parent, ROOM):
            folder, lock = _make_locked(parent, prefix)
            handled.callback(os.close, lock)
            handled.enter_context(_removed_at_signals(folder))
            handled.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Block signals that end this process: without a handler yet, one would leave a folder behind."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def written(file: File, remedy: str) -> Iterator[None]:
    """Turn write errors into one-line messages.

    :raises Undecided: if there is no room
    :raises Misuse: if it cannot be written there
    """
    try:
        yield
    except OSError as wrong:
        if wrong.errno in _FULL:
            raise Undecided(f"{file}: {wrong.strerror}: {remedy}") from None
        raise Misuse(f"{file} cannot be written: {wrong.strerror}") from None


def _make_locked(parent: File, prefix: str) -> tuple[File, int]:
    while True:
        folder = File(tempfile.mkdtemp(prefix=prefix, dir=parent))
        # Until it is locked, it looks like an orphan and may be removed.
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_orphans(parent: File, prefix: str) -> None:
    """Remove this user's folders that are not locked by any process."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(lock).st_uid == os.getuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            # Its creator is alive, or may be.
            continue
        finally:
            os.close(lock)


@contextmanager
def _removed_at_signals(folder: File) -> Iterator[None]:
    """Remove *folder* before a signal ends this process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    maker = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        # A child forked in the meantime inherits the handler, but does not own the folder.
        if os.getpid() == maker:
            shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    # A signal that the caller handles or ignores is left alone.
    signals = [number for number in _ENDS if signal.getsignal(number) is signal.SIG_DFL]
    for number in signals:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
