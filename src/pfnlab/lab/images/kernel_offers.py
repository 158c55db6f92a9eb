"""Cloud-flavour kernels on offer, by exact version, and the choice of one for a given name."""

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.base.spelling import guess
from pfnlab.kernel.policies.known_kernels import known_packages, known_versions
from pfnlab.kernel.policies.releases import (
    CONFIRMED,
    is_version,
    series_key,
    series_of,
    upstream,
    version_key,
)
from pfnlab.lab.images.archive import Archive, Package, Unreachable, Unverified, read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.tools import complaint, run

#: Suites of the rolling distribution, where new series appear and old ones disappear.
ROLLING = ("experimental", "sid", "trixie-backports")

#: Suites that have each stable series, oldest first.
STABLE: dict[str, tuple[str, ...]] = {
    "6.1": ("bookworm", "bookworm-updates", "bookworm-security"),
    "6.12": ("trixie", "trixie-updates", "trixie-security"),
}

#: All suites that may have a kernel.
SUITES = (*(suite for suites in STABLE.values() for suite in suites), *ROLLING)

# From this series on, the kernel itself is in linux-binary-*; linux-image-* only installs it into /boot.
_BINARY_SINCE = (6, 19)

_NAME = re.compile(
    r"linux-(?P<kind>image|binary)-(?:unsigned-)?(?P<series>\d+\.\d+)(?P<point>\.\d+)?[^/]*-cloud-amd64"
    r"(?P<unsigned>-unsigned)?"
)

_COMPARE_LIMIT = 10.0


@dataclass(frozen=True)
class Offer:
    """A kernel in the archive; *version* is the upstream version, e.g. ``6.12.107``."""

    version: str
    package: Package

    @property
    def series(self) -> str:
        """Its series, e.g. ``6.12`` for ``6.12.107``."""
        return series_of(self.version)

    @property
    def known(self) -> bool:
        """True if exactly this package is known."""
        return self.package.version in known_packages()


def suites_for(series: str) -> tuple[str, ...]:
    """Suites that may have a kernel in *series*."""
    return STABLE.get(series, ROLLING)


def offers_in(packages: Iterable[Package]) -> list[Offer]:
    """The kernels among *packages*, oldest first, with each package version listed once.

    If a version has both signed and unsigned images, the signed one is chosen, because that is what users
    boot. A name without a point release, e.g. linux-image-6.12-cloud-amd64, is a metapackage. Release
    candidates have no point release either, but no metapackage is named linux-binary.
    """
    choices: dict[str, Package] = {}
    for package in packages:
        match = _NAME.fullmatch(package.name)
        version = upstream(package.version)
        if match is None or not version or series_of(version) != match["series"]:
            continue
        binary = series_key(match["series"]) >= _BINARY_SINCE
        if (match["kind"] == "binary") != binary or not (binary or match["point"]):
            continue
        previous = choices.get(package.version)
        if previous is None or ("unsigned" in previous.name and "unsigned" not in package.name):
            choices[package.version] = package
    return [Offer(upstream(version), choices[version]) for version in by_version(choices)]


def matching(name: str, offers: Sequence[Offer]) -> list[Offer]:
    """Offers that match *name*, which is a series, an exact version or a package version; oldest first."""
    return [offer for offer in offers if name in (offer.series, offer.version, offer.package.version)]


def chosen(name: str, offers: Sequence[Offer]) -> Offer | None:
    """The newest known offer that matches *name*, or else the newest."""
    return best_known(matching(name, offers))


class _KernelRow(Protocol):
    @property
    def known(self) -> bool: ...


_K = TypeVar("_K", bound=_KernelRow)


def best_known(kernels: Sequence[_K]) -> _K | None:
    """The last known kernel in *kernels*, or else just the last."""
    return next((kernel for kernel in reversed(kernels) if kernel.known), kernels[-1] if kernels else None)


@dataclass(frozen=True)
class Role:
    """The kernel that fills one role in the demo and the tests.

    :param name: the exact version, or the series of the role if no kernel is available
    :param status: ``known`` and offered, ``new`` (offered, not yet known), ``cached`` (no longer offered),
        or ``gone`` (not available)
    """

    name: str
    status: str


def roles_for(offers: Sequence[Offer], cached: Sequence[str]) -> list[Role]:
    """Kernels for the demo and the tests: one for each stable series, and the newest known one on offer.

    If no kernel in a series is offered any longer, the last cached one is used. A new kernel is used only if
    no known one is offered: a difference in it is news, not a failure.

    :param cached: the package versions in the cache
    """
    roles = [
        _role([offer for offer in offers if offer.series == series], cached, series.__eq__, series)
        for series in STABLE
    ]
    rolling = [offer for offer in offers if offer.series not in STABLE]
    return [*roles, _role(rolling, cached, lambda series: series not in STABLE, known_versions()[-1])]


def _role(
    offers: Sequence[Offer], cached: Sequence[str], is_of: Callable[[str], bool], otherwise: str
) -> Role:
    """The kernel for one role; *is_of* selects the series, *otherwise* is the name if none is available."""
    offer = best_known(offers)
    if offer is not None:
        return Role(offer.version, "known" if offer.known else "new")
    versions = [version for version in map(upstream, cached) if version and is_of(series_of(version))]
    if not versions:
        return Role(otherwise, "gone")
    known = [version for version in versions if version in known_versions()]
    return Role(max(known or versions, key=version_key), "cached")


@functools.cache
def compare_versions(left: str, right: str) -> int:
    """Compare two package versions in Debian's order, with ``dpkg``: negative, zero or positive."""
    if left == right:
        return 0
    command = ["dpkg", "--compare-versions", left, "lt", right]
    answer = run(command, limit=_COMPARE_LIMIT, remedy="it orders package versions: install dpkg")
    if answer.returncode not in (0, 1):
        raise Undecided(f"`dpkg --compare-versions` failed on {left} and {right}: {complaint(answer.stderr)}")
    return 1 if answer.returncode else -1


def by_version(versions: Iterable[str]) -> list[str]:
    """Package versions in Debian's order, oldest first."""
    return sorted(versions, key=functools.cmp_to_key(_compare))


def _compare(left: str, right: str) -> int:
    # The upstream version nearly always settles it, without starting a process.
    left_upstream, right_upstream = upstream(left), upstream(right)
    if left_upstream and right_upstream and version_key(left_upstream) != version_key(right_upstream):
        return -1 if version_key(left_upstream) < version_key(right_upstream) else 1
    return compare_versions(left, right)


def available_offers() -> list[Offer]:
    """All kernels in the lists fetched so far, oldest first, without network access."""
    listings = [read_listing(cache_root() / "apt", suite) for suite in SUITES]
    return offers_in(package for listing in listings if listing is not None for package in listing.packages)


def known_series(name: str) -> str:
    """The series of *name*, which may be a package version; Misuse if there is no such kernel."""
    version = name if is_version(name) else upstream(name)
    series = series_of(version) if version else name
    if series in CONFIRMED or (version and any(offer.series == series for offer in available_offers())):
        return series
    raise Misuse(
        f"no kernel series {series!r}: {guess(series, CONFIRMED)}known series are {', '.join(CONFIRMED)}, "
        "or give an exact version such as 6.12.107"
    )


class Search:
    """A search of the archive that reads each suite only once, however many kernels it looks for."""

    def __init__(self, archive: Archive, refresh: bool, say: Callable[[str], None]) -> None:
        self.archive = archive
        self.refresh = refresh
        self.say = say
        self._packages_by_suite: dict[str, tuple[Package, ...]] = {}
        self._errors_by_suite: dict[str, Undecided] = {}

    def offer(self, name: str) -> Offer:
        """The offer for *name*, from any suite that may have it.

        A stable suite may also offer a kernel from the next series, so if the suites for the series have
        none, the others are searched.

        :raises Unreachable: if no mirror answered, and there are no cached lists
        :raises MissingTool: if no suite has it
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
            f"the archive has no kernel {name} (suites searched: {', '.join(suites)})"
            + (f"; of {series} it offers {', '.join(versions)}" if versions else "")
            + (f"; {troubles[0]}" if troubles else "")
            + "; it may have been removed: use your own with qemu:FILE"
        )

    def all(self) -> list[Offer]:
        """All kernels in all readable suites."""
        offers = offers_in(package for suite in SUITES for package in self._packages(suite))
        if len(self._errors_by_suite) == len(SUITES):
            raise self._errors_by_suite[SUITES[0]]
        return offers

    def _packages(self, suite: str) -> tuple[Package, ...]:
        # An unreadable suite is reported and the search continues; a bad signature ends the search.
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
                # Reported once, not once per suite.
                if not unreachable or not any(
                    isinstance(error, Unreachable) for error in self._errors_by_suite.values()
                ):
                    self.say(str(trouble) if unreachable else f"{suite} left out: {trouble}")
                self._errors_by_suite[suite] = trouble
        return self._packages_by_suite[suite]
