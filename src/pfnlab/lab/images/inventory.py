"""What can be said of every kernel without asking the archive: known, new, gone, in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pfnlab.lab.images.archive import read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.kernels import KernelImage, whole
from pfnlab.lab.images.offers import SUITES, Offer, by_version, suites_for
from pfnlab.lab.images.search import offered
from pfnlab.policies.known import known_packages
from pfnlab.policies.releases import series_of, upstream


@dataclass(frozen=True)
class Availability:
    """What can be said of one kernel without asking the archive.

    :param package_version: the distribution's
    :param cached: it in the cache, whole
    :param damaged: its cached vmlinuz, where that is not what was fetched
    :param offer: it in the lists fetched so far
    :param known: whether it was met
    :param confirmed: whether the lists of every suite that may hold it are here
    """

    version: str
    package_version: str
    cached: KernelImage | None
    damaged: Path | None
    offer: Offer | None
    known: bool
    confirmed: bool

    @property
    def standing(self) -> str:
        """In words: ``known``, ``new`` (offered, nobody met it), ``gone`` (met, no longer offered)."""
        if self.known:
            return "gone" if self.offer is None and self.confirmed else "known"
        return "new" if self.offer is not None else "cached only"


def inventory() -> list[Availability]:
    """Every kernel that is known, cached or in the lists fetched so far, oldest first; no network."""
    root = cache_root()
    read = {suite for suite in SUITES if read_listing(root / "apt", suite) is not None}
    offers = {one.package.version: one for one in offered()}
    sound, damaged = {}, {}
    for folder in (root / "kernels").glob("[!.]*"):
        kernels, broken = whole(folder.name)
        sound.update({kernel.version: kernel for kernel in kernels})
        damaged.update({vmlinuz.parent.name: vmlinuz for vmlinuz in broken})
    versions = by_version({*known_packages(), *offers, *sound, *damaged})
    return [
        Availability(
            version=upstream(version),
            package_version=version,
            cached=sound.get(version),
            damaged=damaged.get(version),
            offer=offers.get(version),
            known=version in known_packages(),
            confirmed=read.issuperset(suites_for(series_of(upstream(version)))),
        )
        for version in versions
    ]
