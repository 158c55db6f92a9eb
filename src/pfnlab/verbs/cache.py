"""The cache: the files that pfnlab keeps on disk, and their sizes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

if TYPE_CHECKING:
    from pfnlab.lab.images.inside_cache import Stored


VERBS = ("clean",)


class CacheRequest(Request, frozen=True, kw_only=True):
    """Request to list the cache."""


def perform(request: CacheRequest, say: Say) -> Iterator[PlainText]:
    """List the cache: kernels, package lists, and files made by pfnlab."""
    import shutil

    from pfnlab.base.units import in_mib
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import stored

    root = cache_root()
    things = stored()
    rows = [("", "how many", "size", "last used")]
    for kind in dict.fromkeys(thing.kind for thing in things):
        rows.append(_row(kind, [thing for thing in things if thing.kind == kind]))
    if things:
        rows.append(_row("all", things))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
            yield PlainText.line("   ".join(cells).rstrip())
        yield PlainText.line("")
    free = in_mib(shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free)
    yield PlainText.line(f"{root}{'' if things else ' is empty'}; {free} free")
    if things:
        yield PlainText.line(
            "`pfnlab cache clean --older DAYS` removes entries unused for DAYS days; they can be "
            "fetched or made again"
        )


def _row(kind: str, things: list[Stored]) -> tuple[str, str, str, str]:
    import time

    from pfnlab.base.units import in_mib

    day = time.strftime("%Y-%m-%d", time.localtime(max(thing.used for thing in things)))
    return kind, f"{len(things):,}", in_mib(sum(thing.size for thing in things)), day


class CleanRequest(Request, frozen=True, kw_only=True):
    """Remove entries that were not used for a while; they are fetched or made again when needed."""

    older: Annotated[float, Option("Remove entries unused for this many days.", "DAYS", min=0)] = 30


def perform_clean(request: CleanRequest, say: Say) -> Iterator[PlainText]:
    """Yield a line for each removed entry, then their number."""
    from pfnlab.base.units import in_mib, number_of
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import clean

    removed = clean(request.older)
    for thing in removed:
        yield PlainText.line(f"removed {thing.paths[0].relative_to(cache_root())}, {in_mib(thing.size)}")
    total = in_mib(sum(thing.size for thing in removed))
    yield PlainText.line(f"{number_of(len(removed), 'entry', 'entries')} removed, {total}")
