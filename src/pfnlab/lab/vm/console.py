"""The console of a guest: its lines, and the file in the cache that keeps those of a lost guest."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Sequence
from pathlib import Path

from pfnlab.lab.images.cache import cache_root

_CONSOLES_KEPT = 50
_serial = itertools.count()


def lines_of(path: Path) -> list[str]:
    """The lines of a log that are not empty; none where there is no log."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def keep_console(lines: Sequence[str]) -> Path | None:
    """Keep what a lost guest said, in the cache; None when there is no room for it."""
    folder = cache_root() / "lost"
    path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{next(_serial)}.console"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*lines, ""]))
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    for old_console in sorted(folder.glob("*.console"))[:-_CONSOLES_KEPT]:
        old_console.unlink(missing_ok=True)
    return path
