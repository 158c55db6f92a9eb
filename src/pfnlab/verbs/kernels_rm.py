"""Remove kernels from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

EXAMPLES = (
    ("pfnlab kernels rm 6.12.94", "One version out of the cache"),
    ("pfnlab kernels rm 6.12", "All of a series"),
)


class RemoveRequest(Request, frozen=True, kw_only=True):
    names: Annotated[tuple[str, ...], Option("6.12, or 6.12.107.", "K", positional=True)]


def perform(request: RemoveRequest, say: Say) -> Iterator[PlainText]:
    """Remove them, with a line for each."""
    from pfnlab.lab.building.built import find, remove_built
    from pfnlab.lab.images.kernels import remove

    for name in request.names:
        if find(name) is not None:
            remove_built(name)
            yield PlainText.line(f"removed {name}")
            continue
        yield from (PlainText.line(f"removed {version}") for version in remove(name, say=say))
