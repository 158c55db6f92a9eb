"""Images of kernels: what is none is refused, whatever it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from archive_on_disk import RELEASE, bzimage

from pfnlab.base.errors import Misuse
from pfnlab.lab.images.bzimage import release_of


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.symlink_to("/dev/zero"), "this is a device: name a kernel file"),
        (os.mkfifo, "this is a pipe: a kernel has to be a file here"),
        (Path.mkdir, "this is a directory: name a kernel file in it"),
        (lambda path: (path.touch(), os.truncate(path, 1 << 30)), "a kernel is at most 256 MiB"),
        (lambda path: path.write_bytes(b"\x7fELF"), "is not an x86 bzImage but an ELF file"),
    ],
    ids=["device", "pipe", "folder", "large", "elf"],
)
def test_what_is_no_image(tmp_path: Path, make: Callable[[Path], object], says: str) -> None:
    """In one line, before more of it is read."""
    path = tmp_path / "bzImage"
    make(path)

    with pytest.raises(Misuse, match=rf"bzImage:? {says}"):
        release_of(path)


@pytest.mark.parametrize("release", ["../../etc/x", "/root", "..", "\x1b[2J"])
def test_a_release_that_is_none(tmp_path: Path, release: str) -> None:
    """Files in the cache are called by it; an image may be anybody's."""
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage(release))

    with pytest.raises(Misuse, match=r"bzImage has the invalid release '.*'$"):
        release_of(path)


@pytest.mark.parametrize("release", [RELEASE, "6.1.0-56-cloud-amd64", "7.2.13+deb13~1", "6.5.0_mine"])
def test_a_release_with_signs(tmp_path: Path, release: str) -> None:
    """As builds have them."""
    path = tmp_path / "bzImage"
    path.write_bytes(bzimage(release))

    assert release == release_of(path)
