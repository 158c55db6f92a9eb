"""Every kernel that is known, cached or on offer.

A kernel is known (it was compared with the model), new (it was not) or gone (no longer offered).
"""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import RefreshOf, Request, Say

EXAMPLES = (
    ("pfnlab kernels list", "Every kernel that is known, cached or on offer"),
    ("pfnlab kernels list --refresh", "The same after asking the archive what is new"),
)


class KernelsRequest(Request, frozen=True, kw_only=True):
    refresh: RefreshOf = False


def perform(request: KernelsRequest, say: Say) -> Iterator[PlainText]:
    """One line a kernel: what it is, cached or not, and the offer of the archive; then those built here."""
    from pfnlab.lab.building.built import built_kernels
    from pfnlab.lab.images.kernels import inventory, read_lists

    if request.refresh:
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
        yield PlainText.line("   ".join([*cells, row[3]]).rstrip())
    if own_kernels := built_kernels():
        yield PlainText.line("\nbuilt here:")
        yield from (PlainText.line(f"  qemu:{kernel.name}   {kernel.origin}") for kernel in own_kernels)
