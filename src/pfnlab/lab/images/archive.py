"""The Debian archive through an apt of our own: own lists, own cache, the machine's mirror and keyring.

Each suite has a directory of its own under ``<cache>/apt``, so that refreshing one touches no other:
``apt.conf``, ``suite.sources``, ``lists/`` and ``listing.json``, which holds the kernel packages the
signed lists name. Signatures are always checked; nothing here can turn that off.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.errors import MissingTool, Undecided
from pfnlab.lab.images import sources
from pfnlab.lab.images.cache import cache_root, locked, trusted, write_cached
from pfnlab.lab.images.sources import Mirror
from pfnlab.lab.images.tools import complaint, run

#: Seconds after which lists are fetched again.
LISTS_LAST = 24 * 3600

_UPDATE_LIMIT = 300.0
_DOWNLOAD_LIMIT = 600.0
_QUERY_LIMIT = 60.0
_LOCK_LIMIT = 900.0

_NO_APT = "kernels come from a Debian archive through apt; give one of your own with qemu:FILE"

#: Every package that may hold a kernel of the cloud flavour (metapackages differ by version).
_KERNEL_NAME = re.compile(r"linux-(?:image|binary)-(?:unsigned-)?\d.*-cloud-amd64(?:-unsigned)?")

# How the machine reaches its archive is its own business: proxies, certificates, and whether an old
# Release file is accepted (frozen mirrors). Nothing that weakens signatures is taken over.
_CARRIED = re.compile(
    r"Acquire::(?:https?::(?:Proxy(?:-?Auto-?Detect)?(?:::[^ :]+)?|CaInfo|CaPath)"
    r'|Check-Valid-Until|Check-Date|ForceIPv[46]) "[^"]+";'
)

_UNSIGNED = re.compile(
    r"(?:is not|no longer) signed|not authenticated|Hash Sum mismatch|NO_PUBKEY|BADSIG|EXPKEYSIG|KEYEXPIRED"
    r"|GPG error|OpenPGP|signature|keyring|sqv|gpgv",
    re.IGNORECASE,
)

# apt's messages for a server that does not answer, as opposed to one that lacks the file.
_UNREACHABLE = re.compile(
    r"(?:Could not|Unable to) (?:resolve|connect|wait for)|Temporary failure resolving|Something wicked"
    r"|Cannot initiate the connection|Connection (?:timed out|refused|failed)|Network is unreachable"
    r"|No route to host"
)

_CONFIG = """\
// Written by pfnlab: an apt that shares nothing with the machine's own but its mirror and keyring.
Dir::State "{home}/state/";
Dir::State::lists "{home}/lists/";
Dir::State::status "{home}/status";
Dir::Cache "{home}/cache/";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{home}/suite.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::GzipIndexes "true";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
{carried}
"""


class Unreachable(Undecided):
    """The archive did not answer at all; asking it for another suite is of no use."""


class Unverified(Undecided):
    """A suite's signature or checksum does not fit the configured keyring; nothing of it is used."""


@dataclass(frozen=True)
class Package:
    """One kernel package a suite holds; *size* is the package's, in bytes."""

    name: str
    version: str
    suite: str
    size: int


@dataclass(frozen=True)
class Listing:
    """The kernel packages of one suite as its signed lists had them at *taken* (seconds since 1970)."""

    taken: float
    packages: tuple[Package, ...]


class Offered(NamedTuple):
    """A package of the archive, the room its files take, in KiB, and the packages it depends on."""

    package: Package
    unpacked: int = 0
    depends: str = ""


def read_listing(root: Path, suite: str) -> Listing | None:
    """The listing of *suite* fetched last, without asking the archive; ``None`` where there is none."""
    try:
        return msgspec.json.decode(trusted(root / suite / "listing.json").read_bytes(), type=Listing)
    except (OSError, msgspec.MsgspecError):
        return None


class Archive:
    """The Debian archive: which kernel packages a suite holds, and the packages themselves.

    :param root: the directory the suites' apt states live in
    :param main: the mirror of the main archive
    :param security: the mirror of the security archive, if the machine has one
    :param carried: lines for apt.conf that say how the machine reaches its mirrors
    """

    def __init__(self, root: Path, main: Mirror, security: Mirror | None = None, carried: str = "") -> None:
        self.root = root
        self.main = main
        self.security = security
        self.carried = carried
        self._failures: dict[str, str] = {}

    @classmethod
    def of_this_machine(cls, root: Path) -> Archive:
        """
        The archive ``PFNLAB_MIRROR`` names, else that of the machine's own apt sources.

        :raises MissingTool: there is no apt, or no Debian archive among its sources
        :raises Misuse: ``PFNLAB_MIRROR`` names no mirror
        """
        answer = run(["apt-config", "dump"], limit=_QUERY_LIMIT, remedy=_NO_APT)
        carried = "\n".join(line for line in answer.stdout.splitlines() if _CARRIED.fullmatch(line))
        mirrors = sources.named_mirrors(os.environ)
        main, security = mirrors or sources.debian_mirrors(
            sources.read_sources(sources.APT_ETC), sources.APT_ETC
        )
        return cls(root, main, security, carried)

    def has(self, suite: str) -> bool:
        """True where the machine is configured for an archive that could hold *suite*."""
        return self.security is not None or not suite.endswith("-security")

    def listing(self, suite: str, *, refresh: bool = False, say: Callable[[str], None]) -> Listing:
        """
        The kernel packages of *suite*, its lists fetched when they are older than a day.

        When the archive cannot be reached, older lists are used and *say* reports it.

        :param refresh: fetch the lists however young they are
        :raises Unverified: the keyring does not verify the suite
        :raises Undecided: the lists cannot be had and there are no older ones
        """
        mirror = self._mirror(suite)
        changed = self._prepare(suite, mirror)
        old_listing = None if changed else read_listing(self.root, suite)
        if old_listing and not refresh and 0 <= time.time() - old_listing.taken < LISTS_LAST:
            return old_listing
        if mirror.uri in self._failures:
            # A mirror that did not answer for one suite is not asked again: that would take as long.
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
            say(f"{trouble}; going on with the lists of {day}")
            return old_listing
        return self._extract(suite)

    def find(
        self, suites: Iterable[str], name: str, version: str = "", *, say: Callable[[str], None]
    ) -> Offered | None:
        """
        The package *name*, in exactly that version or in the newest one, of the first suite that has it.

        :raises Unverified: the keyring does not verify a suite
        :raises Undecided: the lists cannot be had and there are no older ones
        """
        query = [f"{name}={version}"] if version else ["--no-all-versions", name]
        for suite in suites:
            self.listing(suite, say=say)
            answer = self._apt(suite, ["apt-cache", "show", *query], _QUERY_LIMIT)
            for fields in sources.stanzas(answer.stdout):
                found = fields.get("version", "")
                if fields.get("package") == name and version in ("", found):
                    package = Package(name, found, suite, int(fields.get("size", "0")))
                    return Offered(package, int(fields.get("installed-size", "0")), fields.get("depends", ""))
        return None

    def download(self, package: Package, into: Path, progress: Callable[[int], None] | None = None) -> Path:
        """
        Fetch *package* into the directory *into*, checked by apt against the signed lists.

        :param progress: gets the number of bytes so far, now and then
        :raises Unverified: the package is not what the signed lists say
        :raises Undecided: it cannot be fetched
        """
        request = f"{package.name}={package.version}"
        homes = (into, self._home(package.suite) / "cache" / "archives" / "partial")
        answer = self._apt(
            package.suite,
            ["apt-get", "-q", "download", request],
            _DOWNLOAD_LIMIT,
            into,
            None if progress is None else lambda: progress(_largest(homes)),
        )
        files = sorted(into.glob("*.deb"))
        if answer.returncode or len(files) != 1:
            trouble = f"`apt-get download {request}` failed: {complaint(answer.stderr)}"
            if _UNREACHABLE.search(answer.stderr):
                raise Unreachable(f"the archive cannot be reached (no network?): {complaint(answer.stderr)}")
            if re.search(r"hash|authenticat|unexpected size", answer.stderr, re.IGNORECASE):
                raise Unverified(f"{trouble}; nothing was kept: try again, or ask those who run the mirror")
            raise Undecided(f"{trouble}; fetch with --refresh to read what {package.suite} holds now")
        return files[0]

    def _mirror(self, suite: str) -> Mirror:
        if not suite.endswith("-security"):
            return self.main
        if self.security is None:
            raise MissingTool(f"no apt source of this machine is Debian's security archive: add {suite}")
        return self.security

    def _home(self, suite: str) -> Path:
        return self.root / suite

    def _prepare(self, suite: str, mirror: Mirror) -> bool:
        # Writes the configuration; true when the lists fetched before came from another mirror or keyring.
        home = self._home(suite)
        for part in ("lists/partial", "cache/archives/partial", "state"):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "status").touch()
        write_cached(home / "apt.conf", _CONFIG.format(home=home, carried=self.carried))
        key = "\n ".join(line or "." for line in mirror.signed_by.split("\n"))
        entry = (
            f"Types: deb\nURIs: {mirror.uri}\nSuites: {suite}\nComponents: main\nArchitectures: amd64\n"
            f"Signed-By: {key}\n"
        )
        path = home / "suite.sources"
        changed = not path.exists() or path.read_text() != entry
        if changed:
            (home / "listing.json").unlink(missing_ok=True)
            write_cached(path, entry)
        return changed

    def _update(self, suite: str, mirror: Mirror) -> None:
        answer = self._apt(suite, ["apt-get", "-q", "update"], _UPDATE_LIMIT)
        # A signature that fails while older lists exist can be a mere warning to apt; to us it is an error.
        if not answer.returncode and "previous index files will be used" not in answer.stderr:
            return
        reason = complaint(answer.stderr)
        if "expired" in reason and "Release file" in reason:
            raise Undecided(
                f"`apt-get update` refuses {suite}: {reason} For a mirror frozen on purpose, set "
                'Acquire::Check-Valid-Until "false" in the machine\'s apt configuration'
            )
        if _UNSIGNED.search(answer.stderr):
            # The first such line names the key; the last only says that the repository is not signed.
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
        # The kernel packages out of the lists just fetched; written last, so its presence means success.
        names = self._query(suite, ["apt-cache", "pkgnames", "linux-"]).split()
        kernel_names = sorted(name for name in names if _KERNEL_NAME.fullmatch(name))
        text = self._query(suite, ["apt-cache", "show", *kernel_names]) if kernel_names else ""
        packages = tuple(
            Package(stanza["package"], stanza["version"], suite, int(stanza.get("size", "0")))
            for stanza in sources.stanzas(text)
            if "package" in stanza and "version" in stanza
        )
        listing = Listing(time.time(), packages)
        content = msgspec.json.format(msgspec.json.encode(listing), indent=1).decode()
        write_cached(self._home(suite) / "listing.json", content + "\n")
        return listing

    def _query(self, suite: str, command: list[str]) -> str:
        answer = self._apt(suite, command, _QUERY_LIMIT)
        if answer.returncode:
            raise Undecided(
                f"`{command[0]} {command[1]}` failed for {suite}: {complaint(answer.stderr)}; "
                f"remove {self._home(suite)} and try again"
            )
        return answer.stdout

    def _apt(
        self,
        suite: str,
        command: list[str],
        limit: float,
        cwd: Path | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        env = {"APT_CONFIG": str(self._home(suite) / "apt.conf")}
        return run(command, limit=limit, remedy=_NO_APT, env=env, cwd=cwd, meanwhile=meanwhile)


@contextmanager
def opened_archive(say: Callable[[str], None]) -> Iterator[Archive]:
    """
    The archive of this machine, for this process alone meanwhile.

    :param say: called with each line of progress
    :raises MissingTool: there is no apt, or no Debian archive among its sources
    :raises Misuse: ``PFNLAB_MIRROR`` names no mirror
    :raises TimedOut: another process did not let go of it in time
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
