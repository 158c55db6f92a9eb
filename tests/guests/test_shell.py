"""The shell for guests: how it comes out of its package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import Package, PackageOffer
from pfnlab.lab.images.image import extended
from tests.guests import shell as module
from tests.guests.shell import shell

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")

CONTROL = b"Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <n@x>\nDescription: x\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the archive hold a package with these files, or none."""

    def make(**files: bytes) -> None:
        tree, deb = tmp_path / "package", tmp_path / "package.deb"
        for name, content in {"./DEBIAN/control": CONTROL, **files}.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
        found = PackageOffer(Package("busybox-static", "1", "sid", 1)) if files else None
        archive = SimpleNamespace(find=lambda *_, **__: found, download=lambda *_: deb)
        monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(module, "opened_archive", lambda say: nullcontext(archive))

    return make


@needs_dpkg
@pytest.mark.parametrize("folder", ["./bin", "./usr/bin"])
def test_the_program_is_taken_out(package: Callable[..., None], folder: str) -> None:
    """
    From either folder, and it can be executed.
    """
    package(**{f"{folder}/busybox": b"program", "./etc/busybox": b"other"})

    found = shell()

    assert b"program" == found.read_bytes()
    assert os.access(found, os.X_OK)


@needs_dpkg
def test_a_package_without_it_is_said_so(package: Callable[..., None]) -> None:
    """
    Its layout is another one, or there is no package.
    """
    package(**{"./sbin/busybox": b"program"})
    with pytest.raises(Undecided, match="holds no bin/busybox"):
        shell()

    package()
    with pytest.raises(MissingTool, match="no busybox-static"):
        shell()


def test_what_can_be_executed_here_can_be_in_a_guest(tmp_path: Path) -> None:
    """
    The archive of the guest has the file's mode.
    """
    program, text = tmp_path / "program", tmp_path / "text"
    program.touch(0o700)
    text.touch(0o600)

    into = tmp_path / "image"
    extended(text, {"program": program, "text": text}, into)

    modes = re.findall(rb"070701[0-9A-F]{8}([0-9A-F]{8})", into.read_bytes())
    assert [0o100755, 0o100644] == [int(mode, 16) for mode in modes[:2]]
