"""From a name such as ``6.12`` or ``6.12.107`` to the kernel the archive offers under it."""

import difflib
from collections.abc import Callable

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.kernel.policies.releases import CONFIRMED, is_version, series_of, upstream
from pfnlab.lab.images.archive import Archive, Package, Unreachable, Unverified, read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.kernel_offers import SUITES, Offer, chosen, matching, offers_in, suites_for


def offered() -> list[Offer]:
    """Every kernel in the lists fetched so far, oldest first; no network."""
    listings = [read_listing(cache_root() / "apt", suite) for suite in SUITES]
    return offers_in(package for listing in listings if listing is not None for package in listing.packages)


def known_series(name: str) -> str:
    """The series of *name*, which may be a package version; Misuse if it is no kernel's, or there is none."""
    version = name if is_version(name) else upstream(name)
    series = series_of(version) if version else name
    if series in CONFIRMED or (version and any(offer.series == series for offer in offered())):
        return series
    near_names = difflib.get_close_matches(series, CONFIRMED, n=1)
    hint = f"did you mean {near_names[0]}? " if near_names else ""
    raise Misuse(
        f"there is no kernel series {series!r}: {hint}known are {', '.join(CONFIRMED)}, "
        "and exact versions of them such as 6.12.107"
    )


class Search:
    """One search through the archive: each suite is read once, however many kernels may be in it."""

    def __init__(self, archive: Archive, refresh: bool, say: Callable[[str], None]) -> None:
        self.archive = archive
        self.refresh = refresh
        self.say = say
        self._packages_by_suite: dict[str, tuple[Package, ...]] = {}
        self._errors_by_suite: dict[str, Undecided] = {}

    def offer(self, name: str) -> Offer:
        """The offer of that *name*, over every suite that may hold it.

        A stable suite may offer a kernel of the next one as well: where the suites of the series have none,
        the others are asked.

        :raises Unreachable: no mirror answered, and no list is here
        :raises MissingTool: no suite holds it
        """
        series = known_series(name)
        series_suites = suites_for(series)
        for suites in (series_suites, tuple(dict.fromkeys((*series_suites, *SUITES)))):
            offers = offers_in(package for suite in suites for package in self._packages(suite))
            choice = chosen(name, offers)
            if choice is not None:
                return choice
        troubles = [self._errors_by_suite[suite] for suite in suites if suite in self._errors_by_suite]
        if not offers and troubles and isinstance(troubles[0], Unreachable):
            raise troubles[0]
        versions = [offer.version for offer in matching(series, offers)]
        raise MissingTool(
            f"the archive holds no kernel {name} (asked: {', '.join(suites)})"
            + (f"; of {series} it offers {', '.join(versions)}" if versions else "")
            + (f"; {troubles[0]}" if troubles else "")
            + "; it may have been removed: give one of your own with qemu:FILE"
        )

    def all(self) -> list[Offer]:
        """Every kernel of every suite that can be read."""
        offers = offers_in(package for suite in SUITES for package in self._packages(suite))
        if len(self._errors_by_suite) == len(SUITES):
            raise self._errors_by_suite[SUITES[0]]
        return offers

    def _packages(self, suite: str) -> tuple[Package, ...]:
        # An unreadable suite is reported, and the others still count; a bad signature ends the search.
        if suite not in self._packages_by_suite:
            self._packages_by_suite[suite] = ()
            try:
                self._packages_by_suite[suite] = self.archive.listing(
                    suite, refresh=self.refresh, say=self.say
                ).packages
            except Unverified:
                raise
            except Undecided as trouble:
                unreachable = isinstance(trouble, Unreachable)
                # Reported once, and not for each suite.
                if not unreachable or not any(
                    isinstance(error, Unreachable) for error in self._errors_by_suite.values()
                ):
                    self.say(str(trouble) if unreachable else f"{suite} left out: {trouble}")
                self._errors_by_suite[suite] = trouble
        return self._packages_by_suite[suite]
