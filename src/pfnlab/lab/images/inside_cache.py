"""What the cache holds, how large it is, and taking away what nobody has used for a while."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pfnlab.lab.images.cache import cache_root, locked, quiet

#: What lies where in the cache: what it is, and how deep below its folder one thing of it lies.
_KINDS = {
    "kernels": ("kernels", 2),
    "apt": ("package lists", 1),
    "guest": ("guest images", 1),
    "states": ("booted guests", 1),
    "drivers": ("test drivers", 1),
    "headers": ("kernel headers", 1),
    "modules": ("kernel modules", 1),
    "symbols": ("kernel symbols", 1),
    "lens": ("kernel types", 1),
    "debug": ("debug kernels", 1),
    "compiled": ("compiled searches", 1),
    "lost": ("consoles of lost guests", 1),
}

_LOCK_LIMIT = 60.0
_DAY = 24 * 3600

#: Endings of files that stand beside what they belong to.
_BESIDE = (".sha256",)


@dataclass(frozen=True)
class Stored:
    """One thing in the cache, with what stands beside it.

    :param kind: what it is, in words
    :param size: bytes on disk
    :param used: when any of it was last read or written, seconds since 1970
    """

    kind: str
    paths: tuple[Path, ...]
    size: int
    used: float


def stored() -> list[Stored]:
    """Everything in the cache; folders and files pfnlab does not know are none of its business."""
    root = cache_root()
    found = []
    for name, (kind, depth) in _KINDS.items():
        for path in sorted((root / name).glob("/".join("*" * depth))):
            if path.name.startswith(".") or path.name.endswith(_BESIDE):
                continue
            beside = [path.with_name(path.name + ending) for ending in _BESIDE]
            paths = (path, *(one for one in beside if one.exists()))
            files = [one.lstat() for whole in paths for one in _files(whole)]
            size = sum(one.st_blocks * 512 for one in files)
            used = max(map(_used, files), default=path.lstat().st_mtime)
            found.append(Stored(kind, paths, size, used))
    return found


def clean(days: float) -> list[Stored]:
    """Take away what was not used for so many days, and what was taken; each kind while nobody makes any.

    :raises TimedOut: somebody else is making something of a kind
    """
    before = time.time() - days * _DAY
    taken = []
    for name in _KINDS:
        folder = cache_root() / name
        if not folder.is_dir():
            continue
        with locked(folder.with_name(f"{name}.lock"), limit=_LOCK_LIMIT, say=quiet):
            for one in stored():
                if folder in one.paths[0].parents and one.used <= before:
                    # What vouches for it goes first: half of it is then no longer taken for whole.
                    for path in reversed(one.paths):
                        _remove(path)
                    taken.append(one)
    return taken


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir() or path.is_symlink():
        yield path
        return
    for folder, _, names in os.walk(path):
        yield from (Path(folder) / name for name in names)


def _used(file: os.stat_result) -> float:
    # To look where a link leads is no use of it.
    return file.st_mtime if stat.S_ISLNK(file.st_mode) else max(file.st_atime, file.st_mtime)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
