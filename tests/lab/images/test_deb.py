"""Taking files out of a Debian package."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest
from archive_on_disk import RELEASE, DebianOnDisk, bzimage

from pfnlab.errors import Undecided
from pfnlab.lab.images.deb import take_out

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")


def test_what_is_wanted_is_read(tmp_path: Path) -> None:
    """
    The function is given the package's files.
    """
    package = DebianOnDisk(tmp_path, "sid").deb
    found: dict[str, bytes] = {}

    def take(members: tarfile.TarFile) -> None:
        for member in members:
            content = members.extractfile(member)
            if content:
                found[member.name] = content.read()

    take_out(package, take)

    assert found == {f"./boot/vmlinuz-{RELEASE}": bzimage(RELEASE)}


def test_nothing_need_be_read(tmp_path: Path) -> None:
    """
    Who has enough may stop; dpkg-deb is not left waiting for a reader.
    """
    take_out(DebianOnDisk(tmp_path, "sid").deb, lambda members: None)


def test_a_torn_package(tmp_path: Path) -> None:
    """
    Half a package is one error that says what to do.
    """
    package = DebianOnDisk(tmp_path, "sid").deb
    package.write_bytes(package.read_bytes()[:-40])

    with pytest.raises(Undecided, match=r"cannot read .*: .*; fetch it again"):
        take_out(package, lambda members: members.getmembers() and None)
