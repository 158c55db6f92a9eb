"""``pfnlab kernels``: kernels that can be booted, fetching them, and taking them out of the cache."""

from __future__ import annotations

from collections.abc import Sequence

from pfnlab.errors import Misuse, Undecided
from pfnlab.lab.building.built import built_kernels, find, remove_built
from pfnlab.lab.images.archive import Unverified
from pfnlab.lab.images.inventory import inventory
from pfnlab.lab.images.kernel_offers import Role, roles_for
from pfnlab.lab.images.kernels import cached, cached_versions, fetch, read_lists, remove
from pfnlab.lab.images.search import SERIES, offered
from pfnlab.progress import say, working
from pfnlab.units import number_of

#: The fallback of each role of the tests, in words.
_STANDINGS = {
    "new": "which is new: where it differs from the model, that is news",
    "cached": "from the cache, for it is no longer offered",
    "gone": "not to be had: recorded runs stand in for it",
}


def list_kernels(*, refresh: bool = False) -> int:
    """One line a kernel: known, new or gone, cached or not, and the offer of the archive.

    :param refresh: read the package lists first
    """
    if refresh:
        read_lists(refresh=True, say=say)
    rows = [("version", "is", "cached", "package")]
    for kernel in inventory():
        in_cache = "damaged: fetch it again" if kernel.damaged else "yes" if kernel.cached else "-"
        package = kernel.offer.package if kernel.offer else None
        origin = f"{package.name} from {package.suite}" if package else "not offered"
        if package is None and not kernel.confirmed:
            origin = "lists not all read: --refresh"
        rows.append((kernel.version, kernel.standing, in_cache, f"{kernel.package_version} {origin}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        print("   ".join([*cells, row[3]]).rstrip())
    own_kernels = built_kernels()
    if own_kernels:
        print("\nbuilt here:")
        for own_kernel in own_kernels:
            print(f"  qemu:{own_kernel.name}   {own_kernel.origin}")
    return 0


def fetch_kernels(names: Sequence[str], *, refresh: bool, missing: bool = False) -> int:
    """Fetch every named kernel (``all``: each series; ``every``: each version on offer; ``tested``: those of
    the demo and the tests) and print where it lies.

    :param refresh: read the package lists again
    :param missing: leave out kernels in the cache, so that the network is not needed for them
    """
    for word in ("tested", "every", "all"):
        if word in names and len(names) > 1:
            raise Misuse(
                f"`{word}` stands for many kernels: give it alone, or the others in a call of their own"
            )
    if "tested" in names:
        return _fetch_tested(refresh=refresh, missing=missing)
    if "every" in names:
        chosen_names: Sequence[str] = [
            offer.package.version for offer in read_lists(refresh=refresh, say=say)
        ]
        refresh = False
    else:
        chosen_names = SERIES if "all" in names else tuple(dict.fromkeys(names))
    if missing:
        chosen_names = tuple(name for name in chosen_names if cached(name) is None)
    with working(f"fetching {number_of(len(chosen_names), 'kernel')}") as work:
        kernels = fetch(*chosen_names, refresh=refresh, say=say, counted=work)
    for kernel in kernels:
        print(f"{kernel.upstream}: {kernel.package} {kernel.version} in {kernel.vmlinuz}")
    return 0


def tested_kernels(*, newest: bool = False) -> int:
    """Print the kernels the demo and the tests ask, a version and its standing a line.

    :param newest: only the last of them that can be had, else nothing
    """
    roles = roles_for(offered(), cached_versions())
    if newest:
        roles = [role for role in roles if role.standing != "gone"][-1:]
    for role in roles:
        print(role.name, role.standing)
    return 0


def remove_kernels(names: Sequence[str]) -> int:
    """Take kernels out of the cache and say which."""
    for name in names:
        if find(name) is not None:
            remove_built(name)
            print(f"removed {name}")
            continue
        for version in remove(name, say=say):
            print(f"removed {version}")
    return 0


def _fetch_tested(*, refresh: bool, missing: bool) -> int:
    try:
        read_lists(refresh=refresh, say=say)
    except Unverified:
        raise
    except Undecided as trouble:
        say(f"{trouble}; going on with what is here")
    roles = roles_for(offered(), cached_versions())
    with working("fetching the kernels of demo and tests", len(roles)) as work:
        for role in roles:
            if role.standing in ("known", "new") and not (missing and cached(role.name)):
                fetch(role.name, say=say)
            work.advance()
    for role in roles:
        print(_role(role))
    return 0


def _role(role: Role) -> str:
    return f"{role.name}: {_STANDINGS.get(role.standing, 'known and on offer')}"
