"""Real kernels to boot: from a name such as ``6.12`` or ``6.12.107`` to a verified vmlinuz in the cache.

The packages are Debian's amd64 cloud flavour (:mod:`pfnlab.lab.images.kernel_offers`). A series stands for
its newest kernel that is both known and on offer, or else the newest on offer. A cached kernel is a
directory ``<cache>/kernels/<series>/<package version>`` with ``vmlinuz``, ``kernel.json`` and, if the
package has them, ``config``, ``System.map`` and ``changelog.gz``. It appears by a single rename, so it is
either complete or absent.
"""

import json
import re
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.units import in_mib, number_of
from pfnlab.kernel.policies.known_kernels import known_packages
from pfnlab.kernel.policies.releases import series_of, upstream
from pfnlab.lab.images import cache, kernel_offers
from pfnlab.lab.images.archive import Archive, opened_archive, read_listing
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.cache import sha256_of
from pfnlab.lab.images.deb import take_out

_LOCK_LIMIT = 900.0

#: Maximum size of a System.map or config to extract, in bytes.
_EXTRAS_MAX = 16 << 20

# In /boot up to and including the 7.2.12~bpo13 packages; next to the modules from Debian 14 on.
_MEMBER = re.compile(
    r"(?:\./)?(?:boot/(?P<boot>vmlinuz|config|System\.map)-[^/]+"
    r"|(?:usr/)?lib/modules/[^/]+/(?P<modules>vmlinuz|config|System\.map)(?:\.unsigned)?"
    r"|usr/share/doc/linux-image-[^/]+/(?P<doc>changelog\.gz))"
)


#: The ``kernel.json`` fields that describe the kernel itself.
_NOTED = ("series", "package", "version", "release", "sha256")


@dataclass(frozen=True)
class KernelImage:
    """A bootable kernel.

    :param series: e.g. ``6.12``, with *package* the package that contained it; both empty for a user's file
    :param version: the package version; for a user's file, its release
    :param release: as printed by ``uname -r``
    :param vmlinuz: the bzImage, whose checksum is *sha256*, in hex
    """

    series: str
    package: str
    version: str
    release: str
    vmlinuz: Path
    sha256: str

    @property
    def label(self) -> str:
        """The package and its version, or the release of a user's file."""
        return f"{self.package} {self.version}".strip()

    @property
    def upstream(self) -> str:
        """The exact version, e.g. ``6.12.107``; empty for a user's file."""
        return upstream(self.version) if self.package else ""

    @property
    def known(self) -> bool:
        """True if exactly this kernel is known."""
        return self.version in known_packages()


def cached(name: str) -> KernelImage | None:
    """The cached kernel for *name*, with its checksum verified; no network access.

    If there are several, the newest known one, or else the newest. A damaged file counts as missing
    (`inventory` reports it, `fetch` replaces it).

    :param name: a series, an exact version or a package version; Misuse if there is no such series
    """
    kernels = {kernel.version: kernel for kernel in whole(kernel_offers.known_series(name))[0]}
    versions = kernel_offers.by_version(
        version for version in kernels if name in (series_of(upstream(version)), upstream(version), version)
    )
    return kernel_offers.best_known([kernels[version] for version in versions])


def fetch(
    *names: str,
    refresh: bool = False,
    say: Callable[[str], None] = cache.quiet,
    counted: PartCount = UNCOUNTED,
) -> list[KernelImage]:
    """The kernel that the archive offers for each name, downloaded if not cached.

    :param names: series, exact versions or package versions
    :param refresh: whether to fetch the package lists again even if they are less than a day old
    :raises Misuse: if there is no such series
    :raises Unverified: if a signature or checksum is wrong
    :raises Undecided: if the archive cannot be reached, or has no such kernel
    """
    for name in names:
        kernel_offers.known_series(name)
    if not names:
        return []
    with cache.usable(), opened_archive(say) as archive:
        for folder in (cache.cache_root() / "kernels").glob("*"):
            cache.sweep(folder)
        search = kernel_offers.Search(archive, refresh, say)
        offers = [search.offer(name) for name in names]
        _check_room(cache.cache_root(), offers)
        counted.expect(len(offers))
        kernels = []
        for offer in offers:
            kernels.append(_obtain(archive, offer, say))
            counted.advance()
        return kernels


def read_lists(
    *, refresh: bool = False, say: Callable[[str], None] = cache.quiet
) -> list[kernel_offers.Offer]:
    """All kernels on offer in up-to-date lists; Unverified if they are unsigned, Undecided if unreadable."""
    with cache.usable(), opened_archive(say) as archive:
        return kernel_offers.Search(archive, refresh, say).all()


def kernel_for(name: str) -> KernelImage:
    """The kernel offered for *name* in the lists fetched so far, cached or downloaded; else a cached one."""
    kernel = cached(name)
    offer = kernel_offers.chosen(name, kernel_offers.available_offers())
    if kernel is not None and (offer is None or kernel.version == offer.package.version or not offer.known):
        return kernel
    return fetch(name)[0]


def cached_versions() -> list[str]:
    """Package versions of all complete kernels in the cache, in no particular order."""
    folders = (folder.name for folder in (cache.cache_root() / "kernels").glob("[!.]*") if folder.is_dir())
    return [kernel.version for series in folders for kernel in whole(series)[0]]


def remove(name: str, *, say: Callable[[str], None] = cache.quiet) -> list[str]:
    """Remove the kernels for *name* from the cache; return their package versions. Misuse if none exist."""
    root = cache.cache_root()
    series = kernel_offers.known_series(name)
    with cache.locked(root / "kernels.lock", limit=_LOCK_LIMIT, say=say):
        homes = [
            home
            for home in (root / "kernels" / series).glob("[!.]*")
            if name in (series, upstream(home.name), home.name)
        ]
        if not homes:
            raise Misuse(f"the cache has no kernel {name}: see `pfnlab kernels list`")
        for home in homes:
            shutil.rmtree(home)
    return kernel_offers.by_version(home.name for home in homes)


def from_file(path: Path) -> KernelImage:
    """A user's bzImage, with the release from its header; Misuse if it is not one."""
    release = release_of(path)
    return KernelImage("", "", release, release, path.absolute(), sha256_of(path))


def suites_of(kernel: KernelImage) -> list[str]:
    """Suites that may have packages for *kernel*; empty if it is not from the archive.

    These are the suite it came from and, if that is a security suite, the main suite as well, because
    security updates move there with the next point release.
    """
    # Files next to a user's kernel are ignored.
    if not kernel.package:
        return []
    try:
        suite = str(json.loads((kernel.vmlinuz.parent / "kernel.json").read_text())["suite"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(dict.fromkeys([suite, suite.removesuffix("-security")]))


def whole(series: str) -> tuple[list[KernelImage], list[Path]]:
    """The cached kernels in *series* whose checksums are correct, and the vmlinuz files of damaged ones."""
    sound_kernels, damaged_files = [], []
    for note in sorted(cache.trusted(cache.cache_root() / "kernels" / series).glob("[!.]*/kernel.json")):
        vmlinuz = note.parent / "vmlinuz"
        kernel = _read_note(note)
        if kernel is not None and vmlinuz.is_file() and sha256_of(vmlinuz) == kernel.sha256:
            sound_kernels.append(kernel)
        else:
            damaged_files.append(vmlinuz)
    return sound_kernels, damaged_files


def _read_note(note: Path) -> KernelImage | None:
    try:
        content = json.loads(note.read_text())
        noted = {name: str(content[name]) for name in _NOTED}
        return KernelImage(vmlinuz=note.parent / "vmlinuz", **noted)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_note(kernel: KernelImage, suite: str) -> None:
    content = {
        **{name: getattr(kernel, name) for name in _NOTED},
        "fetched": datetime.now(UTC).date().isoformat(),
        "suite": suite,
    }
    cache.write_cached(kernel.vmlinuz.parent / "kernel.json", json.dumps(content, indent=1) + "\n")


def _check_room(root: Path, offers: Sequence[kernel_offers.Offer]) -> None:
    """Check that the disk has room for the kernels to be fetched; Undecided if not."""
    if not (missing := [offer for offer in offers if not _home(offer).exists()]):
        return
    # A package is kept until all its files have been extracted.
    needed = sum(offer.package.size for offer in missing) + max(offer.package.size for offer in missing)
    free = shutil.disk_usage(root).free
    if free < needed:
        raise Undecided(
            f"{number_of(len(missing), 'kernel')}: {in_mib(needed)} are needed in {root}, which has "
            f"{in_mib(free)} left: free space (`pfnlab kernels list --cache` lists the contents), "
            "or set PFNLAB_CACHE"
        )


def _home(offer: kernel_offers.Offer) -> Path:
    return cache.cache_root() / "kernels" / offer.series / offer.package.version


def _obtain(archive: Archive, offer: kernel_offers.Offer, say: Callable[[str], None]) -> KernelImage:
    series, package = offer.series, offer.package
    home = _home(offer)
    if home.exists():
        for kernel in whole(series)[0]:
            if kernel.version == package.version:
                say(f"{offer.version}: {package.version} is in the cache")
                return kernel
        say(f"{offer.version}: {home} is damaged and is replaced")
    whole_size = in_mib(package.size)
    say(f"{offer.version}: fetching {package.name} {package.version} from {package.suite}, {whole_size}")
    with cache.new_folder(home) as part:
        deb = archive.download(
            package, part.parent, lambda size: say(f"{offer.version}: {in_mib(size)} of {whole_size}")
        )
        _unpack(deb, part)
        vmlinuz = part / "vmlinuz"
        found = series, package.name, package.version, release_of(vmlinuz)
        kernel = KernelImage(*found, vmlinuz, sha256_of(vmlinuz))
        _write_note(kernel, package.suite)
    return replace(kernel, vmlinuz=home / "vmlinuz")


def _unpack(deb: Path, into: Path) -> None:
    take_out(deb, into, _name_of)
    if not (into / "vmlinuz").exists():
        raise Undecided(f"{deb.name} has no vmlinuz: its layout changed, use qemu:FILE instead")


def _name_of(member: tarfile.TarInfo) -> str | None:
    match = _MEMBER.fullmatch(member.name)
    part = match and (match["boot"] or match["modules"] or match["doc"])
    return part if part == "vmlinuz" or member.size <= _EXTRAS_MAX else None


@dataclass(frozen=True)
class Availability:
    """Availability of one kernel, in the cache and in the lists fetched so far.

    :param cached: the kernel in the cache, if its checksum is correct
    :param damaged: its cached vmlinuz if the checksum is wrong, else None
    :param known: whether the kernel has been compared with the model
    :param confirmed: whether the lists for all suites that may have it have been fetched
    """

    version: str
    package_version: str
    cached: KernelImage | None
    damaged: Path | None
    offer: kernel_offers.Offer | None
    known: bool
    confirmed: bool

    @property
    def status(self) -> str:
        """In one word: ``known``, ``new`` (offered, not yet known) or ``gone`` (no longer offered)."""
        if self.known:
            return "gone" if self.offer is None and self.confirmed else "known"
        return "new" if self.offer is not None else "cached only"


def inventory() -> list[Availability]:
    """All kernels that are known, cached or in the lists fetched so far, oldest first; uses no network."""
    root = cache.cache_root()
    read_suites = {suite for suite in kernel_offers.SUITES if read_listing(root / "apt", suite) is not None}
    offers = {offer.package.version: offer for offer in kernel_offers.available_offers()}
    sound_kernels, damaged_files = {}, {}
    for folder in (root / "kernels").glob("[!.]*"):
        kernels, files = whole(folder.name)
        sound_kernels.update({kernel.version: kernel for kernel in kernels})
        damaged_files.update({vmlinuz.parent.name: vmlinuz for vmlinuz in files})
    versions = kernel_offers.by_version({*known_packages(), *offers, *sound_kernels, *damaged_files})
    return [
        Availability(
            version=upstream(version),
            package_version=version,
            cached=sound_kernels.get(version),
            damaged=damaged_files.get(version),
            offer=offers.get(version),
            known=version in known_packages(),
            confirmed=read_suites.issuperset(kernel_offers.suites_for(series_of(upstream(version)))),
        )
        for version in versions
    ]
