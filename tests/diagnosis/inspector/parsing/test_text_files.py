"""Files of a machine: long ones in pieces, and as far as the bounds of a reading go."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_root import write
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing import text_files
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import (
    ORDINARY,
    LongFiles,
    SnapshotBounds,
    line_pieces,
    odd_line,
)
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder

ONE = SnapshotBounds(1)


@given(st.lists(st.sampled_from([b"", b"a", b"1 x", b" y", b"0123456"]), max_size=20), st.integers(0, 9))
def test_pieces_are_whole_lines_of_the_file(lines: list[bytes], size: int) -> None:
    """Together they are the file; each begins with a line that may be the first of one."""
    data = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_PIECE", size)

        pieces, of_digits = list(line_pieces(data)), list(line_pieces(data, b"0123456789"))

    assert data == b"".join(pieces) == b"".join(of_digits)
    assert all(piece.endswith(b"\n") for piece in pieces[:-1])
    assert all(piece[:1].isdigit() for piece in of_digits[1:])


@given(st.lists(st.sampled_from([b"", b"good", b"odd", b" "]), max_size=9), st.integers(0, 9))
def test_the_first_odd_line_has_its_number(lines: list[bytes], size: int) -> None:
    """However the file is divided."""
    data = b"\n".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_PIECE", size)

        found = odd_line(data, lambda line: line == b"good")

    assert (None if b"odd" not in lines else (lines.index(b"odd") + 1, b"odd")) == found


def test_a_list_of_this_machine_is_cut_at_its_bound(tmp_path: Path) -> None:
    """What comes before is read, and the source says what reads more."""
    write(tmp_path, "proc/iomem", "".join(f"{at:08x}-{at:08x} : x\n" for at in range(1, 31_252)))

    found = snapshot_of(RootFolder(tmp_path, bounds=ONE))

    source = found.source("/proc/iomem")
    assert source is not None
    assert found.resources is not None
    assert (31_250, Access.CUT) == (len(found.resources), source.access)
    assert source.why == "more than 31,250 lines: `pfnlab inspect --most 2` reads more"


def test_mappings_of_a_process_are_cut_at_the_bound(tmp_path: Path) -> None:
    """It is said of how many processes."""
    head = "7f0000000000-7f0000001000 rw-s 00000000 00:06 8 /dev/mem\n"
    write(tmp_path, "proc/1/smaps", head * 31_251)

    found = snapshot_of(RootFolder(tmp_path, bounds=ONE))

    source = found.source("/proc/*/smaps")
    assert source is not None
    assert source.why == "1 process: longer than 1 MiB: `pfnlab inspect --most 2` reads more"


def test_files_have_a_bound_together(tmp_path: Path) -> None:
    """What counts is kept: a file behind the bound is not read, and one of which nothing is kept is."""
    for name in "abcd":
        write(tmp_path, name, "x\n" * 20_000)
    files = LongFiles(RootFolder(tmp_path, bounds=ONE))

    found = [
        files.read("/a").access,
        files.read("/b", nothing).access,
        files.read("/c", nothing).access,
        files.read("/b").access,
        files.read("/c").access,
        files.read("/d").access,
    ]

    assert [*(Access.READ,) * 5, Access.CUT] == found


def nothing(data: bytes) -> bytes:
    """Keeps nothing."""
    return b""


def test_the_bounds_that_nobody_asked_for() -> None:
    """64 MiB and two million lines of a file, four and two times as much of all."""
    assert (64 << 20, 2_000_000, 256 << 20, 4_000_000) == (
        *(ORDINARY.bytes, ORDINARY.lines),
        *(ORDINARY.all_bytes, ORDINARY.all_lines),
    )


@for_each(
    ("bounds", "packed", "most"),
    [
        (ORDINARY, 1000, 16 << 20),
        (ORDINARY, 1 << 20, 200 << 20),
        (SnapshotBounds(1), 1000, 16 << 20),
        (SnapshotBounds(128), 1000, 512 << 20),
    ],
)
def test_what_is_packed_has_a_bound(bounds: SnapshotBounds, packed: int, most: int) -> None:
    """200 times its size, or as much as is small; or what was asked for."""
    assert most == bounds.unpacked(packed)


@for_each("lines", [31_250, 31_251])
def test_the_remedy_is_twice_as_much(lines: int) -> None:
    """It is said where a bound is passed, and nothing where it is not."""
    says = SnapshotBounds(1).is_longer(0, lines)

    assert says == ("more than 31,250 lines: `pfnlab inspect --most 2` reads more" if lines > 31_250 else "")
