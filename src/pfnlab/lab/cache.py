"""The cache directory: where it is, who may write in it now, and how a file appears in it whole."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pfnlab.errors import Misuse, TimedOut

#: Seconds between two tries to get a lock.
_POLL = 0.2


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
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
