"""The contents of the cache, entry by entry with sizes, and the removal of unused entries."""

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
from pfnlab.lab.images.reviewed_bases import BASES

#: Cache folders: a description of the entries, and how deep they are below the folder.
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
    **{"bisect": ("answers and clones of bisections", 1), BASES: ("bases of reviews", 1)},
    # Made by earlier pfnlab versions.
    **{"compiled": ("compiled searches", 1), "lost": ("consoles of lost guests", 1)},
}

#: Folders written during a fetch, under the lock for kernels.
_FETCHED = ("kernels", "apt", "debug")

_LOCK_LIMIT = 60.0
_DAY = 24 * 3600

_BESIDE = (".sha256",)


@dataclass(frozen=True)
class CacheEntry:
    """A cache entry, with its companion files.

    :param kind: a description of the kind of entry
    :param size: its size on disk, in bytes
    :param used: when any of its files was last read or written, in seconds since 1970
    """

    kind: str
    paths: tuple[Path, ...]
    size: int
    used: float


def stored() -> list[CacheEntry]:
    """All entries in the cache; files and folders that pfnlab does not know are skipped."""
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
            things.append(CacheEntry(kind, paths, size, last_use))
    return things


def clean(days: float) -> list[CacheEntry]:
    """Remove entries unused for *days* days, each kind under its lock; return those removed.

    Entries that a process is using are kept, e.g. the tree of a running build.

    :raises TimedOut: if another process is making an entry of the same kind
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


def _take_away(thing: CacheEntry) -> bool:
    """Remove an entry, unless a process holds its own lock; return True if it was removed."""
    lock = thing.paths[0].with_name(f".{thing.paths[0].name}.lock")
    try:
        with locked(lock, limit=0.0, say=quiet) if lock.exists() else nullcontext():
            # The checksums go first, so that a partly removed entry is not mistaken for a complete one.
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
    # Reading where a link points updates the link's access time, but does not count as use.
    return status.st_mtime if stat.S_ISLNK(status.st_mode) else max(status.st_atime, status.st_mtime)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
