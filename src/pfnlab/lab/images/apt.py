"""apt with pfnlab's own configuration, downloading as apt's sandbox user.

When pfnlab runs as root, apt lets that user (``_apt``) contact the mirror and parse its data. That user
cannot enter the cache, so it works in ``$TMPDIR``, ``/var/tmp`` or ``/tmp``, and verified files are moved to
the cache.
"""

import os
import pwd
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import shell_path
from pfnlab.lab.images.cache import NO_ROOM, make_cache_folder, workplace, write_cached
from pfnlab.lab.images.sources import Mirror
from pfnlab.lab.images.tools import run
from pfnlab.lab.images.trust import is_sound

NO_APT = "kernels come from a Debian archive through apt; run your own with qemu:FILE"

QUERY_LIMIT = 60.0
_PROBE_LIMIT = 10.0

# Settings that determine how this machine reaches its archive: proxies, certificates, and whether an old
# Release file is accepted (frozen mirrors). Settings that weaken signatures are never copied.
_CARRIED = re.compile(
    r"Acquire::(?:https?::(?:Proxy(?:-?Auto-?Detect)?(?:::[^ :]+)?|CaInfo|CaPath)"
    r'|Check-Valid-Until|Check-Date|ForceIPv[46]) "[^"]+";'
)
_UNDATED = re.compile(
    r'Acquire::Check-(?:Valid-Until|Date) "(?:no|false|without|off|disable|0)"', re.IGNORECASE
)
_USER = re.compile(r'^APT::Sandbox::User "(.*)";$', re.MULTILINE)

_CONFIG = """\
// Written by pfnlab: an apt that shares nothing with the machine's own but its mirror and keyring.
Dir::State "{folder}/state/";
Dir::State::lists "{lists}/";
Dir::State::status "{folder}/status";
Dir::Cache "{folder}/cache/";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "{folder}/suite.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "{user}";
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

# Lines this process has already printed: a fact about the machine is printed once, not once per list.
_said: set[str] = set()


class AptSettings(NamedTuple):
    """Settings of the machine's apt that also apply to pfnlab.

    :param carried: apt.conf lines that determine how the machine reaches its mirrors
    :param user: the user that downloads when apt runs as root; empty or ``root`` for root itself
    """

    carried: str = ""
    user: str = "_apt"

    @property
    def undated(self) -> str:
        """Settings that turn off the date check on package lists; empty if dates are checked."""
        return ", ".join(found[0] for found in _UNDATED.finditer(self.carried))


DEFAULTS = AptSettings()


class AptFolder(NamedTuple):
    """A folder with an ``apt.conf`` for one command; its downloading user, and the reason if that is root."""

    path: Path
    user: str
    reason: str

    def prepare(self, settings: AptSettings, entry: str, lists: Path | None = None) -> Path:
        """Write the files that apt needs, as :func:`configure` does, and return the folder for the lists."""
        configure(self.path, settings._replace(user=self.user), entry, lists)
        if self.user != "root":
            for part in filter(Path.is_dir, self.path.rglob("*")):
                part.chmod(0o755)
        return lists or self.path / "lists"

    def give(self, name: str) -> Path:
        """Create a folder in it that belongs to the downloading user."""
        folder = self.path / name
        folder.mkdir(0o700)
        if self.user != "root":
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        return folder


def machine_settings() -> AptSettings:
    """The apt settings of this machine; MissingTool if there is no apt."""
    dump = run(["apt-config", "dump"], limit=QUERY_LIMIT, remedy=NO_APT).stdout
    carried = "\n".join(line for line in dump.splitlines() if _CARRIED.fullmatch(line))
    found = _USER.search(dump)
    return AptSettings(carried, found[1] if found else "_apt")


def entry_of(mirror: Mirror, suite: str) -> str:
    """The ``*.sources`` entry for *suite*."""
    key = "\n ".join(line or "." for line in mirror.signed_by.split("\n"))
    return (
        f"Types: deb\nURIs: {mirror.uri}\nSuites: {suite}\nComponents: main\nArchitectures: amd64\n"
        f"Signed-By: {key}\n"
    )


def configure(folder: Path, settings: AptSettings, entry: str, lists: Path | None = None) -> bool:
    """Write the files that apt needs into *folder*; return True if *entry* differs from the previous entry.

    :param entry: the entry that :func:`entry_of` returns
    :param lists: the folder for the lists; by default inside *folder*
    """
    for part in (folder / "cache" / "archives", folder / "state", folder / "lists"):
        make_cache_folder(part)
    write_cached(folder / "status", "")
    text = _CONFIG.format(folder=folder, lists=lists or folder / "lists", **settings._asdict())
    write_cached(folder / "apt.conf", text)
    path = folder / "suite.sources"
    changed = not path.exists() or path.read_text() != entry
    write_cached(path, entry)
    return changed


@contextmanager
def apt_folder(user: str, parent: Path, mirror: Mirror) -> Iterator[AptFolder]:
    """Create a temporary apt folder: in *parent*, or as root somewhere *user* can enter; else Undecided."""
    reason = _reason_against(user, mirror)
    places = [] if reason or os.geteuid() else [os.environ.get("TMPDIR", ""), "/var/tmp", "/tmp"]
    for place in places:
        if not Path(place).is_dir() or not place:
            continue
        with tempfile.TemporaryDirectory(prefix="pfnlab-apt-", dir=place, ignore_cleanup_errors=True) as name:
            path = Path(name)
            path.chmod(0o755)
            if not _may(user, "-x", path) or not is_sound(path):
                continue
            try:
                yield AptFolder(path, user, "")
            except OSError as trouble:
                if trouble.errno not in NO_ROOM:
                    raise
                raise Undecided(f"{place} has no room for a download: free some, or set TMPDIR") from trouble
            return
    if places:
        reason = f"the user {user} cannot enter a folder in {' or '.join(filter(None, places))}"
    with workplace(parent) as path:
        yield AptFolder(path, "root", "" if os.geteuid() else reason)


def call_apt(
    folder: Path,
    command: list[str],
    limit: float,
    cwd: Path | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run an apt command with the configuration in *folder*; the caller checks the exit status."""
    env = {"APT_CONFIG": str(folder / "apt.conf")}
    return run(command, limit=limit, remedy=NO_APT, env=env, cwd=cwd, meanwhile=meanwhile)


def say_once(line: str, say: Callable[[str], None]) -> None:
    """Print *line*, but only once per process."""
    if line not in _said:
        _said.add(line)
        say(line)


def _reason_against(user: str, mirror: Mirror) -> str:
    """The reason why *user* cannot download, or ""."""
    if user in ("", "root"):
        return f'the machine\'s apt says APT::Sandbox::User "{user}"'
    try:
        pwd.getpwnam(user)
    except KeyError:
        return f"this machine has no user {user}"
    scheme, _, path = mirror.uri.partition(":")
    if os.geteuid() == 0 and scheme in ("file", "copy") and not _may(user, "-r", Path(path, "dists")):
        return f"the user {user} cannot read {path}"
    return ""


def _may(user: str, right: str, path: Path) -> bool:
    """True if ``test`` succeeds when run as *user*; False also if it cannot be run as that user."""
    number = pwd.getpwnam(user)
    try:
        answer = subprocess.run(
            ["test", right, str(path)],
            user=number.pw_uid,
            group=number.pw_gid,
            extra_groups=[],
            cwd="/",
            timeout=_PROBE_LIMIT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


_DATE = re.compile(r"^Date:(.*)$", re.MULTILINE)


def check_newest(memory: Path, suite: str, lists: Path) -> None:
    """Reject lists older than any seen before, and record the date of those accepted.

    A signature proves who made a list, not that it is current: a mirror could replay an old list to keep a
    machine on kernels and tools with known bugs.

    :param memory: the file that records the newest date seen for *suite*
    :param lists: the folder that contains its Release file, whose signature has been verified
    :raises Undecided: if they are older, or undated
    """
    newest, date = _remembered(memory), _date_of(lists)
    if newest is not None and (date is None or date < newest):
        said = f"is of {_shown(date)}" if date else "has no date"
        seen = f"one of {_shown(newest)} was here before"
        raise Undecided(
            f"the package list of {suite} is rejected: it {said}, and {seen}; try "
            f"another mirror, or to accept it `rm {shell_path(memory)}`"
        )
    if date is not None and date != newest:
        write_cached(memory, date.isoformat() + "\n")


def _remembered(memory: Path) -> datetime | None:
    try:
        found = datetime.fromisoformat(memory.read_text().strip())
    except (OSError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _date_of(lists: Path) -> datetime | None:
    for path in lists.glob("*Release"):
        found = _DATE.search(path.read_text(errors="replace"))
        try:
            date = parsedate_to_datetime(found[1].strip()) if found else None
        except ValueError:
            date = None
        if date is not None:
            return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _shown(date: datetime) -> str:
    return f"{date.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
