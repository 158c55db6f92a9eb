"""``pfnlab kernels``: what can be booted, fetching it, and taking it out of the cache."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.cli.machines import say
from pfnlab.errors import Undecided
from pfnlab.lab.images.archive import Unverified
from pfnlab.lab.images.inventory import inventory
from pfnlab.lab.images.kernels import cached, cached_versions, fetch, read_lists, remove
from pfnlab.lab.images.offers import Role, roles_for
from pfnlab.lab.images.search import SERIES, offered

#: What each role of the tests falls back to, in words.
_STANDINGS = {
    "new": "which is new: where it differs from the model, that is news",
    "cached": "from the cache, for it is no longer offered",
    "gone": "not to be had: recorded runs stand in for it",
}


def list_kernels(*, refresh: bool = False) -> int:
    """One line a kernel: known, new or gone, what is cached, what the archive offers.

    :param refresh: read the package lists first
    """
    if refresh:
        read_lists(refresh=True, say=say)
    rows = [("version", "is", "cached", "package")]
    for one in inventory():
        here = "damaged: fetch it again" if one.damaged else "yes" if one.cached else "-"
        package = one.offer.package if one.offer else None
        where = f"{package.name} from {package.suite}" if package else "not offered"
        if package is None and not one.confirmed:
            where = "lists not all read: --refresh"
        rows.append((one.version, one.standing, here, f"{one.package_version} {where}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("   ".join([*cells, row[3]]).rstrip())
    return 0


def fetch_kernels(names: Sequence[str], *, refresh: bool, missing: bool = False) -> int:
    """Fetch every named kernel (``all``: each series; ``every``: each version on offer; ``tested``: what the
    demo and the tests ask) and say where it lies.

    :param refresh: read the package lists again
    :param missing: leave out what the cache has, so that nothing needs the network then
    """
    if "tested" in names:
        return _fetch_tested(refresh=refresh)
    if "every" in names:
        wanted: Sequence[str] = [one.package.version for one in read_lists(refresh=refresh, say=say)]
        refresh = False
    else:
        wanted = SERIES if "all" in names else tuple(dict.fromkeys(names))
    if missing:
        wanted = tuple(one for one in wanted if cached(one) is None)
    for kernel in fetch(*wanted, refresh=refresh, say=say):
        print(f"{kernel.upstream}: {kernel.package} {kernel.version} in {kernel.vmlinuz}")
    return 0


def tested_kernels(*, newest: bool = False) -> int:
    """Print the kernels the demo and the tests ask, a version and its standing a line.

    :param newest: only the last of them that can be had, else nothing
    """
    chosen = roles_for(offered(), cached_versions())
    if newest:
        chosen = [one for one in chosen if one.standing != "gone"][-1:]
    for one in chosen:
        print(one.name, one.standing)
    return 0


def remove_kernels(names: Sequence[str]) -> int:
    """Take kernels out of the cache and say which."""
    for name in names:
        for version in remove(name, say=say):
            print(f"removed {version}")
    return 0


def _fetch_tested(*, refresh: bool) -> int:
    try:
        read_lists(refresh=refresh, say=say)
    except Unverified:
        raise
    except Undecided as trouble:
        say(f"{trouble}; going on with what is here")
    for one in roles_for(offered(), cached_versions()):
        if one.standing in ("known", "new"):
            fetch(one.name, say=say)
        print(_role(one))
    return 0


def _role(one: Role) -> str:
    return f"{one.name}: {_STANDINGS.get(one.standing, 'known and on offer')}"
