"""Real kernels to boot: from a series such as ``6.12`` to a checked vmlinuz in the cache.

The packages are Debian's cloud flavour for amd64. A cached kernel is a directory
``<cache>/kernels/<series>/<package version>`` with ``vmlinuz``, ``kernel.json`` and, where the package
has them, ``config`` and ``System.map``; it appears by one rename, so it is whole or not there.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pfnlab.errors import MissingTool, Misuse, Undecided
from pfnlab.lab.archive import Archive, Package, Unverified, read_listing
from pfnlab.lab.bzimage import release_of
from pfnlab.lab.cache import cache_root, locked, write_whole
from pfnlab.lab.commands import complaint, run
from pfnlab.lab.deb import take_out

_BACKPORTS = ("trixie-backports",)

#: Series, how its package's name begins, and the suites that may hold it; the newest version wins.
_TABLE: dict[str, tuple[str, tuple[str, ...]]] = {
    "6.1": ("linux-image-", ("bookworm", "bookworm-updates", "bookworm-security")),
    "6.12": ("linux-image-", ("trixie", "trixie-updates", "trixie-security")),
    "6.16": ("linux-image-", _BACKPORTS),
    "6.17": ("linux-image-", _BACKPORTS),
    "6.18": ("linux-image-", _BACKPORTS),
    "6.19": ("linux-binary-", _BACKPORTS),
    "7.0": ("linux-binary-", _BACKPORTS),
    "7.1": ("linux-binary-", _BACKPORTS),
    "7.2": ("linux-binary-", ("sid", *_BACKPORTS)),
    "7.3": ("linux-binary-", ("experimental", "sid", *_BACKPORTS)),
}

#: The kernel series pfnlab knows where to find, oldest first.
SERIES: tuple[str, ...] = tuple(_TABLE)

_LOCK_LIMIT = 900.0
_COMPARE_LIMIT = 10.0

#: A System.map or config larger than this is left in its package, in bytes.
_EXTRAS_MAX = 16 << 20

# /boot up to the packages of 7.2.12~bpo13, beside the modules from Debian 14 on.
_MEMBER = re.compile(
    r"(?:\./)?(?:boot/(?P<boot>vmlinuz|config|System\.map)-[^/]+"
    r"|(?:usr/)?lib/modules/[^/]+/(?P<modules>vmlinuz|config|System\.map)(?:\.unsigned)?)"
)


@dataclass(frozen=True)
class Kernel:
    """One bootable kernel.

    :param series: ``6.12``; empty for a file of the user's own
    :param package: the package it came from; empty for a file of the user's own
    :param version: the package's version; for a file of the user's own, its release
    :param release: what ``uname -r`` says
    :param vmlinuz: the bzImage
    :param sha256: of that file, in hex
    """

    series: str
    package: str
    version: str
    release: str
    vmlinuz: Path
    sha256: str


@dataclass(frozen=True)
class Availability:
    """What can be said of one series without asking the archive.

    :param cached: the newest whole kernel in the cache
    :param damaged: cached vmlinuz files that are not what was fetched
    :param offered: the newest package in the lists fetched so far
    :param confirmed: whether the lists of every suite that may hold the series are here
    """

    series: str
    cached: Kernel | None
    damaged: tuple[Path, ...]
    offered: Package | None
    confirmed: bool


def _quiet(line: str) -> None:
    # Progress nobody asked for.
    del line


def cached(series: str) -> Kernel | None:
    """
    The newest kernel of *series* in the cache, its checksum verified; no network.

    A damaged file counts as absent (`available` names it, `fetch` replaces it).

    :raises Misuse: the series is unknown
    """
    return _newest_kernel(_whole(_checked(series))[0])


def fetch(*series: str, refresh: bool = False, say: Callable[[str], None] = _quiet) -> list[Kernel]:
    """
    The newest kernel the archive holds of each series, downloaded unless the cache has it.

    :param refresh: read the package lists again even when they are younger than a day
    :param say: told one line at a time what is going on
    :raises Misuse: a series is unknown
    :raises Unverified: a signature or checksum does not hold
    :raises Undecided: the archive cannot be reached, or holds no kernel of a series
    """
    wanted = [_checked(name) for name in series]
    if not wanted:
        return []
    root = cache_root()
    try:
        with locked(root / "kernels.lock", limit=_LOCK_LIMIT, say=say):
            _sweep(root)
            archive = Archive.of_this_machine(root / "apt")
            search = _Search(archive, refresh, say)
            return [_obtain(archive, name, search.newest(name), say) for name in wanted]
    except OSError as trouble:
        raise Undecided(f"the cache {root} cannot be used: {trouble}; set PFNLAB_CACHE") from trouble


def kernel_for(series: str) -> Kernel:
    """The newest cached kernel of *series*; fetched first when there is none."""
    return cached(series) or fetch(series)[0]


def from_file(path: Path) -> Kernel:
    """
    A bzImage of the user's own, its release read from its header.

    :raises Misuse: the file is not a bzImage
    """
    release = release_of(path)
    return Kernel("", "", release, release, path.absolute(), _sha256(path))


def suites_of(kernel: Kernel) -> list[str]:
    """
    The suites that may hold packages that belong to *kernel*; none when it is not of the archive.

    Where it came from; what was a security update moves on with the next point release.
    """
    try:
        suite = str(json.loads((kernel.vmlinuz.parent / "kernel.json").read_text())["suite"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(dict.fromkeys([suite, suite.removesuffix("-security")]))


def available() -> list[Availability]:
    """Every known series: what is cached, and what the lists fetched so far offer; no network."""
    apt = cache_root() / "apt"
    rows = []
    for series in SERIES:
        whole, damaged = _whole(series)
        listings = [read_listing(apt, suite) for suite in _TABLE[series][1]]
        offers = _offers(series, [one for listing in listings if listing for one in listing.packages])
        rows.append(
            Availability(
                series=series,
                cached=_newest_kernel(whole),
                damaged=tuple(damaged),
                offered=_newest(offers),
                confirmed=None not in listings,
            )
        )
    return rows


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


class _Search:
    # One search through the archive: each suite is read once, however many series may be in it.

    def __init__(self, archive: Archive, refresh: bool, say: Callable[[str], None]) -> None:
        self.archive = archive
        self.refresh = refresh
        self.say = say
        self._read: dict[str, tuple[Package, ...]] = {}
        self._trouble: dict[str, str] = {}

    def newest(self, series: str) -> Package:
        """The newest package of *series* over every suite that may hold it."""
        suites = _TABLE[series][1]
        found = _newest(_offers(series, [one for suite in suites for one in self._packages(suite)]))
        if found is None:
            troubles = [self._trouble[suite] for suite in suites if suite in self._trouble]
            raise MissingTool(
                f"the archive holds no kernel {series} (asked: {', '.join(suites)})"
                + (f"; {troubles[0]}" if troubles else "")
                + "; it may have been removed: give one of your own with qemu:FILE"
            )
        return found

    def _packages(self, suite: str) -> tuple[Package, ...]:
        # A suite that cannot be read is said so, and the others still count; a bad signature ends it all.
        if suite not in self._read:
            self._read[suite] = ()
            try:
                self._read[suite] = self.archive.listing(suite, refresh=self.refresh, say=self.say).packages
            except Unverified:
                raise
            except Undecided as trouble:
                self._trouble[suite] = str(trouble)
                self.say(f"{suite} left out: {trouble}")
        return self._read[suite]


def _checked(series: str) -> str:
    if series in _TABLE:
        return series
    close = difflib.get_close_matches(series, SERIES, n=1)
    guess = f"did you mean {close[0]}? " if close else ""
    raise Misuse(f"there is no kernel series {series!r}: {guess}known are {', '.join(SERIES)}")


def _offers(series: str, packages: Iterable[Package]) -> list[Package]:
    # The version tells the series (a name such as linux-image-6.12-cloud-amd64 may be a metapackage: its
    # name has no point release; a release candidate's has none either, but no metapackage is linux-binary).
    stem = _TABLE[series][0]
    exact = re.compile(rf"{re.escape(series)}[.~-]")
    point = re.compile(rf"{stem}(?:unsigned-)?{re.escape(series)}" + (r"\." if "image" in stem else r"\b"))
    return [one for one in packages if exact.match(one.version) and point.match(one.name)]


def _newest(offers: Iterable[Package]) -> Package | None:
    # Signed and unsigned images have one version; the one users boot is taken.
    def order(one: Package, other: Package) -> int:
        return compare_versions(one.version, other.version) or (
            ("unsigned" in other.name) - ("unsigned" in one.name)
        )

    return max(offers, key=functools.cmp_to_key(order), default=None)


def _newest_kernel(kernels: list[Kernel]) -> Kernel | None:
    def order(one: Kernel, other: Kernel) -> int:
        return compare_versions(one.version, other.version)

    return max(kernels, key=functools.cmp_to_key(order), default=None)


def _whole(series: str) -> tuple[list[Kernel], list[Path]]:
    # The cached kernels whose checksum holds, and the vmlinuz files of those that are damaged.
    whole, damaged = [], []
    for note in sorted((cache_root() / "kernels" / series).glob("[!.]*/kernel.json")):
        vmlinuz = note.parent / "vmlinuz"
        kernel = _read_note(note)
        if kernel is not None and vmlinuz.is_file() and _sha256(vmlinuz) == kernel.sha256:
            whole.append(kernel)
        else:
            damaged.append(vmlinuz)
    return whole, damaged


def _read_note(note: Path) -> Kernel | None:
    try:
        content = json.loads(note.read_text())
        return Kernel(
            series=str(content["series"]),
            package=str(content["package"]),
            version=str(content["version"]),
            release=str(content["release"]),
            vmlinuz=note.parent / "vmlinuz",
            sha256=str(content["sha256"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_note(kernel: Kernel, suite: str) -> None:
    content = {
        "series": kernel.series,
        "package": kernel.package,
        "version": kernel.version,
        "release": kernel.release,
        "sha256": kernel.sha256,
        "fetched": datetime.now(UTC).date().isoformat(),
        "suite": suite,
    }
    write_whole(kernel.vmlinuz.parent / "kernel.json", json.dumps(content, indent=1) + "\n")


def _obtain(archive: Archive, series: str, package: Package, say: Callable[[str], None]) -> Kernel:
    home = cache_root() / "kernels" / series / package.version
    if home.exists():
        for kernel in _whole(series)[0]:
            if kernel.version == package.version:
                say(f"{series}: {package.version} is in the cache")
                return kernel
        say(f"{series}: {home} is damaged and is replaced")
    home.parent.mkdir(parents=True, exist_ok=True)
    say(f"{series}: fetching {package.name} {package.version} from {package.suite}, {package.size >> 20} MiB")
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".part-") as name:
        part = Path(name) / "kernel"
        part.mkdir()
        deb = archive.download(package, Path(name))
        _unpack(deb, part)
        sha256 = _sha256(part / "vmlinuz")
        release = release_of(part / "vmlinuz")
        _write_note(
            Kernel(series, package.name, package.version, release, part / "vmlinuz", sha256), package.suite
        )
        if home.exists():
            shutil.rmtree(home)
        part.rename(home)
    return Kernel(series, package.name, package.version, release, home / "vmlinuz", sha256)


def _unpack(deb: Path, into: Path) -> None:
    take_out(deb, functools.partial(_take, into=into))
    if not (into / "vmlinuz").exists():
        raise Undecided(f"{deb.name} holds no vmlinuz: its layout changed, use qemu:FILE meanwhile")


def _take(members: tarfile.TarFile, into: Path) -> None:
    # Only the kernel's own files.
    for member in members:
        match = _MEMBER.fullmatch(member.name)
        if match is None or not member.isreg():
            continue
        part = match["boot"] or match["modules"]
        if part != "vmlinuz" and member.size > _EXTRAS_MAX:
            continue
        content = members.extractfile(member)
        assert content is not None
        with (into / part).open("wb") as file:
            shutil.copyfileobj(content, file)


def _sweep(root: Path) -> None:
    # What a killed fetch left behind; the lock is held, so nobody is using it.
    for left in (root / "kernels").glob("*/.part-*"):
        shutil.rmtree(left, ignore_errors=True)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
