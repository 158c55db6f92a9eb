"""Reports of sos, as a folder and as an archive."""

from __future__ import annotations

import ast
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

import pytest
from fake_root import LIST, fake_root, write
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import SnapshotBounds
from pfnlab.diagnosis.inspector.sources import sosreport
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.diagnosis.inspector.sources.sosreport import SosArchive, SosFolder

PLUGIN = Path(__file__).parents[4] / "docs/howto/sos/pfnlab.py"

LSPCI = """\
00:02.0 VGA compatible controller [0300]: NVIDIA GV100 [10de:1db6]
\tRegion 0: Memory at e0000000 (64-bit, prefetchable) [size=256M]
\tKernel driver in use: nouveau
"""


def report(folder: Path) -> Path:
    """A report as sos writes it: no sysfs of PCI, and nothing of processes."""
    root = folder / "sosreport-farhost-2026"
    for path in ("proc/iomem", "proc/mtrr", "proc/cmdline", LIST):
        write(root, path, (fake_root(folder / f"of-{path.replace('/', '-')}") / path).read_bytes())
    write(
        root,
        "sos_commands/kernel/dmesg",
        "[    0.0] Linux version 6.1.0 (a)\n[    1.0] Hypervisor detected: KVM\n",
    )
    write(root, "sos_commands/kernel/uname_-a", "Linux farhost 6.1.0-26-amd64 #1 SMP\n")
    write(root, "sos_commands/pci/lspci_-nnvv", LSPCI)
    write(root, "sos_commands/kernel/lsmod", "Module Size Used by\nnouveau 1 0\n")
    write(root, "hostname", "farhost\n")
    return root


def archived(root: Path, path: Path) -> Path:
    """The archive of a report, packed as sos does."""
    with tarfile.open(path, "w:xz") as archive:
        archive.add(root, root.name)
    return path


def parts(snapshot: Snapshot) -> tuple[object, ...]:
    """Those that a report has."""
    return (
        *(snapshot.host, snapshot.kernel, snapshot.virtual, snapshot.modules, snapshot.log),
        *(snapshot.book, snapshot.resources, snapshot.mtrrs, snapshot.devices, snapshot.options),
    )


def test_a_folder_has_files_and_what_commands_printed(tmp_path: Path) -> None:
    """The kernel's version from uname, devices from lspci, modules from lsmod."""
    found = open_origin(report(tmp_path))

    assert found.devices is not None
    assert ("farhost", "6.1.0-26-amd64", "KVM", "nouveau", 4) == (
        found.host,
        found.kernel,
        found.virtual,
        found.devices[0].driver,
        len(found.book or ()),
    )


def test_what_a_report_has_not_is_unknown(tmp_path: Path) -> None:
    """Processes and mappings are None, and the source is absent."""
    found = open_origin(report(tmp_path))

    source = found.source("/proc/*/smaps")
    assert source is not None
    assert (None, None, Access.ABSENT) == (found.mappings, found.processes, source.access)


def test_an_archive_is_as_its_folder(tmp_path: Path) -> None:
    """Without being unpacked to a disk."""
    root = report(tmp_path)

    assert parts(open_origin(root)) == parts(open_origin(archived(root, tmp_path / "a.tar.xz")))


def test_a_folder_that_has_the_report_alone_will_do(tmp_path: Path) -> None:
    """As an archive unpacks."""
    root = report(tmp_path)
    outer = tmp_path / "outer"
    outer.mkdir()
    root.rename(outer / root.name)

    assert open_origin(outer).book is not None


def test_a_folder_without_a_report_is_refused(tmp_path: Path) -> None:
    """In one line that says what to name."""
    with pytest.raises(Misuse, match="no report: name the folder"):
        SosFolder(tmp_path)


def hostile(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    """An archive with these members."""
    with tarfile.open(path, "w:xz") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def named(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A member of an archive."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


@for_each("name", ["../proc/iomem", "/proc/iomem", "sos/../../proc/iomem", "sos/proc/../../proc/iomem"])
def test_a_member_that_would_lie_elsewhere_is_left_out(tmp_path: Path, name: str) -> None:
    """And nothing is written."""
    found = SosArchive(hostile(tmp_path / "a.tar.xz", (named(name), b"00000000-00000fff : x\n")))

    assert Access.ABSENT is found.read("/proc/iomem").access
    assert ["a.tar.xz"] == [one.name for one in tmp_path.iterdir()]


@for_each("target", ["../../../../etc/passwd", "/etc/passwd", "dmesg", "nowhere"])
def test_a_link_leads_to_nothing_outside_of_the_archive(tmp_path: Path, target: str) -> None:
    """Nor in a circle."""
    found = SosArchive(hostile(tmp_path / "a.tar.xz", (named("sos/dmesg", tarfile.SYMTYPE, target), b"")))

    assert Access.ABSENT is found.read("dmesg").access


def test_a_link_in_the_archive_is_followed(tmp_path: Path) -> None:
    """Sos has short names for what its commands printed."""
    members = (
        (named("sos/sos_commands/kernel/dmesg_-T"), b"x\n"),
        (named("sos/dmesg", tarfile.SYMTYPE, "sos_commands/kernel/dmesg_-T"), b""),
    )

    assert b"x\n" == SosArchive(hostile(tmp_path / "a.tar.xz", *members)).read("dmesg").data


@for_each("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_what_is_no_file_is_left_out(tmp_path: Path, kind: bytes) -> None:
    """Pipes, devices and folders of the name of a file."""
    found = SosArchive(hostile(tmp_path / "a.tar.xz", (named("sos/proc/iomem", kind), b"")))

    assert Access.ABSENT is found.read("/proc/iomem").access


@for_each(
    ("limit", "value", "says"),
    [
        ("MOST_FILES", 0, "too many files for a report"),
        ("MOST_UNPACKED", 1 << 10, "unpacked it is larger than"),
    ],
)
def test_a_bomb_is_refused(tmp_path: Path, limit: str, value: int, says: str) -> None:
    """By the number of files, and by what is unpacked at all."""
    members = (
        (named("sos/proc/iomem"), bytes(2048)),
        (named("sos/proc/mtrr"), bytes(9)),
        (named("sos/x"), b""),
    )
    path = hostile(tmp_path / "a.tar.xz", *members)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sosreport, limit, value)
        with pytest.raises(Misuse, match=says):
            SosArchive(path)


def archive_of(path: Path, *sizes: int) -> Path:
    """An archive with files of so many bytes each, which are packed very well."""
    members = [(named(f"sos/proc/{at}/smaps"), b" " * size) for at, size in enumerate(sizes)]
    return hostile(path, *members)


def test_an_archive_that_was_packed_too_well_is_refused(tmp_path: Path) -> None:
    """The member behind which that was seen is named, and what opens it; who asked for more may have it."""
    path = archive_of(tmp_path / "a.tar.xz", 1 << 20, 30 << 20)

    with pytest.raises(Misuse, match=r"behind proc/1/smaps: unpacked .* 200 times .*--most 128` reads more"):
        SosArchive(path)
    assert SosArchive(path, SnapshotBounds(65)).read("/proc/0/smaps").there


def test_a_long_file_of_an_archive_is_cut(tmp_path: Path) -> None:
    """The rest of the report is read; the source says which bound it was."""
    line = b"00000000-00000fff : x\n"
    path = hostile(
        tmp_path / "a.tar.xz", (named("sos/proc/iomem"), line * 31_251), (named("sos/proc/mtrr"), b"")
    )

    found = snapshot_of(SosArchive(path, SnapshotBounds(1)))

    source = found.source("/proc/iomem")
    assert found.resources is not None
    assert source is not None
    assert 31_250 == len(found.resources)
    assert (Access.CUT, "more than 31,250 lines: `pfnlab inspect --most 2` reads more") == (
        source.access,
        source.why,
    )


def test_the_files_of_an_archive_have_a_bound_together(tmp_path: Path) -> None:
    """The member with which it was passed is named."""
    path = archive_of(tmp_path / "a.tar.xz", *(1 << 20,) * 5)

    with pytest.raises(Misuse, match="proc/4/smaps: all files are larger than 4 MiB"):
        SosArchive(path, SnapshotBounds(1))


def cut_short(data: bytes) -> bytes:
    """An archive without its end."""
    return data[:-40]


def overwritten(data: bytes) -> bytes:
    """An archive with zeros in the middle."""
    return data[:60] + bytes(40) + data[100:]


@pytest.mark.parametrize("damage", [cut_short, overwritten])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Where it is cut, and where it is not what was packed."""
    path = archived(report(tmp_path / "r"), tmp_path / "a.tar.xz")
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(Misuse, match=r"a\.tar\.xz: the archive is damaged: [^\n]*$"):
        SosArchive(path)


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=12)), max_size=4), st.booleans()
)
def test_any_damage_is_a_report_or_one_line(damages: list[tuple[int, bytes]], link: bool) -> None:
    """Heads of members too: sizes, kinds, checksums."""
    member = named("sos/proc/iomem", tarfile.SYMTYPE, "x") if link else named("sos/proc/iomem")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tar"
        with tarfile.open(path, "w") as archive:
            for one, content in ((member, b""), (named("sos/proc/mtrr"), b"reg00\n")):
                one.size = len(content)
                archive.addfile(one, io.BytesIO(content))
        data = bytearray(path.read_bytes())
        for at, part in damages:
            data[at : at + len(part)] = part
        path.write_bytes(data)

        try:
            open_origin(path)
        except Misuse as trouble:
            assert visible_name(trouble) == str(trouble)


def test_packing_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    """As any packed text."""
    path = tmp_path / "a.xz"
    with cast("IO[bytes]", lzma.open(path, "wb")) as file:
        file.write(b"hello " * 1000)

    with pytest.raises(Misuse, match="the archive is damaged"):
        SosArchive(path)


def test_the_plugin_copies_the_list_and_the_registers() -> None:
    """Where a report has them at their own places."""
    strings = {
        node.value for node in ast.walk(ast.parse(PLUGIN.read_text())) if isinstance(node, ast.Constant)
    }

    assert {f"/{LIST}", "/proc/mtrr"} <= strings


def test_the_plugin_is_taken_by_every_sos_4() -> None:
    """sos 4.0, which Debian 12 has, passes over a plugin that is not of the distribution by name."""
    (plugin,) = (node for node in ast.parse(PLUGIN.read_text()).body if isinstance(node, ast.ClassDef))

    bases = {base.id for base in plugin.bases if isinstance(base, ast.Name)}

    assert {"Plugin", "DebianPlugin", "RedHatPlugin", "UbuntuPlugin"} == bases


def test_a_member_that_says_to_be_endless_is_refused(tmp_path: Path) -> None:
    """Also one that nobody wants: to skip it would not end."""
    member = tarfile.TarInfo("sosreport-x/var/log/other")
    member.size = 10**20
    (tmp_path / "big.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))

    with pytest.raises(Misuse, match="other is larger than 8 GiB: not a report"):
        open_origin(tmp_path / "big.tar")
