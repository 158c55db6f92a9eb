"""Remove what was not used for a while; it is made or fetched anew when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

EXAMPLES = (
    ("pfnlab cache clean", "Remove what was not used for a month"),
    ("pfnlab cache clean --older 7", "What was not used for a week"),
)


class CleanRequest(Request, frozen=True, kw_only=True):
    older: Annotated[float, Option("What was not used for so many days.", "DAYS", min=0)] = 30


def perform(request: CleanRequest, say: Say) -> Iterator[PlainText]:
    """A line for each thing that was removed, and how many they were."""
    from pfnlab.base.units import in_mib, number_of
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import clean

    removed = clean(request.older)
    for thing in removed:
        yield PlainText.line(f"removed {thing.paths[0].relative_to(cache_root())}, {in_mib(thing.size)}")
    total = in_mib(sum(thing.size for thing in removed))
    yield PlainText.line(f"{number_of(len(removed), 'thing')} removed, {total}")
