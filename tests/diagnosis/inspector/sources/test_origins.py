"""A bundle, a report or a core: each is opened by its content."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import pytest
from for_each import for_each
from same_snapshots import facts

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import SnapshotBounds
from pfnlab.diagnosis.inspector.sources import origins
from pfnlab.diagnosis.inspector.sources.bundle import Entry, packed, written
from pfnlab.diagnosis.inspector.sources.collecting import collect
from pfnlab.diagnosis.inspector.sources.origins import HERE, live_snapshot, open_origin, received_bundle
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder


@for_each("name", ["x", "x.gz", "core"])
def test_a_bundle_is_known_by_its_content(machine_root: Path, tmp_path: Path, name: str) -> None:
    """Whatever its name is."""
    found = collect(tmp_path / name, RootFolder(machine_root))

    assert facts(found) == facts(open_origin(tmp_path / name))


def test_a_folder_that_mirrors_a_root_is_read(machine_root: Path) -> None:
    """As a report's: processes too, where it has them. When it was copied is not when it was read."""
    found = open_origin(machine_root)

    assert (snapshot_of(RootFolder(machine_root)).mappings, 0.0) == (found.mappings, found.apart)


@for_each("head", [b"\x7fELF", b"KDUMP   ", b"makedumpfile\0"])
def test_a_core_is_handed_on(tmp_path: Path, head: bytes) -> None:
    """To what reads cores, which is imported only then."""
    path = tmp_path / "bundle"
    path.write_bytes(head + bytes(600))
    core = ModuleType("pfnlab.diagnosis.inspector.sources.core")
    # A module's names are made at run time: mypy knows none of this one.
    core.core_snapshot = lambda path: Snapshot(f"core {path}", ())  # type: ignore[attr-defined]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, core.__name__, core)
        found = open_origin(path)

    assert f"core {path}" == found.origin


@for_each("content", [b"", b"hello", b"\x1f\x8b" + bytes(30), bytes(600), b"\x89PNG"])
def test_anything_else_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    """Also what is packed and holds nothing of ours."""
    path = tmp_path / "what\x1b[2J"
    path.write_bytes(content)

    with pytest.raises(Misuse) as trouble:
        open_origin(path)

    assert str(trouble.value).isprintable()


def packed_tar(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of *files*."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


NOTHING = {
    "other things": {"holiday/a.txt": b"hi"},
    "nothing": {},
    "a report without what is looked for": {"sos/sos_commands/foo/bar": b"x", "sos/proc/uptime": b"1 2"},
}


@for_each("what", NOTHING)
def test_an_archive_without_a_machine_is_refused(tmp_path: Path, what: str) -> None:
    """That nothing was found would be said of a machine; what was looked for is named."""
    path = packed_tar(tmp_path / "a.tgz", NOTHING[what])

    with pytest.raises(Misuse) as refused:
        open_origin(path)

    said = str(refused.value)
    assert said.startswith(f"{path}: no file of a machine in it: looked for /sys/kernel/debug/x86/pat_")
    assert "/proc/iomem" in said and "\n" not in said


def test_a_folder_without_a_machine_is_refused(tmp_path: Path) -> None:
    """Though it has the names of a root's folders."""
    (tmp_path / "proc").mkdir()

    with pytest.raises(Misuse, match="no file of a machine in it: looked for"):
        open_origin(tmp_path)


def test_a_bundle_without_a_machine_is_refused(tmp_path: Path) -> None:
    """It has its first line and its last one."""
    path = tmp_path / "empty"
    path.write_bytes(written([], []))

    with pytest.raises(Misuse, match="no file of a machine in it: looked for"):
        open_origin(path)


def test_one_file_of_a_machine_is_enough(tmp_path: Path) -> None:
    """Whoever has a list of modules alone sees what that says."""
    path = packed_tar(tmp_path / "a.tgz", {"sos/proc/modules": b"vfio 1 0 - Live 0x0\n"})

    assert str(path) == open_origin(path).origin


def test_a_path_to_nothing_is_refused(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(Misuse, match="no such file"):
        open_origin(tmp_path / "none")


def test_this_machine_is_inspected_without_an_error() -> None:
    """As whoever runs the tests; each source says what became of it."""
    found = live_snapshot()

    assert (HERE, True) == (found.origin, len(found.sources) > 8)
    assert all(one.why for one in found.sources if one.access.value != "read" and "*" not in one.name)


WHOLE = written([Entry("file", "/a", bytes(range(1, 200)) * 90)], [("root", "no")])


@for_each("data", [WHOLE, packed(WHOLE)])
def test_bytes_that_were_sent_are_the_same_bundle(data: bytes) -> None:
    """Packed or not; no file is named by them."""
    found = received_bundle(data, "/etc/passwd")

    assert (b"a", "/etc/passwd") == (found.names("/").data, found.origin)


@for_each(
    ("data", "says"),
    [
        (b"", "not a bundle: make one"),
        (b"hello", "not a bundle: make one"),
        (b"\x1f\x8b" + bytes(30), "compressed, but not a bundle"),
        (b"\x7fELF" + bytes(600), "this is a core"),
        (b"KDUMP   " + bytes(600), "this is a core"),
        (bytes(257) + b"ustar" + bytes(300), "an archive"),
        (WHOLE[:-7], "the bundle is truncated here: collect it again"),
        (packed(WHOLE)[:-12], "its packing ends too early"),
        (packed(WHOLE)[:-40] + b"\xff" * 9 + packed(WHOLE)[-31:], "its packing is damaged"),
        (b"pfnlab-bundle 1\nfile /a\n " + b"x" * (1 << 18), "a line is longer than 64 KiB"),
    ],
)
def test_bytes_that_are_no_bundle_are_refused_in_one_line(data: bytes, says: str) -> None:
    """With the name they were sent under, which is inert."""
    with pytest.raises(Misuse, match=says) as trouble:
        received_bundle(data, "b\x1b[2J\n")

    assert str(trouble.value).startswith(visible_name("b\x1b[2J\n"))
    assert str(trouble.value).isprintable()


@for_each(
    ("data", "says"),
    [
        (b"pfnlab-bundle 1\n" + bytes(5 << 20), "all files are larger than 4 MiB"),
        (packed(b"pfnlab-bundle 1\n" + bytes(1 << 25)), "all files are larger than 4 MiB"),
    ],
    ids=("as it is", "packed"),
)
def test_bytes_that_are_too_many_are_refused(data: bytes, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they come, and before they are unpacked as a whole."""
    monkeypatch.setattr(origins, "ORDINARY", SnapshotBounds(1))

    with pytest.raises(Misuse, match=says):
        received_bundle(data, "b")
