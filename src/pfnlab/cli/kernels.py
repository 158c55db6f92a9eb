"""``pfnlab kernels``: what can be booted, and fetching it."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.cli.machines import say
from pfnlab.lab.kernels import SERIES, available, cached, fetch


def list_kernels() -> int:
    """One line a series: what is cached, what the archive offers."""
    rows = [("series", "cached", "offered")]
    for one in available():
        here = f"{one.cached.package} {one.cached.version}" if one.cached else "-"
        if one.damaged:
            here += " (damaged: fetch again)"
        offered = f"{one.offered.name} {one.offered.version}" if one.offered else "-"
        rows.append((one.series, here, offered if one.confirmed else f"{offered} (lists not all read)"))
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for row in rows:
        print(f"{row[0]:<{widths[0]}}   {row[1]:<{widths[1]}}   {row[2]}".rstrip())
    return 0


def fetch_kernels(series: Sequence[str], *, refresh: bool, missing: bool = False) -> int:
    """Fetch every named series (``all``: each one known) and say where it lies.

    :param refresh: read the package lists again
    :param missing: leave out what the cache has, so that nothing needs the network then
    """
    wanted = SERIES if "all" in series else tuple(dict.fromkeys(series))
    if missing:
        wanted = tuple(one for one in wanted if cached(one) is None)
    for kernel in fetch(*wanted, refresh=refresh, say=say):
        print(f"{kernel.series}: {kernel.package} {kernel.version} in {kernel.vmlinuz}")
    return 0
