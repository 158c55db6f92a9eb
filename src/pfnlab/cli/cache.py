"""``pfnlab cache``: what is there, how large, and cleaning up by age."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable

from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.inside_cache import Stored, clean, stored
from pfnlab.units import in_mib, number_of


def show_cache() -> int:
    """One line a kind of thing: how many, how large, when last used; then where it all is."""
    root = cache_root()
    there = stored()
    rows = [("", "how many", "size", "last used")]
    for kind in dict.fromkeys(one.kind for one in there):
        rows.append(_row(kind, [one for one in there if one.kind == kind]))
    if there:
        rows.append(_row("all", there))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            print("   ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip())
        print()
    free = in_mib(shutil.disk_usage(next(one for one in (root, *root.parents) if one.exists())).free)
    print(f"{root}{'' if there else ' is empty'}; {free} free")
    if there:
        print(
            "`pfnlab cache clean --older DAYS` takes away what was not used for so long: it can be had again"
        )
    return 0


def clean_cache(days: float) -> int:
    """Take away what was not used for *days*, and say what."""
    taken = clean(days)
    for one in taken:
        print(f"removed {one.paths[0].relative_to(cache_root())}, {in_mib(one.size)}")
    print(f"{number_of(len(taken), 'thing')} removed, {in_mib(sum(one.size for one in taken))}")
    return 0


def _row(kind: str, things: Iterable[Stored]) -> tuple[str, str, str, str]:
    those = list(things)
    day = time.strftime("%Y-%m-%d", time.localtime(max(one.used for one in those)))
    return kind, f"{len(those):,}", in_mib(sum(one.size for one in those)), day
