"""Bundles: read as they are written, and refused in one line where they are none."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import ORDINARY, FileText, SnapshotBounds, Unparsable
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, Entry, bundle_bytes, is_bundle, packed, written

LIST = "/sys/kernel/debug/x86/pat_memtype_list"


def bundle(*entries: Entry) -> Bundle:
    """A bundle of these, written and read."""
    return Bundle(written(entries, [("root", "yes")]), "b")


def ended(body: bytes) -> bytes:
    """A bundle with this between the first line and a right last one."""
    text = b"pfnlab-bundle 1\n" + body
    return text + b"end %d\n" % text.count(b"\n")


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_content_is_never_a_directive(contents: list[bytes]) -> None:
    """Any lines of any file come back, but zero bytes, and an end of a line is added to the last."""
    files = bundle(*(Entry("file", f"/f{at}", data) for at, data in enumerate(contents)))

    def back(data: bytes) -> bytes:
        whole = data.removesuffix(b"\n").replace(b"\0", b"\\x00")
        return whole + b"\n" if data else b""

    assert [back(data) for data in contents] == [files.read(f"/f{at}").data for at in range(len(contents))]


@given(st.binary(max_size=80))
def test_bytes_come_back_as_they_are(data: bytes) -> None:
    """A file of bytes is written as digits."""
    assert data == bundle(Entry("hex", "/config", data)).read("/config").data


@given(st.binary(max_size=300))
def test_any_damage_is_a_bundle_or_one_line(tail: bytes) -> None:
    """No traceback, and no terminal's escape in the message."""
    try:
        snapshot_of(Bundle(b"pfnlab-bundle 1\n" + tail, "b"))
    except Misuse as trouble:
        assert str(trouble).startswith("b:")
        assert visible_name(trouble) == str(trouble)


PATHS = st.sampled_from([LIST, "/proc/iomem", "/proc/mtrr", "/proc", "/proc/7/smaps"])
LINES = st.sampled_from([b"7", b"0-1 : a", b"x", b"PAT: [mem 0x1-0x0] uncached", b"\x1b[2J", b"\xff"])


@given(st.dictionaries(PATHS, st.lists(LINES, max_size=4)))
def test_any_content_is_read_or_refused_in_one_line(contents: dict[str, list[bytes]]) -> None:
    """Also where the bundle itself is whole, and a file in it is not what it should be."""
    entries = [Entry("file", path, b"\n".join(lines)) for path, lines in contents.items()]
    try:
        snapshot_of(bundle(*entries))
    except Misuse as trouble:
        assert visible_name(trouble) == str(trouble)


def test_a_link_a_refusal_and_a_cut_come_back() -> None:
    """With the words of the system."""
    files = bundle(
        Entry("link", "/a/driver", b"../x"),
        Entry("refused", "/b", why="Permission denied"),
        Entry("file", "/c", b"x\n"),
        Entry("cut", "/c", why="longer than 1 MiB"),
    )

    assert ("../x", Access.REFUSED, "Permission denied", Access.CUT) == (
        files.link("/a/driver"),
        files.read("/b").access,
        files.read("/b").why,
        files.read("/c").access,
    )


def test_each_file_has_the_time_before_it() -> None:
    """And the line it is at."""
    files = bundle(Entry("file", "/a", b"x\n", seconds=1.5), Entry("file", "/b", b"y\n", seconds=2.25))

    assert (FileText(b"x\n", seconds=1.5, line=4), FileText(b"y\n", seconds=2.25, line=7)) == (
        files.read("/a"),
        files.read("/b"),
    )


def test_names_are_those_below() -> None:
    """Of files, links and refusals; a folder that is listed has those it lists."""
    files = bundle(
        Entry("link", "/p/7/fd/3", b"x"), Entry("refused", "/p/9/fd"), Entry("folder", "/q", b"z\n")
    )

    assert (b"7\n9", b"3", b"z\n") == tuple(files.names(path).data for path in ("/p", "/p/7/fd", "/q"))


@for_each(
    ("text", "says"),
    [
        (b"", "b:1: not a bundle"),
        (b"hello\n", "b:1: not a bundle"),
        (b"pfnlab-bundle 2\n", "b:1: bundle of another version"),
        (b"pfnlab-bundle 1\nfile /a\n x\n", "b:3: the bundle is truncated here"),
        (b"pfnlab-bundle 1\nfile /a\nend 9\n", "b:3: the bundle had 9 lines before this, now 2"),
        (ended(b"") + b"more\n", "b:3: more after the last line"),
        (ended(b"what /a\n"), "b:2: not a line of a bundle: what /a"),
        (ended(b"\n"), "b:2: not a line of a bundle: an empty line"),
        (ended(b"file ../../etc/passwd\n"), "b:2: not an absolute path"),
        (ended(b"file /a/../../b\n"), "b:2: not an absolute path"),
        (ended(b"file /a\x1b[2J\n"), "b:2: not an absolute path: /a\\x1b[2J"),
        (ended(b"file /\xff\n"), "b:2: path is not UTF-8"),
        (ended(b"file /a\nfile /a\n"), "b:3: a second time the same file"),
        (ended(b"cut /a\tx\n"), "b:2: nothing of this file comes before"),
        (ended(b"file /a\n \0\n"), "b:3: a bundle has no zero bytes"),
        (ended(b"at 99999999999999\n"), "b:2: not a line of a bundle"),
        (ended(b"file /a\n " + b"x" * (1 << 18) + b"\n"), "b:3: a line is longer than 64 KiB"),
    ],
)
def test_another_text_is_refused_with_its_line(text: bytes, says: str) -> None:
    """The message is one line, and inert."""
    with pytest.raises(Misuse) as trouble:
        Bundle(text, "b")

    assert str(trouble.value).startswith(says)
    assert visible_name(trouble.value) == str(trouble.value)


@for_each(
    ("path", "content", "says"),
    [
        (LIST, b"write-back @ 0x0-0x1\nnonsense\x1b[0m\n", f"b:4: {LIST}: line 2"),
        (LIST, b"PAT: [mem 0x11111111111111111-0x2] uncached\n", f"b:3: {LIST}: line 1"),
        ("/proc/iomem", b"zz-1 : a\n", "b:3: /proc/iomem: line 1"),
        ("/proc/mtrr", b"reg00: base=0x0\n", "b:3: /proc/mtrr: line 1"),
    ],
)
def test_a_line_that_is_none_of_its_file_is_refused(path: str, content: bytes, says: str) -> None:
    """With the line of the bundle, and that of the file."""
    body = b"".join(b" " + line + b"\n" for line in content.splitlines())
    text = ended(b"file " + path.encode() + b"\n" + body)

    with pytest.raises(Unparsable) as trouble:
        snapshot_of(Bundle(text, "b"))

    assert str(trouble.value).startswith(says)
    assert visible_name(trouble.value) == str(trouble.value)


def test_hexadecimal_content_that_is_none_is_refused() -> None:
    """Where it is asked for."""
    files = Bundle(ended(b"hex /a\n 0g\n"), "b")

    with pytest.raises(Misuse, match=r"^b:3: not hexadecimal$"):
        files.read("/a")


def test_every_beginning_of_a_bundle_is_refused() -> None:
    """A cut bundle never passes for a whole one."""
    whole = written([Entry("file", "/a", b"x\ny\n"), Entry("link", "/b", b"z")], [("root", "no")])
    for size in range(len(whole) - 1):
        with pytest.raises(Misuse):
            Bundle(whole[:size], "b")


def test_a_packed_bundle_is_the_same(tmp_path: Path) -> None:
    """And is known by its content."""
    text = written([Entry("file", "/a", b"x\n")], [])
    path = tmp_path / "b.gz"
    path.write_bytes(packed(text))

    assert (text, True) == (bundle_bytes(path, ORDINARY), is_bundle(path.read_bytes()[:512]))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """Before it is unpacked as a whole, and with what opens it."""
    path = tmp_path / "b.gz"
    path.write_bytes(gzip.compress(b"pfnlab-bundle 1\n" + bytes(1 << 25)))

    with pytest.raises(Misuse, match=r"more than 200 times as large, over .*: `pfnlab inspect --most 128`"):
        bundle_bytes(path, ORDINARY)


def test_a_small_bundle_may_be_packed_well(tmp_path: Path) -> None:
    """What is honest and small has no ratio; nor has what a user asked for."""
    text = b"pfnlab-bundle 1\n" + b" " * (1 << 23)
    larger = text * 4
    for data in (text, larger):
        (tmp_path / f"{len(data)}.gz").write_bytes(gzip.compress(data))

    found = [
        len(bundle_bytes(tmp_path / f"{len(data)}.gz", bounds))
        for data, bounds in ((text, ORDINARY), (larger, SnapshotBounds(65)))
    ]

    assert [len(text), len(larger)] == found


def of_lines(count: int) -> bytes:
    """A bundle with so many lines in one file, which begins at its fourth."""
    body = b"note root yes\nfile /proc/iomem\n" + b" 0-fff : RAM\n" * count
    return ended(body)


def test_a_file_may_have_its_most_lines() -> None:
    """31,250 a MiB, and not one is left out."""
    found = snapshot_of(Bundle(of_lines(31_250), "b", SnapshotBounds(1)))

    assert found.resources is not None
    assert 31_250 == len(found.resources)


@for_each(
    ("data", "says"),
    [
        (
            of_lines(31_251),
            r"^b:31254: /proc/iomem: more than 31,250 lines: `pfnlab inspect --most 2` reads more$",
        ),
        (
            ended(
                b"file /proc/iomem\n"
                + b" 0-fff : "
                + b"R" * 1000
                + b"\n" * 1
                + (b" 0-fff : " + b"R" * 1000 + b"\n") * 1100
            ),
            r"^b:1042: /proc/iomem: longer than 1 MiB: `pfnlab inspect --most 2` reads more$",
        ),
        (
            ended(b"file /a\n" + b" x\n" * 62_501),
            "^b:62501: all files have more than 62,500 lines: .*--most 2",
        ),
        (
            ended(b"absent /a\t\n" * 1 + b"".join(b"absent /%d\t\n" % at for at in range(7812))),
            "more than 7,812 files",
        ),
        (
            ended(b"file /a\n" + (b" " + b"x" * 60_000 + b"\n") * 72),
            "^b:72: all files are larger than 4 MiB: .*--most 2",
        ),
    ],
)
def test_more_than_a_bound_is_refused_with_its_place(data: bytes, says: str) -> None:
    """Lines and bytes of a file, files and links, lines and bytes of all."""
    with pytest.raises(Misuse, match=says):
        snapshot_of(Bundle(data, "b", SnapshotBounds(1)))


@for_each("damage", [lambda data: data[:-12], lambda data: data[:20] + b"\xff" * 9 + data[29:]])
def test_damaged_packing_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    """Where it ends too early, and where it is no packing."""
    path = tmp_path / "b.gz"
    path.write_bytes(damage(packed(written([Entry("file", "/a", bytes(range(1, 200)) * 9)], []))))

    with pytest.raises(Misuse, match="its packing"):
        bundle_bytes(path, ORDINARY)
