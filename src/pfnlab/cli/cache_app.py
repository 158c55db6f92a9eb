"""``pfnlab cache``: its content, its size, and cleaning up by age. Each imports what it needs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import shutil
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from pfnlab.cli.plain import PLAIN, Verbs

if TYPE_CHECKING:
    from pfnlab.lab.images.inside_cache import Stored

cache = Verbs(help="What pfnlab keeps on disk.", **PLAIN)


@cache.callback(invoke_without_command=True)
def show_cache(context: typer.Context) -> int:
    """The content of the cache: kernels, lists of packages, and what pfnlab made of them."""
    if context.invoked_subcommand:
        return 0
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import stored
    from pfnlab.units import in_mib

    root = cache_root()
    things = stored()
    rows = [("", "how many", "size", "last used")]
    for kind in dict.fromkeys(thing.kind for thing in things):
        rows.append(_row(kind, [thing for thing in things if thing.kind == kind]))
    if things:
        rows.append(_row("all", things))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        for row in rows:
            print("   ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip())
        print()
    free = in_mib(shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free)
    print(f"{root}{'' if things else ' is empty'}; {free} free")
    if things:
        print("`pfnlab cache clean --older DAYS` removes what was not used for so long: it can be had again")
    return 0


@cache.command("clean")
def clean_cache(
    older: Annotated[
        float, typer.Option("--older", metavar="DAYS", min=0, help="What was not used for so many days.")
    ] = 30,
) -> int:
    """Remove what was not used for a while; it is made or fetched anew when it is needed."""
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import clean
    from pfnlab.units import in_mib, number_of

    removed = clean(older)
    for thing in removed:
        print(f"removed {thing.paths[0].relative_to(cache_root())}, {in_mib(thing.size)}")
    print(f"{number_of(len(removed), 'thing')} removed, {in_mib(sum(thing.size for thing in removed))}")
    return 0


def _row(kind: str, things: Iterable["Stored"]) -> tuple[str, str, str, str]:
    from pfnlab.units import in_mib

    members = list(things)
    day = time.strftime("%Y-%m-%d", time.localtime(max(thing.used for thing in members)))
    return kind, f"{len(members):,}", in_mib(sum(thing.size for thing in members)), day
