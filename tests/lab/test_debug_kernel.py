"""Debug information from the archive; the archive is a stand-in here, the package is real."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import debug_kernel
import pytest
from archive_on_disk import DebianOnDisk
from debug_kernel import debug_vmlinux

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import Package
from pfnlab.lab.images.kernels import KernelImage

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")

VMLINUX = "usr/lib/debug/boot/vmlinux-6.1.0-1-cloud-amd64"


class OnePackage:
    """An archive that holds *deb* in the suite bookworm only."""

    def __init__(self, deb: Path) -> None:
        self.deb = deb
        self.asked: list[Package] = []

    def listing(self, suite: str, *, say: Callable[[str], None]) -> None:
        """Nothing to read."""

    def download(self, package: Package, into: Path) -> Path:
        """The package, or what the archive would say."""
        self.asked.append(package)
        if package.suite != "bookworm":
            raise Undecided(f"{package.suite} does not hold it")
        return Path(shutil.copy(self.deb, into))


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KernelImage:
    """A kernel of the security suite, and an empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "kernel"
    home.mkdir()
    (home / "kernel.json").write_text(json.dumps({"suite": "bookworm-security"}))
    return KernelImage("6.1", "linux-image-x", "6.1.1-1", "6.1.0-1-cloud-amd64", home / "vmlinuz", "")


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OnePackage:
    """What the machine's archive is."""
    return stand_in(DebianOnDisk(tmp_path / "debian", "bookworm", VMLINUX), monkeypatch)


def stand_in(debian: DebianOnDisk, monkeypatch: pytest.MonkeyPatch) -> OnePackage:
    """Let the machine's archive have the one package of *debian*."""
    found = OnePackage(debian.deb)
    monkeypatch.setattr(debug_kernel.Archive, "of_this_machine", lambda root: found)
    return found


def test_of_exactly_this_kernel(kernel: KernelImage, archive: OnePackage) -> None:
    """
    The package's name and version are the kernel's; a security update is looked for in both suites.
    """
    found = debug_vmlinux(kernel, say=str)

    assert found.stat().st_size == 0x1000
    assert [(one.name, one.version, one.suite) for one in archive.asked] == [
        ("linux-image-6.1.0-1-cloud-amd64-dbg", "6.1.1-1", suite)
        for suite in ("bookworm-security", "bookworm")
    ]


def test_fetched_once(kernel: KernelImage, archive: OnePackage) -> None:
    """
    The second time it is in the cache.
    """
    first = debug_vmlinux(kernel, say=str)
    archive.asked.clear()

    assert (debug_vmlinux(kernel, say=str), archive.asked) == (first, [])


def test_not_of_the_archive(kernel: KernelImage, archive: OnePackage) -> None:
    """
    For a kernel that came as a file there is none.
    """
    (kernel.vmlinuz.parent / "kernel.json").unlink()

    with pytest.raises(MissingTool, match="not a kernel of the archive"):
        debug_vmlinux(kernel, say=str)


def test_no_vmlinux_in_it(kernel: KernelImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A package laid out otherwise is said so, and nothing is kept.
    """
    stand_in(DebianOnDisk(tmp_path / "debian", "bookworm"), monkeypatch)

    with pytest.raises(Undecided, match="holds no vmlinux"):
        debug_vmlinux(kernel, say=str)

    assert list((tmp_path / "cache" / "debug").iterdir()) == []
