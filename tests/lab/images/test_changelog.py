"""The changelog of a kernel's package: where it lies, and how it comes out of the package beside."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import pytest

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images import changelog
from pfnlab.lab.images.changelog import NAME, _name_of, changelog_of
from pfnlab.lab.images.kernels import KernelImage

TEXT = "linux (7.2.13-1) unstable; urgency=medium\n"


@pytest.fixture
def kernel(tmp_path: Path) -> KernelImage:
    """A kernel of the archive in a cache of its own."""
    return KernelImage("7.2", "linux-binary-7.2.13", "7.2.13-1", "7.2.13", tmp_path / "vmlinuz", "")


@pytest.mark.parametrize(
    "name",
    [
        "./usr/share/doc/linux-image-6.12.117+deb13-cloud-amd64/changelog.gz",
        "./usr/share/doc/linux-base-7.2.13+deb14-cloud-amd64/changelog.Debian.gz",
        "usr/share/doc/linux-base-7.3.4+deb13-cloud-amd64/changelog.Debian.gz",
    ],
)
def test_it_is_known_in_its_package(name: str) -> None:
    """Under either of the names Debian gives it."""
    assert NAME == _name_of(tarfile.TarInfo(name))


@pytest.mark.parametrize("name", ["./usr/share/doc/linux-base-7.2.13/README", "./etc/changelog.gz"])
def test_another_file_is_left_there(name: str) -> None:
    """A package without a changelog gives none."""
    assert _name_of(tarfile.TarInfo(name)) is None


def test_what_is_beside_the_kernel_is_read(kernel: KernelImage) -> None:
    """Without a network."""
    (kernel.vmlinuz.parent / NAME).write_bytes(gzip.compress(TEXT.encode()))

    assert TEXT == changelog_of(kernel)


def test_a_kernel_of_the_users_own_has_none(tmp_path: Path) -> None:
    """No archive is asked for it."""
    assert changelog_of(KernelImage("", "", "6.5", "6.5", tmp_path / "bzImage", "")) is None


def test_an_archive_that_has_it_no_more(kernel: KernelImage, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is none then, which is no error."""

    def gone(*_: object) -> None:
        raise MissingTool("there is no apt")

    monkeypatch.setattr(changelog, "_fetch", gone)

    assert changelog_of(kernel) is None


def test_a_torn_one_is_said_so(kernel: KernelImage) -> None:
    """With its path, and what to do."""
    (kernel.vmlinuz.parent / NAME).write_bytes(b"torn")

    with pytest.raises(Undecided, match=r"changelog\.gz cannot be read.*remove it"):
        changelog_of(kernel)
