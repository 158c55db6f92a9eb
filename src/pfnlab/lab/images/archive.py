"""The Debian archive, read through a private apt: its own lists and cache, the machine's mirror and keyring.

Each suite has its own directory under ``<cache>/apt``, so that refreshing one leaves the others alone. It
contains ``apt.conf``, ``suite.sources``, ``lists/`` and ``listing.json``, which records the kernel packages
in the signed lists. Signatures are always checked, and nothing here can turn that off. Lists enter the cache
only once they have been verified and are no older than the previous ones (`pfnlab.lab.images.apt`).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.base.inert import visible_name
from pfnlab.lab.images import apt, sources
from pfnlab.lab.images.cache import cache_root, locked, new_folder, quiet, sha256_of, trusted, write_cached
from pfnlab.lab.images.sources import Mirror
from pfnlab.lab.images.tools import complaint

#: Maximum age of lists, in seconds.
LISTS_LAST = 24 * 3600

_UPDATE_LIMIT = 300.0
_DOWNLOAD_LIMIT = 600.0
_LOCK_LIMIT = 900.0

#: Matches every package that may contain a cloud-flavour kernel (metapackages have other version numbers).
_KERNEL_NAME = re.compile(r"linux-(?:image|binary)-(?:unsigned-)?\d.*-cloud-amd64(?:-unsigned)?")

# As Debian defines them. A version is also the name of a folder in the cache.
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"\d{1,15}")

_UNSIGNED = re.compile(
    r"(?:is not|no longer) signed|not authenticated|Hash Sum mismatch|NO_PUBKEY|BADSIG|EXPKEYSIG|KEYEXPIRED"
    r"|GPG error|OpenPGP|signature|keyring|sqv|gpgv",
    re.IGNORECASE,
)

# Messages from apt about a server that does not answer, as opposed to one that lacks the file.
_UNREACHABLE = re.compile(
    r"(?:Could not|Unable to) (?:resolve|connect|wait for)|Temporary failure resolving|Something wicked"
    r"|Cannot initiate the connection|Connection (?:timed out|refused|failed)|Network is unreachable"
    r"|No route to host"
)


class Unreachable(Undecided):
    """The archive did not answer at all, so other suites would fail too."""


class Unverified(Undecided):
    """A suite's signature or checksum does not match the configured keyring, so nothing from it is used."""


@dataclass(frozen=True)
class Package:
    """A kernel package in a suite; *size* is in bytes."""

    name: str
    version: str
    suite: str
    size: int


@dataclass(frozen=True)
class Listing:
    """The kernel packages in one suite's signed lists, as of *taken* (seconds since 1970)."""

    taken: float
    packages: tuple[Package, ...]


class PackageOffer(NamedTuple):
    """A package in the archive, with its installed size in KiB and its dependencies."""

    package: Package
    unpacked: int = 0
    depends: str = ""


def read_listing(root: Path, suite: str) -> Listing | None:
    """The last listing fetched for *suite*, without network access, or ``None``."""
    try:
        return msgspec.json.decode(trusted(root / suite / "listing.json").read_bytes(), type=Listing)
    except (OSError, msgspec.MsgspecError):
        return None


@dataclass(eq=False)
class Archive:
    """The Debian archive: the kernel packages in each suite, and the packages themselves.

    :param root: the directory that holds apt's state for each suite
    """

    root: Path
    main: Mirror
    security: Mirror | None = None
    settings: apt.AptSettings = apt.DEFAULTS
    # Warnings about unchecked settings go to the most recent caller.
    _say: Callable[[str], None] = field(default=quiet, init=False)
    _failures: dict[str, str] = field(default_factory=dict, init=False)

    @classmethod
    def of_this_machine(cls, root: Path) -> Archive:
        """The archive that ``PFNLAB_MIRROR`` names, or else the one in the machine's apt sources.

        :raises MissingTool: if there is no apt, or its sources do not include a Debian archive
        :raises Misuse: if ``PFNLAB_MIRROR`` is not a mirror
        """
        settings = apt.machine_settings()
        mirrors = sources.named_mirrors(os.environ)
        main, security = mirrors or sources.debian_mirrors(
            sources.read_sources(sources.APT_ETC), sources.APT_ETC
        )
        return cls(root, main, security, settings)

    def has(self, suite: str) -> bool:
        """True if the machine is configured for an archive that may have *suite*."""
        return self.security is not None or not suite.endswith("-security")

    def listing(self, suite: str, *, refresh: bool = False, say: Callable[[str], None]) -> Listing:
        """The kernel packages in *suite*; fetches its lists if they are over a day old or *refresh* is true.

        If the archive cannot be reached, older lists are used, and *say* is told so.

        :raises Unverified: if the keyring does not verify the suite
        :raises Undecided: if the lists cannot be fetched and there are no older ones
        """
        self._say = say
        mirror = self._mirror(suite)
        home = trusted(self._home(suite))
        changed = apt.configure(home, self.settings._replace(user="root"), apt.entry_of(mirror, suite))
        if changed:
            (home / "listing.json").unlink(missing_ok=True)
        old_listing = None if changed else read_listing(self.root, suite)
        if old_listing and not refresh and 0 <= time.time() - old_listing.taken < LISTS_LAST:
            return old_listing
        if mirror.uri in self._failures:
            # A mirror that did not answer for one suite is not tried again: it would take just as long.
            if old_listing is None:
                raise Unreachable(self._failures[mirror.uri])
            return old_listing
        say(f"reading the package lists of {suite}")
        try:
            self._update(suite, mirror)
        except Unverified:
            raise
        except Undecided as trouble:
            if isinstance(trouble, Unreachable):
                self._failures[mirror.uri] = str(trouble)
            if old_listing is None:
                raise
            day = time.strftime("%Y-%m-%d", time.localtime(old_listing.taken))
            say(f"{trouble}; using the lists of {day}")
            return old_listing
        return self._extract(suite)

    def find(
        self, suites: Iterable[str], name: str, version: str = "", *, say: Callable[[str], None]
    ) -> PackageOffer | None:
        """Package *name*, in *version* or the newest, from the first suite with it; errors as `listing`."""
        query = [f"{name}={version}"] if version else ["--no-all-versions", name]
        for suite in suites:
            self.listing(suite, say=say)
            for fields in self._stanzas(suite, query):
                found = _package(fields, suite)
                if found is not None and found.name == name and version in ("", found.version):
                    return PackageOffer(found, _number(fields, "installed-size"), fields.get("depends", ""))
        return None

    def download(self, package: Package, into: Path, progress: Callable[[int], None] | None = None) -> Path:
        """Fetch *package* into the directory *into*; both apt and pfnlab check it against the signed lists.

        :param progress: called with the number of bytes fetched so far
        :raises Unverified: if the package does not match the signed lists, or they have no checksum for it
        :raises Undecided: if it cannot be fetched
        """
        request = f"{package.name}={package.version}"
        home = self._home(package.suite)
        digests = self._digests(package, request)
        mirror = self._mirror(package.suite)
        with apt.apt_folder(self.settings.user, self.root, mirror) as folder:
            entry = (home / "suite.sources").read_text()
            folder.prepare(self.settings, entry, home / "lists")
            place = folder.give("download")
            homes = (place, folder.path / "cache" / "archives" / "partial")
            answer = apt.call_apt(
                folder.path,
                ["apt-get", "-q", "download", request],
                _DOWNLOAD_LIMIT,
                place,
                None if progress is None else lambda: progress(_largest(homes)),
            )
            files = sorted(place.glob("*.deb"))
            if answer.returncode or len(files) != 1:
                raise _not_fetched(answer.stderr, request, package.suite)
            # Copied first, then compared: the source may belong to another user.
            deb = into / files[0].name
            shutil.copyfile(files[0], deb)
        if sha256_of(deb) not in digests:
            deb.unlink()
            raise Unverified(
                f"{deb.name} does not match its checksum in the list of {package.suite}; try again"
            )
        if folder.reason:
            apt.say_once(f"downloads run as root: {folder.reason}", self._say)
        return deb

    def _digests(self, package: Package, request: str) -> set[str]:
        """Checksums of *package* from the signed list."""
        digests = set()
        for fields in self._stanzas(package.suite, [request]):
            if _package(fields, package.suite) is None or fields["version"] != package.version:
                continue
            path = PurePosixPath(fields.get("filename", "/"))
            if path.is_absolute() or ".." in path.parts or not _SHA256.fullmatch(fields.get("sha256", "")):
                raise Unverified(
                    f"the list of {package.suite} has no checksum of {request}, or a file outside of the "
                    f"archive ({visible_name(fields.get('filename', 'none'))}); nothing was fetched"
                )
            digests.add(fields["sha256"])
        return digests

    def _mirror(self, suite: str) -> Mirror:
        if not suite.endswith("-security"):
            return self.main
        if self.security is None:
            raise MissingTool(f"no apt source of this machine is Debian's security archive: add {suite}")
        return self.security

    def _home(self, suite: str) -> Path:
        return self.root / suite

    def _update(self, suite: str, mirror: Mirror) -> None:
        home = self._home(suite)
        with apt.apt_folder(self.settings.user, self.root, mirror) as folder:
            # The downloading user may not be able to read the machine's keyring.
            keyring = Path(mirror.signed_by)
            if mirror.signed_by.startswith("/") and keyring.is_file():
                keyring = folder.path / f"keyring{keyring.suffix}"
                shutil.copyfile(mirror.signed_by, keyring)
                keyring.chmod(0o644)
                entry = apt.entry_of(Mirror(mirror.uri, str(keyring)), suite)
            else:
                entry = apt.entry_of(mirror, suite)
            lists = folder.prepare(self.settings, entry)
            # With the old Release file in place, apt silently ignores an even older one, and does not fetch
            # unchanged package lists again.
            old = [path for path in (home / "lists").glob("*_Packages*") if path.is_file()]
            for path in old:
                shutil.copy2(path, lists)
            command = ["apt-get", "-q", "update"]
            answer = apt.call_apt(folder.path, command, _UPDATE_LIMIT)
            if answer.returncode and old and "Hash Sum" in answer.stderr:
                # A server may claim that an older list is unchanged.
                for path in old:
                    (lists / path.name).unlink(missing_ok=True)
                answer = apt.call_apt(folder.path, command, _UPDATE_LIMIT)
            self._check_update(suite, mirror, answer)
            apt.check_newest(self.root / ".newest" / suite, suite, lists)
            with new_folder(home / "lists") as part:
                for path in lists.iterdir():
                    if path.is_file() and path.name != "lock":
                        shutil.copy2(path, part)
        if folder.reason:
            apt.say_once(f"downloads run as root: {folder.reason}", self._say)
        if self.settings.undated:
            line = f"dates of package lists are not checked: the machine's apt says {self.settings.undated}"
            apt.say_once(line, self._say)

    def _check_update(self, suite: str, mirror: Mirror, answer: subprocess.CompletedProcess[str]) -> None:
        # When older lists are present, apt may only warn about a bad signature; here that is an error.
        if not answer.returncode and "previous index files will be used" not in answer.stderr:
            return
        reason = complaint(answer.stderr)
        if "expired" in reason and "Release file" in reason:
            raise Undecided(
                f"`apt-get update` refuses {suite}: {reason} For a mirror frozen on purpose, set "
                'Acquire::Check-Valid-Until "false" in the machine\'s apt configuration'
            )
        if _UNSIGNED.search(answer.stderr):
            # The first such line names the key; the last one only says that the repository is not signed.
            reason = next(line for line in answer.stderr.splitlines() if _UNSIGNED.search(line))[2:].strip()
            keyring = mirror.signed_by if mirror.signed_by.startswith("/") else "the key in the apt source"
            raise Unverified(
                f"`apt-get update` cannot verify {suite} with {keyring}: {reason}; "
                + (
                    "try again, the mirror may be in the middle of an update"
                    if "Hash Sum" in reason
                    else "update the package debian-archive-keyring, or correct the source's Signed-By"
                )
            )
        if _UNREACHABLE.search(answer.stderr):
            raise Unreachable(f"the archive cannot be reached (no network?): {reason}")
        raise Undecided(
            f"`apt-get update` failed for {suite}: {reason}; check the mirror: does it have this suite?"
        )

    def _extract(self, suite: str) -> Listing:
        # Select the kernel packages in the lists just fetched; the result is written last, so its presence
        # means success.
        names = self._query(suite, ["apt-cache", "pkgnames", "linux-"]).split()
        kernel_names = sorted(name for name in names if _KERNEL_NAME.fullmatch(name))
        text = self._query(suite, ["apt-cache", "show", *kernel_names]) if kernel_names else ""
        found = (_package(stanza, suite) for stanza in sources.stanzas(text))
        packages = tuple(package for package in found if package is not None)
        listing = Listing(time.time(), packages)
        content = msgspec.json.format(msgspec.json.encode(listing), indent=1).decode()
        write_cached(self._home(suite) / "listing.json", content + "\n")
        return listing

    def _query(self, suite: str, command: list[str]) -> str:
        answer = apt.call_apt(self._home(suite), command, apt.QUERY_LIMIT)
        if answer.returncode:
            raise Undecided(
                f"`{command[0]} {command[1]}` failed for {suite}: {complaint(answer.stderr)}; "
                f"remove {self._home(suite)} and try again"
            )
        return answer.stdout

    def _stanzas(self, suite: str, query: list[str]) -> Iterator[dict[str, str]]:
        # Empty if the list has no such package.
        answer = apt.call_apt(self._home(suite), ["apt-cache", "show", *query], apt.QUERY_LIMIT)
        return sources.stanzas(answer.stdout)


def _package(fields: dict[str, str], suite: str) -> Package | None:
    """The package that a stanza describes; None if its name or version is not valid in Debian."""
    name, version = fields.get("package", ""), fields.get("version", "")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        return None
    return Package(name, version, suite, _number(fields, "size"))


def _number(fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else 0


def _not_fetched(stderr: str, request: str, suite: str) -> Undecided:
    trouble = f"`apt-get download {request}` failed: {complaint(stderr)}"
    if _UNREACHABLE.search(stderr):
        return Unreachable(f"the archive cannot be reached (no network?): {complaint(stderr)}")
    if re.search(r"hash|authenticat|unexpected size", stderr, re.IGNORECASE):
        return Unverified(f"{trouble}; nothing was kept: try again, or ask those who run the mirror")
    return Undecided(f"{trouble}; fetch with --refresh to read the current list of {suite}")


@contextmanager
def opened_archive(say: Callable[[str], None]) -> Iterator[Archive]:
    """This machine's archive, locked for this process; errors as in :meth:`Archive.of_this_machine`.

    :raises TimedOut: if another process did not release the lock in time
    """
    root = cache_root()
    with locked(root / "kernels.lock", limit=_LOCK_LIMIT, say=say):
        yield Archive.of_this_machine(root / "apt")


def _largest(folders: Iterable[Path]) -> int:
    sizes = [0]
    for folder in folders:
        for path in folder.glob("*"):
            with suppress(OSError):
                sizes.append(path.stat().st_size)
    return max(sizes)
