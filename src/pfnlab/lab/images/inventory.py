"""Every kernel that is known, on offer or in the cache, without asking the archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pfnlab.kernel.policies.known_kernels import known_packages
from pfnlab.kernel.policies.releases import series_of, upstream
from pfnlab.lab.images.archive import read_listing
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.kernel_offers import SUITES, Offer, by_version, suites_for
from pfnlab.lab.images.kernels import KernelImage, whole
from pfnlab.lab.images.search import offered


@dataclass(frozen=True)
class Availability:
    """One kernel, as far as the cache and the lists fetched so far show it.

    :param package_version: the distribution's
    :param cached: the kernel in the cache, where its checksum holds
    :param damaged: its cached vmlinuz, where the checksum does not hold
    :param offer: the kernel in the lists fetched so far
    :param known: whether the kernel was compared with the model
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
        """In words: ``known``, ``new`` (offered, not known yet), ``gone`` (known, no longer offered)."""
        if self.known:
            return "gone" if self.offer is None and self.confirmed else "known"
        return "new" if self.offer is not None else "cached only"


def inventory() -> list[Availability]:
    """Every kernel that is known, cached or in the lists fetched so far, oldest first; no network."""
    root = cache_root()
    read_suites = {suite for suite in SUITES if read_listing(root / "apt", suite) is not None}
    offers = {offer.package.version: offer for offer in offered()}
    sound_kernels, damaged_files = {}, {}
    for folder in (root / "kernels").glob("[!.]*"):
        kernels, files = whole(folder.name)
        sound_kernels.update({kernel.version: kernel for kernel in kernels})
        damaged_files.update({vmlinuz.parent.name: vmlinuz for vmlinuz in files})
    versions = by_version({*known_packages(), *offers, *sound_kernels, *damaged_files})
    return [
        Availability(
            version=upstream(version),
            package_version=version,
            cached=sound_kernels.get(version),
            damaged=damaged_files.get(version),
            offer=offers.get(version),
            known=version in known_packages(),
            confirmed=read_suites.issuperset(suites_for(series_of(upstream(version)))),
        )
        for version in versions
    ]
