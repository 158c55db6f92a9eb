"""Taking files out of a Debian package."""

from __future__ import annotations

import io
import lzma
import shutil
import stat
import tarfile
from pathlib import Path

import pytest
from archive_on_disk import RELEASE, DebianOnDisk, bzimage

from pfnlab.base.errors import Undecided
from pfnlab.lab.images import deb as packages
from pfnlab.lab.images.deb import take_out, unpack, unpack_modules

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


def packed(tmp_path: Path, *members: tuple[str, bytes, str]) -> Path:
    """A package with these members: a name, the type of tar, and what it leads to, or its content.

    It is put together here, for dpkg-deb makes none of most of them.
    """
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o6777
            if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member.linkname = text
            elif kind == tarfile.REGTYPE:
                member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()) if kind == tarfile.REGTYPE else None)
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w") as archive:
        member = tarfile.TarInfo("./control")
        member.size = 0
        archive.addfile(member, io.BytesIO())
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar": control.getvalue(),
        "data.tar": data.getvalue(),
    }
    made = tmp_path / "made.deb"
    content = b"!<arch>\n"
    for name, part in parts.items():
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(part):<10}`\n".encode()
        content += part + b"\n" * (len(part) % 2)
    made.write_bytes(content)
    return made


def into(tmp_path: Path) -> Path:
    """An empty folder, in one where a package could do harm."""
    folder = tmp_path / "outer" / "into"
    folder.mkdir(parents=True)
    return folder


def test_all_of_a_package(tmp_path: Path) -> None:
    """
    Files, folders, links that stay in it, and second names of files.
    """
    folder = into(tmp_path)
    deb = packed(
        tmp_path,
        ("./", tarfile.DIRTYPE, ""),
        ("./usr/", tarfile.DIRTYPE, ""),
        ("./usr/one", tarfile.REGTYPE, "content"),
        ("./usr/two", tarfile.SYMTYPE, "one"),
        ("./usr/three", tarfile.LNKTYPE, "./usr/one"),
        ("./lib", tarfile.SYMTYPE, "usr"),
        ("./lib/four", tarfile.REGTYPE, "below a link"),
    )

    unpack(deb, folder)

    found = {path.relative_to(folder).as_posix(): path.read_text() for path in folder.glob("usr/*")}
    assert {
        "usr/one": "content",
        "usr/two": "content",
        "usr/three": "content",
        "usr/four": "below a link",
    } == found


def test_rights_of_a_package_are_no_more_than_usual(tmp_path: Path) -> None:
    """
    Nothing gets the rights of its owner, and nobody else may write.
    """
    folder = into(tmp_path)

    unpack(packed(tmp_path, ("tool", tarfile.REGTYPE, "#!/bin/sh")), folder)

    assert 0o755 == stat.S_IMODE((folder / "tool").stat().st_mode)


@pytest.mark.parametrize("target", ["/etc", "../..", "below/../../.."])
def test_a_link_that_leads_out_is_left_out(tmp_path: Path, target: str) -> None:
    """
    As packages have one to where they are installed; a file below it is a folder's.
    """
    folder = into(tmp_path)
    deb = packed(tmp_path, ("link", tarfile.SYMTYPE, target), ("link/file", tarfile.REGTYPE, "x"))

    unpack(deb, folder)

    assert "x" == (folder / "link" / "file").read_text()
    assert not (folder / "link").is_symlink()


@pytest.mark.parametrize("name", ["../file", "/outer/file", "below/../../file"])
def test_a_name_outside_is_refused(tmp_path: Path, name: str) -> None:
    """
    With the package and the name; nothing is written.
    """
    folder = into(tmp_path)

    with pytest.raises(Undecided, match=r"^made\.deb is not unpacked: \S+ is outside of its folder$"):
        unpack(packed(tmp_path, (name, tarfile.REGTYPE, "x")), folder)

    assert [folder] == list((tmp_path / "outer").rglob("*"))


def test_a_link_over_a_link_leads_nowhere_else(tmp_path: Path) -> None:
    """
    Each step stays in the folder for itself; a link is judged by where it lies, not by its name.
    """
    folder = into(tmp_path)
    deb = packed(
        tmp_path,
        ("a/b/", tarfile.DIRTYPE, ""),
        ("deep", tarfile.SYMTYPE, "a/b"),
        ("deep/up", tarfile.SYMTYPE, "../.."),
        ("deep/out", tarfile.SYMTYPE, "../../.."),
        ("x/y/z/", tarfile.DIRTYPE, ""),
        ("x/y/z/far", tarfile.SYMTYPE, "../../../.."),
        ("a/b/up/file", tarfile.REGTYPE, "x"),
    )

    unpack(deb, folder)

    links = [path for path in folder.rglob("*") if path.is_symlink()]
    assert {"deep", "up"} == {path.name for path in links}
    assert "x" == (folder / "file").read_text()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.REGTYPE, tarfile.DIRTYPE])
def test_a_name_that_is_there_as_something_else(tmp_path: Path, kind: bytes) -> None:
    """
    A folder does not become a file, nor a file a folder.
    """
    first = ("name", tarfile.REGTYPE, "x") if kind == tarfile.DIRTYPE else ("name/", tarfile.DIRTYPE, "")

    with pytest.raises(Undecided, match=r"^made\.deb is not unpacked: name already exists as another type$"):
        unpack(packed(tmp_path, first, ("name", kind, "below")), into(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_device_is_refused(tmp_path: Path, kind: bytes) -> None:
    """
    No package that is unpacked here has one.
    """
    with pytest.raises(Undecided, match=r"^made\.deb is not unpacked: null is not a file, folder or link$"):
        unpack(packed(tmp_path, ("null", kind, "")), into(tmp_path))


@pytest.mark.parametrize("target", ["/etc/hostname", "../secret", "nothing"])
def test_a_second_name_of_a_file_outside_is_refused(tmp_path: Path, target: str) -> None:
    """
    Its content would come into the folder, or change with it.
    """
    folder = into(tmp_path)
    (folder.parent / "secret").write_text("secret")

    with pytest.raises(Undecided, match=r"name is a link to a file that is not in its folder"):
        unpack(packed(tmp_path, ("name", tarfile.LNKTYPE, target)), folder)


@pytest.mark.parametrize("take", [unpack, lambda deb, into: take_out(deb, into, lambda member: "file")])
def test_a_package_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, take) -> None:
    """
    It would fill the disk.
    """
    monkeypatch.setattr(packages, "MOST_UNPACKED", 4096)
    deb = packed(tmp_path, ("one", tarfile.REGTYPE, "x" * 3000), ("two", tarfile.REGTYPE, "x" * 3000))

    with pytest.raises(Undecided, match=r"^two is not unpacked: its package is over 4 KiB$"):
        take(deb, into(tmp_path))


def test_modules_are_unpacked_in_place(tmp_path: Path) -> None:
    """
    Without the ending.
    """
    (tmp_path / "vfio.ko.xz").write_bytes(lzma.compress(b"module"))

    unpack_modules(tmp_path)

    assert {"vfio.ko": b"module"} == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


@pytest.mark.parametrize("cut", [False, True])
def test_a_module_that_is_torn_or_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    """
    A few bytes can be as many as there is memory.
    """
    monkeypatch.setattr(packages, "MOST_MODULE", 1 << 20)
    content = lzma.compress(bytes(1000 if cut else 2 << 20))
    (tmp_path / "vfio.ko.xz").write_bytes(content[:-8] if cut else content)

    with pytest.raises(Undecided, match=r"^vfio\.ko\.xz cannot be read: it is truncated, or over 1 MiB$"):
        unpack_modules(tmp_path)
