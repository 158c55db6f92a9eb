"""An archive that is not trusted: old lists, lists without dates, hostile names, and who reads them."""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from archive_on_disk import RELEASE, VERSION, DebianOnDisk, Key

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images import apt, kernel_offers, kernels, sources
from pfnlab.lab.images.apt import check_newest
from pfnlab.lab.images.archive import Archive, Unverified
from pfnlab.lab.images.tools import run

pytestmark = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb", "gpg", "gpgv")),
    reason="builds and reads a small Debian archive: install apt, dpkg, gpg and gpgv",
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="apt takes another user for root alone")


def has_apt_user() -> bool:
    """Whether apt is set up as distributions do."""
    try:
        pwd.getpwnam("_apt")
    except KeyError:
        return False
    return True


class Server:
    """A mirror on this machine; *paths* are those it was asked for, *users* the numbers of who asked."""

    def __init__(self, root: Path) -> None:
        self.paths: list[str] = []
        self.users: set[int] = set()
        note = self._note

        class Handler(SimpleHTTPRequestHandler):
            def do_GET(self) -> None:
                note(self.path, self.client_address[1])
                super().do_GET()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing is said of each file."""

        handler = functools.partial(Handler, directory=str(root))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _note(self, path: str, port: int) -> None:
        self.paths.append(path)
        # The kernel says whose a connection is.
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[1].endswith(f":{port:04X}"):
                self.users.add(int(fields[7]))

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    """The archive's key."""
    made = Key(tmp_path_factory.mktemp("key") / "a")
    yield made
    made.close()


@pytest.fixture
def debian(tmp_path: Path, key: Key) -> DebianOnDisk:
    """An archive with one kernel in experimental, signed."""
    found = DebianOnDisk(tmp_path / "debian", "experimental")
    found.sign(key)
    return found


@pytest.fixture
def server(debian: DebianOnDisk) -> Iterator[Server]:
    """It, on the network."""
    found = Server(debian.root)
    yield found
    found.close()


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the machine's apt says: as distributed, until a test says otherwise."""

    def say(carried: str = "", user: str = "_apt") -> None:
        answer = apt.AptSettings(carried, user)
        monkeypatch.setattr("pfnlab.lab.images.apt.machine_settings", lambda: answer)

    say()
    return say


@pytest.fixture(autouse=True)
def cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server, key: Key, settings: object
) -> Path:
    """An empty cache, for that mirror alone; nothing was said in this process."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(sources.MIRROR, server.uri)
    monkeypatch.setenv(sources.KEYRING, str(key.keyring))
    monkeypatch.setattr(kernel_offers, "ROLLING", ("experimental",))
    monkeypatch.setattr(kernel_offers, "SUITES", ("experimental",))
    monkeypatch.setattr(apt, "_said", set())
    return tmp_path / "cache"


def change(debian: DebianOnDisk, key: Key, pattern: str, text: str, file: str = "Release") -> None:
    """Change a file of the suite and sign it."""
    if file == "Release":
        path = debian.dist / "Release"
        path.write_text(re.sub(pattern, text, path.read_text()))
    else:
        path = debian.dist / "main" / "binary-amd64" / "Packages"
        debian.write_index(re.sub(pattern, lambda found: text, path.read_text()))
    debian.sign(key)


def dated(debian: DebianOnDisk, key: Key, day: str) -> None:
    """Make the list one of that day."""
    change(debian, key, r"Date: .*", f"Date: {day} 00:00:00 UTC")


def test_an_older_list_is_refused(debian: DebianOnDisk, key: Key, cache: Path) -> None:
    """A replay, with a good signature: what was known before is known still, and one line says so."""
    kernels.fetch("7.3")
    debian.write_index("")
    dated(debian, key, "Sat, 01 Apr 2023")
    said: list[str] = []

    kernel = kernels.fetch("7.3", refresh=True, say=said.append)[0]

    assert VERSION == kernel.version
    (line,) = [one for one in said if "rejected" in one]
    assert line.startswith(
        "the package list of experimental is rejected: it is of 2023-04-01 00:00 UTC, and one of 2024-06-01 "
        "00:00 UTC was here before; try another mirror, or to accept it `rm "
        f"{cache}/apt/.newest/experimental`; using the lists of "
    )


def test_an_older_list_is_refused_where_no_other_is_left(debian: DebianOnDisk, key: Key, cache: Path) -> None:
    """`pfnlab kernels rm --older` takes lists away, and what was seen stays known."""
    kernels.fetch("7.3")
    for name in ("apt/experimental", "kernels"):
        shutil.rmtree(cache / name)
    dated(debian, key, "Sat, 01 Apr 2023")

    with pytest.raises(
        MissingTool, match=r"the package list of experimental is rejected: it is of 2023-04-01"
    ):
        kernels.fetch("7.3")


def test_the_command_accepts_it(debian: DebianOnDisk, key: Key) -> None:
    """A mirror that was set back on purpose."""
    kernels.fetch("7.3")
    debian.write_index("")
    dated(debian, key, "Sat, 01 Apr 2023")
    said: list[str] = []
    kernels.fetch("7.3", refresh=True, say=said.append)
    (command,) = [one.split("`")[1] for one in said if "rejected" in one]

    run(["sh", "-c", command], limit=10, remedy="")

    with pytest.raises(MissingTool, match=r"the archive has no kernel 7\.3"):
        kernels.fetch("7.3", refresh=True)


@pytest.mark.parametrize("day", ["Sat, 01 Jun 2024", "Sun, 02 Jun 2024"])
def test_a_list_of_the_same_day_or_later_is_taken(debian: DebianOnDisk, key: Key, day: str) -> None:
    """A counter-example: a mirror that stands still, and one that goes on."""
    kernels.fetch("7.3")
    debian.write_index("")
    dated(debian, key, day)

    with pytest.raises(MissingTool, match=r"the archive has no kernel 7\.3"):
        kernels.fetch("7.3", refresh=True)


def test_a_list_that_did_not_change_is_not_fetched_again(debian: DebianOnDisk, key: Key) -> None:
    """It says so itself: the mirror is asked, and sends only what is signed."""
    kernels.fetch("7.3")
    dated(debian, key, "Sun, 02 Jun 2024")
    sent: list[int] = []
    send = SimpleHTTPRequestHandler.send_response
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            SimpleHTTPRequestHandler,
            "send_response",
            lambda self, code, *more: (sent.append(code), send(self, code, *more))[1],
        )
        kernels.read_lists(refresh=True)

    assert [200, 304] == sent


def test_a_list_without_a_date_is_refused_after_one_with(tmp_path: Path, cache: Path) -> None:
    """It could be of any day."""
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "mirror_InRelease").write_text("Suite: sid\n")
    memory = cache / "apt" / ".newest" / "sid"
    memory.parent.mkdir(parents=True)
    memory.write_text("2024-06-01T00:00:00+00:00\n")

    with pytest.raises(Undecided, match="the package list of sid is rejected: it has no date"):
        check_newest(memory, "sid", lists)


@pytest.mark.parametrize("memory", ["", "yesterday", "\0"])
def test_a_memory_that_is_damaged_is_none(debian: DebianOnDisk, cache: Path, memory: str) -> None:
    """Where the disk was full, for instance."""
    (cache / "apt" / ".newest").mkdir(parents=True)
    (cache / "apt" / ".newest" / "experimental").write_text(memory)

    kernels.fetch("7.3")

    assert "2024-06-01T00:00:00+00:00\n" == (cache / "apt" / ".newest" / "experimental").read_text()


_OFF = 'Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "0";'


def test_dates_that_are_not_checked_are_said_once(settings: Callable[..., None]) -> None:
    """However often lists are read in a run."""
    settings(_OFF)
    said: list[str] = []

    for _ in range(2):
        kernels.fetch("7.3", refresh=True, say=said.append)

    assert [
        'dates of package lists are not checked: the machine\'s apt says Acquire::Check-Valid-Until "false", '
        'Acquire::Check-Date "0"'
    ] == [line for line in said if "dates" in line]


@pytest.mark.parametrize("carried", ["", 'Acquire::Check-Valid-Until "true";', 'Acquire::http::Proxy "off";'])
def test_dates_that_are_checked_are_no_news(settings: Callable[..., None], carried: str) -> None:
    """A counter-example."""
    settings(carried)
    said: list[str] = []

    kernels.read_lists(refresh=True, say=said.append)

    assert ["reading the package lists of experimental"] == said


def test_a_list_past_its_date(debian: DebianOnDisk, key: Key, settings: Callable[..., None]) -> None:
    """Refused with the setting that takes it, and taken with that."""
    change(debian, key, r"SHA256:", "Valid-Until: Sun, 02 Jun 2024 00:00:00 UTC\nSHA256:")
    with pytest.raises(Undecided, match=r"refuses experimental: .*Acquire::Check-Valid-Until"):
        kernels.fetch("7.3")

    settings(_OFF)

    assert RELEASE == kernels.fetch("7.3")[0].release


@as_root
@pytest.mark.skipif(not has_apt_user(), reason="this machine has no user _apt")
def test_downloads_are_of_the_user_of_apt(server: Server, cache: Path) -> None:
    """Lists and packages; what comes into the cache is root's."""
    said: list[str] = []

    kernels.fetch("7.3", say=said.append)

    assert {pwd.getpwnam("_apt").pw_uid} == server.users
    assert {0} == {path.lstat().st_uid for path in cache.rglob("*")}
    assert not any("as root" in line for line in said)


@as_root
@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("nobody-of-that-name", "this machine has no user nobody-of-that-name"),
        ("root", 'the machine\'s apt says APT::Sandbox::User "root"'),
        ("", 'the machine\'s apt says APT::Sandbox::User ""'),
    ],
)
def test_without_such_a_user_downloads_are_of_root(
    server: Server, settings: Callable[..., None], user: str, reason: str
) -> None:
    """Said once, for all lists and packages."""
    settings(user=user)
    said: list[str] = []

    kernels.fetch("7.3", say=said.append)

    assert {0} == server.users
    assert [f"downloads run as root: {reason}"] == [line for line in said if "as root" in line]


@as_root
@pytest.mark.skipif(not has_apt_user(), reason="this machine has no user _apt")
def test_a_user_who_cannot_enter_any_folder(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container that has one user alone."""
    monkeypatch.setattr(apt, "_may", lambda *_: False)
    said: list[str] = []

    kernels.fetch("7.3", say=said.append)

    assert {0} == server.users
    (line,) = [line for line in said if "as root" in line]
    assert re.fullmatch(
        r"downloads run as root: the user _apt cannot enter a folder in .*/var/tmp or /tmp", line
    )


@as_root
@pytest.mark.skipif(not has_apt_user(), reason="this machine has no user _apt")
def test_a_mirror_in_a_folder_that_the_user_cannot_read(
    debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files of root are read as root."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv(sources.MIRROR, f"file:{debian.root}")
    said: list[str] = []

    kernel = kernels.fetch("7.3", say=said.append)[0]

    assert RELEASE == kernel.release
    line = f"downloads run as root: the user _apt cannot read {debian.root}"
    assert [line] == [one for one in said if "as root" in one]


@as_root
@pytest.mark.skipif(not has_apt_user(), reason="this machine has no user _apt")
def test_a_folder_of_everybody_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may rename what lies in it could put lists of their own there, after they were verified."""
    tmp_path.chmod(0o777)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    with apt.apt_folder("_apt", tmp_path / "cache" / "apt", sources.Mirror("http://m", "")) as folder:
        place = folder.path.parent

    assert Path("/var/tmp") == place


@pytest.mark.parametrize("umask", [0, 0o077])
def test_any_umask_will_do(cache: Path, umask: int) -> None:
    """Nothing in the cache is left open, and apt's user can work."""
    old = os.umask(umask)
    try:
        kernel = kernels.fetch("7.3")[0]
    finally:
        os.umask(old)

    assert RELEASE == kernel.release
    assert [] == [path for path in cache.rglob("*") if path.lstat().st_mode & 0o022]


def test_no_folder_of_a_download_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After lists and packages, good or bad."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))

    kernels.fetch("7.3")

    assert [] == list(place.iterdir())


@pytest.mark.parametrize("name", ["../../../../tmp/evil.deb", "/tmp/evil.deb", "pool/../../evil.deb", ""])
def test_a_file_outside_of_the_archive_is_refused(
    debian: DebianOnDisk, key: Key, server: Server, name: str
) -> None:
    """A list can say so, and nothing is asked of the mirror."""
    change(debian, key, r"Filename: .*\n", f"Filename: {name}\n" if name else "", "Packages")

    with pytest.raises(
        Unverified, match=r"the list of experimental has no checksum of .*, or a file outside"
    ):
        kernels.fetch("7.3")

    assert not any(path.endswith(".deb") for path in server.paths)


@pytest.mark.parametrize("digest", ["", "SHA256: x\n", "MD5sum: d41d8cd98f00b204e9800998ecf8427e\n"])
def test_a_package_without_a_checksum_is_refused(
    debian: DebianOnDisk, key: Key, server: Server, digest: str
) -> None:
    """Or with one that anybody can forge."""
    change(debian, key, r"SHA256: .*\n", digest, "Packages")

    with pytest.raises(Unverified):
        kernels.fetch("7.3")

    assert not any(path.endswith(".deb") for path in server.paths)


def test_a_package_that_changes_after_apt_looked_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies where the user that downloads can write is checked when it has left."""
    call = apt.call_apt

    def changing(folder: Path, command: list[str], *more: object) -> object:
        answer = call(folder, command, *more)  # type: ignore[arg-type]
        for deb in folder.glob("download/*.deb"):
            deb.write_bytes(b"another")
        return answer

    monkeypatch.setattr("pfnlab.lab.images.apt.call_apt", changing)

    with pytest.raises(Unverified, match=r"\.deb does not match its checksum in the list of experimental"):
        kernels.fetch("7.3")

    assert [] == list((cache / "kernels").rglob("*.deb"))


@pytest.mark.parametrize("size", ["-1", "x", "9" * 5000, "1" * 15])
def test_a_size_that_is_none(debian: DebianOnDisk, key: Key, size: str) -> None:
    """One line, whatever it says; nothing is kept."""
    change(debian, key, r"Size: .*", f"Size: {size}", "Packages")

    with pytest.raises(Undecided):
        kernels.fetch("7.3")


@pytest.mark.parametrize("version", ["7.3~rc7-1/../../../../x", "7.3~rc7-1/x", "7.3~rc7-1\x1b[2J"])
def test_a_version_that_is_none(debian: DebianOnDisk, key: Key, cache: Path, version: str) -> None:
    """Folders in the cache are called by it."""
    change(debian, key, r"Version: .*", f"Version: {version}", "Packages")

    with pytest.raises(Undecided):
        kernels.fetch("7.3")

    assert not list((cache / "kernels").glob("*"))
    assert not list(Archive.of_this_machine(cache / "apt").listing("experimental", say=print).packages)
