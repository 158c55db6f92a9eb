"""The cache directory: where it is, who may write in it now, and how what it keeps is whole.

What takes long to make or fetch is kept by `kept`: beside the file or folder lies ``NAME.sha256`` with a
checksum of every file, read whenever it is used. What does not hold is made anew, so nobody ever boots half
an image.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pfnlab.errors import Misuse, TimedOut, Undecided

#: What a write fails with when there is no room.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

#: Seconds between two tries to get a lock.
_POLL = 0.2

#: Seconds somebody else may take to make what is waited for.
_KEEP_LIMIT = 900.0

# A lock file is for other processes; threads of this one wait for each other without a word.
_threads: dict[Path, threading.Lock] = {}


def quiet(line: str) -> None:
    """Take a line of progress nobody asked for."""
    del line


def cache_root() -> Path:
    """``$PFNLAB_CACHE``, or ``pfnlab`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist yet."""
    own = os.environ.get("PFNLAB_CACHE")
    if own:
        root = Path(own)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = (Path(base) if base else Path.home() / ".cache") / "pfnlab"
    if any(char in str(root) for char in '"\n'):
        raise Misuse(f"the cache directory {str(root)!r} has a quote or newline in it: set PFNLAB_CACHE")
    return root.absolute()


@contextmanager
def locked(path: Path, *, limit: float, say: Callable[[str], None]) -> Iterator[None]:
    """
    Hold the lock file *path*; the kernel drops it with the process, so a dead holder blocks nobody.

    :param limit: seconds to wait for another holder
    :param say: told once when somebody else holds the lock
    :raises TimedOut: the limit passed
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + limit
    told = False
    with path.open("a+") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            if time.monotonic() >= deadline:
                raise TimedOut(f"another pfnlab still holds {path} after {limit:g} s: wait for it, or end it")
            if not told:
                say(f"waiting for another pfnlab, which holds {path}")
                told = True
            time.sleep(_POLL)
        yield


def write_whole(path: Path, text: str) -> None:
    """Write *text* to *path* so that a reader finds the old file or the new one, never a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        part.write_text(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def usable() -> Iterator[None]:
    """
    Say in one line that the cache cannot be used, where what is done in it fails.

    :raises Undecided: instead of an OSError
    """
    try:
        yield
    except OSError as trouble:
        full = trouble.errno in NO_ROOM
        why, remedy = (trouble.strerror, " or free room") if full else (trouble, "")
        raise Undecided(
            f"the cache {cache_root()} cannot be used: {why}; set PFNLAB_CACHE{remedy}"
        ) from trouble


def kept(path: Path, make: Callable[[Path], None], *, say: Callable[[str], None] = quiet) -> Path:
    """
    The file or folder *path* of the cache, whole; made when it is not there, and anew when it is damaged.

    One process makes it while others wait, each kind of thing (the folder *path* is in) at a time; it appears
    by one rename, and nothing is left of what could not be finished.

    :param make: makes it where it is told, in a folder of its own
    :param say: told one line at a time what is going on
    :raises TimedOut: somebody else did not finish it in time
    :raises Undecided: the cache cannot be written to, or is full
    """
    if is_whole(path):
        return path
    folder = path.parent
    lock = folder.with_name(f"{folder.name}.lock")
    with usable(), _threads.setdefault(lock, threading.Lock()), locked(lock, limit=_KEEP_LIMIT, say=say):
        if is_whole(path):
            return path
        if _voucher(path).exists():
            say(f"{path} is damaged and is made anew")
        # What a killed maker left behind: nobody else is at work here.
        for left in folder.glob(".part-*"):
            shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder, ignore_cleanup_errors=True) as name:
            part = Path(name) / path.name
            make(part)
            keep(part, path)
    return path


def keep(part: Path, path: Path) -> None:
    """
    Move the finished *part*, a file or folder beside *path*, to *path*, and vouch for it.

    Of several who keep the same thing at the same time the last one wins; where they meet, what is there does
    not hold and is made anew by the next.
    """
    voucher = _checksums(part, path.name)
    _voucher(path).unlink(missing_ok=True)
    if part.is_dir() and path.exists():
        path.rename(part.with_name(f"{part.name}.old"))
    part.replace(path)
    write_whole(_voucher(path), voucher)


def is_whole(path: Path) -> bool:
    """Whether the file or folder *path* is to the byte what was kept there."""
    try:
        said, _, listed = _voucher(path).read_text().partition("\n")
        if said != _head(listed):
            return False
        for line in listed.removesuffix("\n").split("\n"):
            digest, _, name = line.partition("  ")
            if digest != _digest(path.parent / name):
                return False
    except (OSError, ValueError):
        return False
    return True


def forget(path: Path) -> None:
    """Remove the file *path* of the cache and what vouches for it, as far as they are there."""
    _voucher(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def _voucher(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


# As of sha256sum, below a line that holds for all that follow.
def _checksums(part: Path, name: str) -> str:
    files = [part]
    if part.is_dir():
        files = sorted(one for one in part.rglob("*") if one.is_symlink() or one.is_file())
    listed = "".join(f"{_digest(one)}  {Path(name) / one.relative_to(part)}\n" for one in files)
    return f"{_head(listed)}\n{listed}"


def _head(listed: str) -> str:
    return f"# {hashlib.sha256(listed.encode()).hexdigest()}"


def _digest(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
