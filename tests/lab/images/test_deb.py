"""Taking files out of a Debian package."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from archive_on_disk import RELEASE, DebianOnDisk, bzimage

from pfnlab.errors import Undecided
from pfnlab.lab.images.deb import take_out

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")


def test_what_is_wanted_is_written(tmp_path: Path) -> None:
    """
    Under the name it is given; what has no name stays in the package.
    """
    package = DebianOnDisk(tmp_path, "sid").deb
    into = tmp_path / "into"
    into.mkdir()

    take_out(package, into, lambda member: "kernel" if "vmlinuz" in member.name else None)

    assert {"kernel": bzimage(RELEASE)} == {path.name: path.read_bytes() for path in into.iterdir()}


def test_nothing_need_be_wanted(tmp_path: Path) -> None:
    """
    The package is read to its end all the same; dpkg-deb is not left waiting for a reader.
    """
    into = tmp_path / "into"
    into.mkdir()

    take_out(DebianOnDisk(tmp_path, "sid").deb, into, lambda member: None)

    assert [] == list(into.iterdir())


def test_a_torn_package(tmp_path: Path) -> None:
    """
    Half a package is one error that says what to do.
    """
    package = DebianOnDisk(tmp_path, "sid").deb
    package.write_bytes(package.read_bytes()[:-40])

    with pytest.raises(Undecided, match=r"cannot read .*: .*; fetch it again"):
        take_out(package, tmp_path, lambda member: None)
