"""The cache directory: where it is, how it is locked, and the checksums of its files and folders.

Files and folders that take long to make or fetch are stored by `kept`. Next to each is ``NAME.sha256``, which
has a checksum for every file and is compared on every use; a process rereads a file only if it has changed
since the last comparison. If a checksum does not match, the file is made again, so no guest ever boots a
partial image.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse, TimedOut, Undecided
from pfnlab.base.files import write_whole
from pfnlab.base.path_walk import make_folder
from pfnlab.lab.images.trust import check_cache, check_part, tighten

#: Error numbers of a write that failed for lack of space.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

#: Seconds between attempts to get a lock.
_POLL = 0.2

#: Seconds to wait while another process makes a file.
_KEEP_LIMIT = 900.0

# Lock files are for other processes; threads of this process wait for one another without a message.
_threads: dict[Path, threading.Lock] = {}


def quiet(line: str) -> None:
    """Discard a progress line."""
    del line


def cache_root() -> Path:
    """``$PFNLAB_CACHE``, or ``pfnlab`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it need not exist yet.

    :raises Misuse: if the path contains a quote or a newline
    :raises Untrusted: if another user may write to it
    """
    folder = os.environ.get("PFNLAB_CACHE")
    if folder:
        root = Path(folder)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = (Path(base) if base else Path.home() / ".cache") / "pfnlab"
    if any(char in str(root) for char in '"\n'):
        raise Misuse(f"the cache directory {str(root)!r} has a quote or newline in it: set PFNLAB_CACHE")
    root = root.absolute()
    with usable(root):
        check_cache(root)
    return root


def trusted(path: Path) -> Path:
    """Check *path* in the cache before use; Untrusted if others may write to it or to anything below it."""
    root = cache_root()
    if path.is_relative_to(root):
        with usable(root):
            check_part(path, root)
    return path


def make_cache_folder(path: Path) -> None:
    """Create *path* and its parents, accessible only to their owner; existing folders are left unchanged.

    :raises OSError: if it cannot be created, or is not a folder
    :raises Misuse: if the path goes through another user's link
    :raises Untrusted: if another user may write to the cache
    """
    make_folder(path, 0o700)
    cache_root()


@contextmanager
def locked(path: Path, *, limit: float, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file *path*; the kernel releases the lock when the process ends, no matter how.

    :param limit: seconds to wait while someone else holds the lock
    :param say: called once, with a message, if another process holds the lock
    :raises TimedOut: if the lock is not free by then
    """
    make_cache_folder(path.parent)
    deadline = time.monotonic() + limit
    message_sent = False
    with open(path, "a+", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                pass
            if time.monotonic() >= deadline:
                raise TimedOut(f"another pfnlab still holds {path} after {limit:g} s: wait for it, or end it")
            if not message_sent:
                say(f"waiting for another pfnlab, which holds {path}")
                message_sent = True
            time.sleep(_POLL)
        yield


def write_cached(path: Path, content: str | bytes) -> None:
    """Write *content* to *path* atomically, creating its folder if needed."""
    make_cache_folder(path.parent)
    write_whole(path, content, mode=0o644)


@contextmanager
def usable(root: Path | None = None) -> Iterator[None]:
    """Turn an OSError in the cache (*root*, if not yet checked) into a one-line Undecided."""
    try:
        yield
    except OSError as trouble:
        full = trouble.errno in NO_ROOM
        reason, remedy = (trouble.strerror, " or free room") if full else (trouble, "")
        raise Undecided(
            f"the cache {root or cache_root()} cannot be used: {reason}; set PFNLAB_CACHE{remedy}"
        ) from trouble


def kept(path: Path, make: Callable[[Path], None], *, say: Callable[[str], None] = quiet) -> Path:
    """The complete file or folder *path* in the cache; made if missing, and remade if damaged.

    One process makes it while others wait on the lock of the parent folder. It appears by a single rename,
    and an unfinished one leaves nothing behind.

    :param make: makes the file or folder at the path it is given, which is in a temporary folder
    :raises TimedOut: if another process did not finish it in time
    :raises Undecided: if the cache cannot be written to, or is full
    """
    if is_whole(path):
        return path
    folder = path.parent
    lock = folder.with_name(f"{folder.name}.lock")
    with usable(), _threads.setdefault(lock, threading.Lock()), locked(lock, limit=_KEEP_LIMIT, say=say):
        if is_whole(path):
            return path
        if _voucher(path).exists():
            say(f"{path} is damaged and is made again")
        with workplace(folder) as place:
            make(place / path.name)
            keep(place / path.name, path)
    return path


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A temporary folder in *folder*, for files that are moved to *folder* by one rename once complete."""
    make_cache_folder(folder)
    sweep(folder)
    with tempfile.TemporaryDirectory(prefix=".part-", dir=folder, ignore_cleanup_errors=True) as name:
        yield Path(name)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in *folder*; the caller must hold the lock."""
    for leftover in folder.glob(".part-*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextmanager
def new_folder(home: Path) -> Iterator[Path]:
    """A folder to fill, which replaces *home* on exit."""
    with workplace(home.parent) as place:
        part = place / home.name
        part.mkdir()
        yield part
        tighten(part)
        if home.exists():
            shutil.rmtree(home)
        part.rename(home)


def keep(part: Path, path: Path) -> None:
    """Move the finished file or folder *part* to *path*, in the same folder, and record its checksums.

    If several processes store the same path at the same time, the last one wins. If their writes get mixed
    up, the checksums do not match, and the next call to `kept` makes the file again.
    """
    tighten(part)
    voucher = _checksums(part, path.name)
    _voucher(path).unlink(missing_ok=True)
    if part.is_dir() and path.exists():
        path.rename(part.with_name(f"{part.name}.old"))
    part.replace(path)
    write_cached(_voucher(path), voucher)


def is_whole(path: Path) -> bool:
    """True if the file or folder *path* matches its recorded checksums; errors as in `trusted`."""
    for file in (path, _voucher(path)):
        trusted(file)
    try:
        head, _, listing = _voucher(path).read_text().partition("\n")
        if head != _head(listing):
            return False
        for line in listing.removesuffix("\n").split("\n"):
            digest, _, name = line.partition("  ")
            if digest != _digest(path.parent / name):
                return False
    except (OSError, ValueError):
        return False
    return True


def forget(path: Path) -> None:
    """Remove the cached file *path* and its checksums, if present."""
    _voucher(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """The checksum of a file, in hex; the file is read again only if it has changed."""
    status = path.stat()
    return _read_digest(path, status.st_ino, status.st_size, status.st_mtime_ns)


# A guest state is 80 MB, and one process may start hundreds of guests from it.
@lru_cache(maxsize=4096)
def _read_digest(path: Path, inode: int, size: int, written: int) -> str:
    del inode, size, written
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class AnswerCache:
    """Cached results of a long search over *parts*, in ``<cache>/bisect/KEY.json``; ignored if *afresh*."""

    def __init__(self, *parts: str, afresh: bool = False) -> None:
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        self._path = cache_root() / "bisect" / f"{key}.json"
        self._answers: dict[str, str] = {}
        # Missing or truncated: search again.
        with suppress(OSError, msgspec.MsgspecError):
            if not afresh:
                self._answers = msgspec.json.decode(trusted(self._path).read_bytes(), type=dict[str, str])

    def __getitem__(self, question: str) -> str | None:
        return self._answers.get(question)

    def keep(self, question: str, answer: str) -> None:
        """Store an answer; Undecided if the cache cannot be written."""
        self._answers[question] = answer
        with usable():
            write_cached(self._path, msgspec.json.encode(self._answers))


def _voucher(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


# Lines in sha256sum format, preceded by a line with the checksum of those lines.
def _checksums(part: Path, name: str) -> str:
    files = [part]
    if part.is_dir():
        files = sorted(file for file in part.rglob("*") if file.is_symlink() or file.is_file())
    listing = "".join(f"{_digest(file)}  {Path(name) / file.relative_to(part)}\n" for file in files)
    return f"{_head(listing)}\n{listing}"


def _head(listing: str) -> str:
    return f"# {hashlib.sha256(listing.encode()).hexdigest()}"


def _digest(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(os.fsencode(os.readlink(path))).hexdigest()
    return sha256_of(path)
