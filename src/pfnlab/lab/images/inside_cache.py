"""The contents of the cache with their sizes, and removal of things that were not used for a while."""

import os
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import TimedOut
from pfnlab.lab.images.cache import cache_root, locked, quiet

#: The folders of the cache: the kind of thing in each, in words, and how deep below the folder a thing lies.
_KINDS = {
    "kernels": ("kernels", 2),
    **{"apt": ("package lists", 1), "guest": ("guest images", 1), "states": ("booted guests", 1)},
    **{"drivers": ("test drivers", 1), "trees": ("kernel sources and objects", 1)},
    **{
        "built": ("kernels built here", 1),
        "headers": ("kernel headers", 1),
        "modules": ("kernel modules", 1),
    },
    **{"symbols": ("kernel symbols", 1), "lens": ("kernel types", 1), "debug": ("debug kernels", 1)},
    "bisect": ("answers and clones of bisections", 1),
    # Earlier versions made them.
    **{"compiled": ("compiled searches", 1), "lost": ("consoles of lost guests", 1)},
}

#: Folders that are written while fetching, under the lock of the kernels.
_FETCHED = ("kernels", "apt", "debug")

_LOCK_LIMIT = 60.0
_DAY = 24 * 3600

_BESIDE = (".sha256",)


@dataclass(frozen=True)
class Stored:
    """One thing in the cache, with its companion files.

    :param kind: in words
    :param size: bytes on disk
    :param used: when any of it was last read or written, seconds since 1970
    """

    kind: str
    paths: tuple[Path, ...]
    size: int
    used: float


def stored() -> list[Stored]:
    """Everything in the cache; folders and files pfnlab does not know are left out."""
    root = cache_root()
    things = []
    for name, (kind, depth) in _KINDS.items():
        for path in sorted((root / name).glob("/".join("*" * depth))):
            if path.name.startswith(".") or path.name.endswith(_BESIDE):
                continue
            companions = [path.with_name(path.name + ending) for ending in _BESIDE]
            paths = (path, *(companion for companion in companions if companion.exists()))
            statuses = [file.lstat() for item in paths for file in _files(item)]
            size = sum(status.st_blocks * 512 for status in statuses)
            last_use = max(map(_last_use, statuses), default=path.lstat().st_mtime)
            things.append(Stored(kind, paths, size, last_use))
    return things


def clean(days: float) -> list[Stored]:
    """Remove things that were not used for so many days, and return them; each kind under its lock.

    What a process works in stays: the tree of a build that goes on.

    :raises TimedOut: another process is making a thing of a kind
    """
    cutoff = time.time() - days * _DAY
    removed = []
    for name in _KINDS:
        folder = cache_root() / name
        if not folder.is_dir():
            continue
        lock = "kernels" if name in _FETCHED else name
        with locked(folder.with_name(f"{lock}.lock"), limit=_LOCK_LIMIT, say=quiet):
            for thing in stored():
                if folder in thing.paths[0].parents and thing.used <= cutoff and _take_away(thing):
                    removed.append(thing)
    return removed


def _take_away(thing: Stored) -> bool:
    """Remove *thing*, unless a process holds the lock of its own that it may have."""
    lock = thing.paths[0].with_name(f".{thing.paths[0].name}.lock")
    try:
        with locked(lock, limit=0.0, say=quiet) if lock.exists() else nullcontext():
            # The checksums go first: half a thing is then no longer taken for whole.
            for path in reversed(thing.paths):
                _remove(path)
    except TimedOut:
        return False
    return True


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir() or path.is_symlink():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def _last_use(status: os.stat_result) -> float:
    # Reading the target of a link changes its access time and is no use of it.
    return status.st_mtime if stat.S_ISLNK(status.st_mode) else max(status.st_atime, status.st_mtime)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
