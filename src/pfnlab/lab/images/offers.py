"""What the archive offers: kernels of the cloud flavour, each an exact version, out of package lists.

Pure functions over lists; nothing here reads or fetches anything.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfnlab.errors import Undecided
from pfnlab.lab.images.archive import Package
from pfnlab.lab.images.commands import complaint, run
from pfnlab.policies.known import known_packages, known_versions
from pfnlab.policies.releases import series_key, series_of, upstream, version_key

#: The suites of the rolling distribution, in which new series appear and old ones vanish.
ROLLING = ("experimental", "sid", "trixie-backports")

#: The series of stable suites, oldest first, and those suites.
STABLE: dict[str, tuple[str, ...]] = {
    "6.1": ("bookworm", "bookworm-updates", "bookworm-security"),
    "6.12": ("trixie", "trixie-updates", "trixie-security"),
}

#: Every suite that may hold a kernel.
SUITES = (*(suite for suites in STABLE.values() for suite in suites), *ROLLING)

# From this series on the kernel is in linux-binary-*, and linux-image-* only brings it into /boot.
_BINARY_SINCE = (6, 19)

_NAME = re.compile(
    r"linux-(?P<kind>image|binary)-(?:unsigned-)?(?P<series>\d+\.\d+)(?P<point>\.\d+)?[^/]*-cloud-amd64"
    r"(?P<unsigned>-unsigned)?"
)

_COMPARE_LIMIT = 10.0


@dataclass(frozen=True)
class Offer:
    """One kernel the archive holds.

    :param version: the upstream version, ``6.12.107``
    """

    version: str
    package: Package

    @property
    def series(self) -> str:
        """``6.12`` of ``6.12.107``."""
        return series_of(self.version)

    @property
    def known(self) -> bool:
        """Whether exactly this package was met."""
        return self.package.version in known_packages()


def suites_for(series: str) -> tuple[str, ...]:
    """The suites that may hold a kernel of *series*."""
    return STABLE.get(series, ROLLING)


def offers_in(packages: Iterable[Package]) -> list[Offer]:
    """The kernels among *packages*, oldest first, each package version once.

    Of signed and unsigned images of one version the one users boot is taken. A name such as
    linux-image-6.12-cloud-amd64 is a metapackage: it has no point release. That of a release candidate has
    none either, but no metapackage is a linux-binary.
    """
    best: dict[str, Package] = {}
    for package in packages:
        named = _NAME.fullmatch(package.name)
        version = upstream(package.version)
        if named is None or not version or series_of(version) != named["series"]:
            continue
        binary = series_key(named["series"]) >= _BINARY_SINCE
        if (named["kind"] == "binary") != binary or not (binary or named["point"]):
            continue
        other = best.get(package.version)
        if other is None or ("unsigned" in other.name and "unsigned" not in package.name):
            best[package.version] = package
    return [Offer(upstream(version), best[version]) for version in by_version(best)]


def matching(name: str, offers: Sequence[Offer]) -> list[Offer]:
    """The offers *name* speaks of: a series, an exact version or a package version; oldest first."""
    return [one for one in offers if name in (one.series, one.version, one.package.version)]


def chosen(name: str, offers: Sequence[Offer]) -> Offer | None:
    """The newest known offer *name* speaks of; where none is known, the newest."""
    found = matching(name, offers)
    return next((one for one in reversed(found) if one.known), found[-1] if found else None)


@dataclass(frozen=True)
class Role:
    """Which kernel the demo and the tests ask for a role.

    :param name: the exact version; the role's series where nothing could be had
    :param standing: ``known`` and offered, ``new`` (offered, nobody met it), ``cached`` (no longer offered),
        or ``gone``: not to be had at all
    """

    name: str
    standing: str


def roles_for(offers: Sequence[Offer], cached: Sequence[str]) -> list[Role]:
    """The kernels the demo and the tests run: those of the stable series, and the newest known on offer.

    Where none of a series is offered any more the last cached one is taken. A new kernel is taken only where
    no known one is offered; what it does otherwise is news, no failure.

    :param cached: the package versions in the cache
    """
    roles = [_role(series, offers, cached) for series in STABLE]
    rolling = [one for one in offers if one.series not in STABLE]
    newest = next((one for one in reversed(rolling) if one.known), rolling[-1] if rolling else None)
    if newest is not None:
        return [*roles, Role(newest.version, "known" if newest.known else "new")]
    kept = [one for one in map(upstream, cached) if one and series_of(one) not in STABLE]
    if kept:
        return [*roles, Role(_last(kept), "cached")]
    return [*roles, Role(known_versions()[-1], "gone")]


def _role(series: str, offers: Sequence[Offer], cached: Sequence[str]) -> Role:
    offer = chosen(series, offers)
    if offer is not None:
        return Role(offer.version, "known" if offer.known else "new")
    kept = [one for one in map(upstream, cached) if one and series_of(one) == series]
    return Role(_last(kept), "cached") if kept else Role(series, "gone")


def _last(versions: Sequence[str]) -> str:
    """The newest of *versions* that is known, else the newest."""
    known = [one for one in versions if one in known_versions()]
    return max(known or versions, key=version_key)


@functools.cache
def compare_versions(one: str, other: str) -> int:
    """Debian's order of two package versions: negative, zero or positive, as ``dpkg`` sees it."""
    if one == other:
        return 0
    command = ["dpkg", "--compare-versions", one, "lt", other]
    answer = run(command, limit=_COMPARE_LIMIT, remedy="it orders package versions: install dpkg")
    if answer.returncode not in (0, 1):
        raise Undecided(f"`dpkg --compare-versions` failed on {one} and {other}: {complaint(answer.stderr)}")
    return 1 if answer.returncode else -1


def by_version(versions: Iterable[str]) -> list[str]:
    """Package versions in Debian's order, oldest first."""
    return sorted(versions, key=functools.cmp_to_key(_compare))


def _compare(one: str, other: str) -> int:
    # The upstream version decides nearly always, and costs no process.
    first, second = upstream(one), upstream(other)
    if first and second and version_key(first) != version_key(second):
        return -1 if version_key(first) < version_key(second) else 1
    return compare_versions(one, other)
