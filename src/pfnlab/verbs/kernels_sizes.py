"""The sizes of structures in kernels, with holes and padding, read from their images.

Nothing is booted, but to write what is kept of a series: that needs its slab caches.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AsJson, Option, Request, Say, refuse_beside

if TYPE_CHECKING:
    from pfnlab.lab.sizes.kernel_sizes import ListedSizes

EXAMPLES = (
    ("pfnlab kernels sizes", "What structures take in the kernels that are kept"),
    ("pfnlab kernels sizes 6.12 --json", "Those of one series as JSON"),
)


class SizesRequest(Request, frozen=True, kw_only=True):
    names: Annotated[
        tuple[str, ...], Option("6.12, or 6.12.107; what is kept when none.", "K", positional=True)
    ] = ()
    as_json: AsJson = False
    write: Annotated[
        Path | None, Option("Boot them too, and write what docs/sizes.md is made of there.", "DIR")
    ] = None


def perform(request: SizesRequest, say: Say) -> Iterator[ListedSizes]:
    """The structures of the kernels; or what is kept of each series, written. Misuse if no such kernel."""
    from pfnlab.base.inert import shell_word
    from pfnlab.base.progress import working
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.lab.images.kernel_offers import by_version
    from pfnlab.lab.images.kernels import kernel_for, whole
    from pfnlab.lab.sizes.kernel_sizes import (
        ListedSizes,
        known_sizes,
        series_sizes,
        structures_of,
        types_of,
        write_sizes,
    )

    if request.write is not None:
        refuse_beside(request, "--write", "prints no sizes", but="as_json")
    if request.write is None:
        found = []
        with working("reading sizes of structures", len(request.names)) as work:
            for kernel in map(kernel_for, request.names):
                found.append((kernel.label, structures_of(types_of(kernel))))
                work.advance()
        if not request.names:
            found = [(f"{kept.series} ({kept.package_version})", kept.structures) for kept in known_sizes()]
        yield ListedSizes(tuple(found))
        return
    for kernel in map(kernel_for, request.names or CONFIRMED):
        others = {
            other.version: other for other in whole(kernel.series)[0] if other.version != kernel.version
        }
        made_by = f"pfnlab kernels sizes {shell_word(kernel.version)} --write DIR"
        sizes = series_sizes(kernel, [others[version] for version in by_version(others)], made_by)
        say(f"{kernel.label}: {write_sizes(request.write, sizes)}")
