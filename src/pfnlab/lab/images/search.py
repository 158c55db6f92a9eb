"""From a name such as ``6.12`` or ``6.12.107`` to what the archive offers under it."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from pfnlab.errors import MissingTool, Misuse, Undecided
from pfnlab.lab.images.archive import Archive, Package, Unreachable, Unverified, read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.offers import SUITES, Offer, chosen, matching, offers_in, suites_for
from pfnlab.policies.releases import CONFIRMED, is_version, series_of, upstream

#: The series that are named in messages: those of the confirmed profiles.
SERIES = CONFIRMED


def offered() -> list[Offer]:
    """Every kernel in the lists fetched so far, oldest first; no network."""
    listings = [read_listing(cache_root() / "apt", suite) for suite in SUITES]
    return offers_in(one for listing in listings if listing is not None for one in listing.packages)


def known_series(name: str) -> str:
    """The series *name* is of; a package version's too.

    :raises Misuse: it is no kernel's name, or nobody knows such a series
    """
    version = name if is_version(name) else upstream(name)
    series = series_of(version) if version else name
    if series in SERIES or (version and any(one.series == series for one in offered())):
        return series
    close = difflib.get_close_matches(series, SERIES, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    raise Misuse(
        f"there is no kernel series {series!r}: {guess}known are {', '.join(SERIES)}, "
        "and exact versions of them such as 6.12.107"
    )


class Search:
    """One search through the archive: each suite is read once, however many kernels may be in it."""

    def __init__(self, archive: Archive, refresh: bool, say: Callable[[str], None]) -> None:
        self.archive = archive
        self.refresh = refresh
        self.say = say
        self._read: dict[str, tuple[Package, ...]] = {}
        self._trouble: dict[str, Undecided] = {}

    def offer(self, name: str) -> Offer:
        """The offer *name* speaks of, over every suite that may hold it.

        A stable suite may offer a kernel of the next one as well: where those of the series have none, the
        others are asked.

        :raises Unreachable: nobody answered, and no list is here
        :raises MissingTool: no suite holds it
        """
        series = known_series(name)
        own = suites_for(series)
        for suites in (own, (*own, *(suite for suite in SUITES if suite not in own))):
            offers = offers_in(one for suite in suites for one in self._packages(suite))
            found = chosen(name, offers)
            if found is not None:
                return found
        troubles = [self._trouble[suite] for suite in suites if suite in self._trouble]
        if not offers and troubles and isinstance(troubles[0], Unreachable):
            raise troubles[0]
        others = [one.version for one in matching(series, offers)]
        raise MissingTool(
            f"the archive holds no kernel {name} (asked: {', '.join(suites)})"
            + (f"; of {series} it offers {', '.join(others)}" if others else "")
            + (f"; {troubles[0]}" if troubles else "")
            + "; it may have been removed: give one of your own with qemu:FILE"
        )

    def all(self) -> list[Offer]:
        """Every kernel of every suite that can be read."""
        offers = offers_in(one for suite in SUITES for one in self._packages(suite))
        if len(self._trouble) == len(SUITES):
            raise self._trouble[SUITES[0]]
        return offers

    def _packages(self, suite: str) -> tuple[Package, ...]:
        # A suite that cannot be read is said so, and the others still count; a bad signature ends it all.
        if suite not in self._read:
            self._read[suite] = ()
            try:
                self._read[suite] = self.archive.listing(suite, refresh=self.refresh, say=self.say).packages
            except Unverified:
                raise
            except Undecided as trouble:
                nobody = isinstance(trouble, Unreachable)
                # Said once, and not of each suite.
                if not nobody or not any(isinstance(one, Unreachable) for one in self._trouble.values()):
                    self.say(str(trouble) if nobody else f"{suite} left out: {trouble}")
                self._trouble[suite] = trouble
        return self._read[suite]
