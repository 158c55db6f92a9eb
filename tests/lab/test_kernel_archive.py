"""A whole archive on disk: what is fetched, what is refused, what is left behind."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from archive_on_disk import PACKAGE, RELEASE, VERSION, DebianOnDisk, Key, bzimage
from counting import Parts

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images import apt, archive, kernel_offers, kernels, sources
from pfnlab.lab.images.archive import Unreachable, Unverified

pytestmark = pytest.mark.skipif(
    not all(shutil.which(tool) for tool in ("apt-get", "dpkg-deb", "gpg", "gpgv")),
    reason="builds and reads a small Debian archive: install apt, dpkg, gpg and gpgv",
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no mirror but the machine's own."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    for name in (sources.MIRROR, sources.KEYRING):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[Key, Key]]:
    """The archive's key, and somebody else's."""
    # A short path: the agent's socket name is limited to 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="pfnlab-"))
    made = (Key(home / "a"), Key(home / "b"))
    yield made
    for key in made:
        key.close()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[Key, Key]) -> DebianOnDisk:
    """A signed archive with one kernel in experimental, and a machine configured for it."""
    found = DebianOnDisk(tmp_path / "debian", "experimental")
    found.sign(keys[0])
    configure(tmp_path, monkeypatch, found.root, keys[0].keyring)
    return found


def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path, keyring: Path) -> None:
    """Make the archive under *root* the machine's own, and 7.3 live in its suite alone."""
    etc = tmp_path / "etc"
    etc.mkdir(exist_ok=True)
    (etc / "sources.list").write_text(f"deb [signed-by={keyring}] file:{root} experimental main\n")
    monkeypatch.setattr(sources, "APT_ETC", etc)
    monkeypatch.setattr(kernel_offers, "ROLLING", ("experimental",))
    monkeypatch.setattr(kernel_offers, "SUITES", ("experimental",))


def left_in_cache(cache: Path) -> list[str]:
    """The names of everything under the cached kernels that is not a series or whole kernel."""
    names = [path.name for path in (cache / "kernels").rglob("*")]
    return [name for name in names if name.startswith(".") or ".deb" in name]


def test_signed_archive_gives_its_kernel(debian: DebianOnDisk, cache: Path) -> None:
    """
    A kernel of a properly signed archive arrives whole in its place in the cache.
    """
    parts = Parts()

    kernel = kernels.fetch("7.3", counted=parts)[0]

    home = cache / "kernels" / "7.3" / VERSION
    assert ("7.3", PACKAGE, VERSION, RELEASE, home / "vmlinuz") == (
        kernel.series,
        kernel.package,
        kernel.version,
        kernel.release,
        kernel.vmlinuz,
    )
    assert kernels.cached("7.3") == kernel
    assert bzimage(RELEASE) == kernel.vmlinuz.read_bytes()
    assert [] == left_in_cache(cache)
    assert (1, 1) == (parts.expected, parts.done)


@pytest.mark.parametrize("member", ["usr/lib/modules/7.3/vmlinuz", "lib/modules/7.3/vmlinuz.unsigned"])
def test_kernel_beside_its_modules_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[Key, Key], member: str
) -> None:
    """
    Packages from Debian 14 on keep vmlinuz beside the modules.
    """
    made = DebianOnDisk(tmp_path / "debian", "experimental", member=member)
    made.sign(keys[0])
    configure(tmp_path, monkeypatch, made.root, keys[0].keyring)

    assert RELEASE == kernels.fetch("7.3")[0].release


def test_package_without_a_kernel_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[Key, Key], cache: Path
) -> None:
    """
    A package whose layout is unknown is refused, and the cache stays clean.
    """
    made = DebianOnDisk(tmp_path / "debian", "experimental", member="usr/share/doc/vmlinuz")
    made.sign(keys[0])
    configure(tmp_path, monkeypatch, made.root, keys[0].keyring)

    with pytest.raises(Undecided, match="has no vmlinuz"):
        kernels.fetch("7.3")
    assert [] == left_in_cache(cache)


def test_unsigned_archive_is_refused(debian: DebianOnDisk) -> None:
    """
    Without a signature nothing of an archive is used, and the message names the suite.
    """
    (debian.dist / "InRelease").unlink()

    with pytest.raises(Unverified, match="cannot verify experimental"):
        kernels.fetch("7.3")
    assert None is kernels.cached("7.3")


def test_archive_signed_by_somebody_else_is_refused(debian: DebianOnDisk, keys: tuple[Key, Key]) -> None:
    """
    A good signature by a key outside the configured keyring is no signature.
    """
    debian.sign(keys[1])

    # The words of gpgv, and of sqv, which the apt of Debian 13 calls.
    missing = r"cannot verify experimental with .*public\.gpg: .*(NO_PUBKEY|Missing key).*Signed-By"
    with pytest.raises(Unverified, match=missing):
        kernels.fetch("7.3")


def test_archive_that_turns_bad_later_is_refused(debian: DebianOnDisk, keys: tuple[Key, Key]) -> None:
    """
    Lists that were good before do not make up for a bad signature now.
    """
    kernels.fetch("7.3")
    debian.write_index((debian.dist / "main" / "binary-amd64" / "Packages").read_text() + "\n")
    debian.sign(keys[1])

    with pytest.raises(Unverified, match="cannot verify experimental"):
        kernels.fetch("7.3", refresh=True)


def test_archive_that_loses_its_signature_later_is_refused(debian: DebianOnDisk) -> None:
    """
    Lists that were signed before do not make up for a signature taken away.
    """
    kernels.fetch("7.3")
    (debian.dist / "InRelease").unlink()

    with pytest.raises(Unverified, match="cannot verify experimental"):
        kernels.fetch("7.3", refresh=True)


def test_machine_that_trusts_everything_changes_nothing(debian: DebianOnDisk) -> None:
    """
    trusted=yes in the machine's source does not let an unsigned archive in.
    """
    source = sources.APT_ETC / "sources.list"
    source.write_text(source.read_text().replace("[", "[trusted=yes allow-insecure=yes "))
    (debian.dist / "InRelease").unlink()

    with pytest.raises(Unverified):
        kernels.fetch("7.3")


def test_list_of_packages_changed_after_signing_is_refused(debian: DebianOnDisk) -> None:
    """
    A list of packages that is not the signed one is refused.
    """
    packages = debian.dist / "main" / "binary-amd64" / "Packages"
    packages.write_text(packages.read_text().replace("fake", "evil"))

    with pytest.raises(Unverified, match="cannot verify experimental"):
        kernels.fetch("7.3")


def test_package_changed_after_signing_is_refused(debian: DebianOnDisk, cache: Path) -> None:
    """
    A package that is not what the signed list says is refused, and nothing of it is kept.
    """
    content = bytearray(debian.deb.read_bytes())
    content[-1] ^= 1
    debian.deb.write_bytes(content)

    with pytest.raises(Unverified, match=r"apt-get download .* failed"):
        kernels.fetch("7.3")
    assert (None, []) == (kernels.cached("7.3"), left_in_cache(cache))


def test_second_fetch_reads_nothing_again(debian: DebianOnDisk) -> None:
    """
    Young lists and a cached kernel need no archive at all.
    """
    first = kernels.fetch("7.3")
    shutil.rmtree(debian.root)
    said: list[str] = []

    again = kernels.fetch("7.3", say=said.append)

    assert (first, [f"7.3-rc7: {VERSION} is in the cache"]) == (again, said)


def test_old_lists_serve_when_the_archive_is_away(debian: DebianOnDisk) -> None:
    """
    With the archive out of reach older lists are used, and that is said.
    """
    kernels.fetch("7.3")
    shutil.rmtree(debian.dist)
    said: list[str] = []

    kernels.fetch("7.3", refresh=True, say=said.append)

    assert 1 == len([line for line in said if "using the lists of" in line])


def test_lists_older_than_a_day_are_read_again(debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    After a day the lists are fetched anew without being asked.
    """
    kernels.fetch("7.3")
    monkeypatch.setattr(archive, "LISTS_LAST", 0)
    said: list[str] = []

    kernels.fetch("7.3", say=said.append)

    assert "reading the package lists of experimental" == said[0]


def test_another_keyring_makes_old_lists_void(
    debian: DebianOnDisk, keys: tuple[Key, Key], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Lists verified with another keyring than the configured one do not count.
    """
    kernels.fetch("7.3")
    configure(tmp_path, monkeypatch, debian.root, keys[1].keyring)

    with pytest.raises(Unverified):
        kernels.fetch("7.3")


def test_damaged_kernel_is_fetched_again(debian: DebianOnDisk) -> None:
    """
    A fetch replaces a damaged kernel of the same version.
    """
    kernel = kernels.fetch("7.3")[0]
    kernel.vmlinuz.write_bytes(b"damaged")

    again = kernels.kernel_for("7.3")

    assert (kernel, bzimage(RELEASE)) == (again, again.vmlinuz.read_bytes())


def test_series_the_archive_dropped_is_said(debian: DebianOnDisk, keys: tuple[Key, Key]) -> None:
    """
    A series that is gone from the lists is said to be gone, with the suites asked.
    """
    debian.write_index("")
    debian.sign(keys[0])

    with pytest.raises(MissingTool, match=r"has no kernel 7\.3 \(suites searched: experimental\).*qemu:FILE"):
        kernels.fetch("7.3")


def test_a_suite_of_other_series_may_offer_a_kernel(
    debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    As an old stable suite offers rebuilds of the next one's kernels: they are found there.
    """
    monkeypatch.setattr(kernel_offers, "ROLLING", ())

    kernel = kernels.fetch("7.3")[0]

    assert ("7.3", VERSION) == (kernel.series, kernel.version)


def test_failed_unpacking_leaves_the_cache_clean(
    debian: DebianOnDisk, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fetch that ends in the middle leaves neither a kernel nor parts of one.
    """

    def interrupted(deb: Path, into: Path) -> None:
        (into / "vmlinuz").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(kernels, "_unpack", interrupted)

    with pytest.raises(KeyboardInterrupt):
        kernels.fetch("7.3")
    assert (None, []) == (kernels.cached("7.3"), left_in_cache(cache))


def test_a_full_disk_is_said_as_everywhere(
    debian: DebianOnDisk, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    A fetch that finds no room names the cache, and what to do.
    """

    def full(deb: Path, into: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(kernels, "_unpack", full)

    with pytest.raises(Undecided) as trouble:
        kernels.fetch("7.3")

    assert f"the cache {cache} cannot be used: No space left on device; set PFNLAB_CACHE or free room" == str(
        trouble.value
    )


def test_killed_fetch_is_swept_by_the_next(debian: DebianOnDisk, cache: Path) -> None:
    """
    What a killed process left is gone after the next fetch, and was never taken for a kernel.
    """
    left = cache / "kernels" / "7.3" / ".part-x" / "kernel"
    left.mkdir(parents=True)
    (left / "vmlinuz").write_bytes(b"half")
    (left / "kernel.json").write_text("{}")
    assert ([], []) == kernels.whole("7.3")

    kernels.fetch("7.3")

    assert [] == left_in_cache(cache)


def test_process_killed_while_it_holds_the_lock_blocks_nobody(debian: DebianOnDisk, cache: Path) -> None:
    """
    The lock of a killed process is free at once.
    """
    code = (
        "import sys, time; from pathlib import Path; from pfnlab.lab.images.cache import locked\n"
        "with locked(Path(sys.argv[1]), limit=5, say=print): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(cache / "kernels.lock")], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert "held\n" == holder.stdout.readline()
        os.kill(holder.pid, signal.SIGKILL)

    assert 1 == len(kernels.fetch("7.3"))


def test_two_fetches_at_once_give_one_kernel(debian: DebianOnDisk, cache: Path) -> None:
    """
    Two fetches side by side end with the same whole kernel.
    """
    found: list[kernels.KernelImage] = []
    both = [threading.Thread(target=lambda: found.extend(kernels.fetch("7.3"))) for _ in range(2)]

    for one in both:
        one.start()
    for one in both:
        one.join()

    assert [found[0], found[0]] == found
    assert [] == left_in_cache(cache)


def test_available_names_what_the_lists_offer(debian: DebianOnDisk) -> None:
    """
    After a fetch the list of kernels has the offered package and the cached kernel, confirmed.
    """
    kernel = kernels.fetch("7.3")[0]

    (row,) = [one for one in kernels.inventory() if one.package_version == VERSION]

    assert (kernel, VERSION, True) == (row.cached, row.offer and row.offer.package.version, row.confirmed)
    assert "known" == row.status


def test_a_mirror_for_pfnlab_alone(
    debian: DebianOnDisk, keys: tuple[Key, Key], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """
    What the machine itself is configured for does not matter then.
    """
    (tmp_path / "etc" / "sources.list").write_text("deb http://archive.example.org/ubuntu noble main\n")
    monkeypatch.setenv("PFNLAB_MIRROR", f"file:{debian.root}")
    monkeypatch.setenv("PFNLAB_KEYRING", str(keys[0].keyring))

    assert RELEASE == kernels.fetch("7.3")[0].release


def test_nobody_answers(debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Said before anything else, once, and other suites are not asked for.
    """
    monkeypatch.setenv("PFNLAB_MIRROR", "http://127.0.0.1:9/debian http://127.0.0.1:9/debian")
    monkeypatch.setattr(kernel_offers, "SUITES", ("experimental", "sid", "trixie"))
    said: list[str] = []

    with pytest.raises(Unreachable, match=r"^the archive cannot be reached \(no network\?\): "):
        kernels.read_lists(say=said.append)

    assert ["reading the package lists of experimental"] == said[:1]
    assert [True] == [line.startswith("the archive cannot be reached") for line in said[1:]]


def test_nobody_answers_for_a_package(
    debian: DebianOnDisk, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    The lists are here, and the network has gone since.
    """
    kernels.fetch("7.3")
    called = apt.call_apt
    said = subprocess.CompletedProcess([], 100, "", "E: Failed to fetch x  Could not connect to m:80\n")
    monkeypatch.setattr(
        apt,
        "call_apt",
        lambda folder, command, *more: said if "download" in command else called(folder, command, *more),
    )
    package = archive.Package(PACKAGE, VERSION, "experimental", 0)

    with pytest.raises(Unreachable, match="the archive cannot be reached"):
        archive.Archive.of_this_machine(cache / "apt").download(package, debian.root)


def test_a_full_disk_is_said_before_anything_is_fetched(
    debian: DebianOnDisk, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    How much is needed, where, and how much there is.
    """
    usage = shutil.disk_usage(debian.root)._replace(free=0)
    monkeypatch.setattr(kernels.shutil, "disk_usage", lambda path: usage)

    with pytest.raises(Undecided, match=r"^1 kernel: 1 MiB are needed in .*cache, which has 0 MiB left: "):
        kernels.fetch("7.3")
    assert [] == left_in_cache(cache)


def test_what_is_here_needs_no_room(debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A kernel in the cache is not fetched again.
    """
    kernels.fetch("7.3")
    monkeypatch.setattr(
        kernels.shutil,
        "disk_usage",
        lambda path: shutil._ntuple_diskusage(1, 1, 0),  # type: ignore[attr-defined]
    )

    assert VERSION == kernels.fetch("7.3")[0].version


def test_progress_is_said_while_a_package_comes(
    debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    How much of it is here.
    """
    fetched = apt.run

    def slowly(
        command: list[str],
        *,
        meanwhile: Callable[[], None] | None = None,
        cwd: Path | None = None,
        **more: Any,
    ) -> subprocess.CompletedProcess[str]:
        if meanwhile is not None:
            assert cwd is not None
            (cwd / "part").write_bytes(b"x" * (3 << 20))
            meanwhile()
            (cwd / "part").unlink()
        return fetched(command, cwd=cwd, **more)

    monkeypatch.setattr(apt, "run", slowly)
    said: list[str] = []

    kernels.fetch("7.3", say=said.append)

    assert "7.3-rc7: 3 MiB of 1 MiB" in said
