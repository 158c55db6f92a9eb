"""A folder that mirrors a root, and the live one."""

from __future__ import annotations

import os
from pathlib import Path

from fake_root import link, write

from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.parsing.text_files import FileText
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder


def test_a_file_is_read_with_its_time(tmp_path: Path) -> None:
    """Seconds since 1970."""
    write(tmp_path, "proc/a", "x\n")

    found = RootFolder(tmp_path).read("/proc/a")

    assert found.seconds is not None
    assert (b"x\n", Access.READ, True) == (found.data, found.access, found.seconds > 1e9)


def test_what_is_not_there_is_absent(tmp_path: Path) -> None:
    """A file, a folder and a link."""
    files = RootFolder(tmp_path)

    assert (Access.ABSENT, Access.ABSENT, None) == (
        files.read("/proc/a").access,
        files.names("/proc").access,
        files.link("/a"),
    )


def test_a_link_leads_nowhere_outside(tmp_path: Path) -> None:
    """A report may come from anybody; what is outside of it is not read, neither by file nor by folder."""
    write(tmp_path, "secret/key", "x")
    root = tmp_path / "root"
    link(root, "proc/iomem", str(tmp_path / "secret/key"))
    link(root, "sys", "../secret")

    files = RootFolder(root)

    assert (Access.ABSENT,) * 3 == tuple(
        one.access for one in (files.read("/proc/iomem"), files.names("/sys"), files.read("/../secret/key"))
    )


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    """Nobody waits for a writer."""
    os.mkfifo(tmp_path / "pipe")

    assert Access.ABSENT is RootFolder(tmp_path).read("/pipe").access


def test_a_file_beyond_the_limit_is_cut(tmp_path: Path) -> None:
    """And says so."""
    write(tmp_path, "a", "x" * 9)

    found = RootFolder(tmp_path).read("/a", 4)

    assert (b"xxxx", Access.CUT) == (found.data, found.access)


def test_the_live_log_does_not_wait() -> None:
    """It ends where nothing more is there now, or the user may not read it."""
    found = RootFolder(Path("/")).read("/dev/kmsg", 1 << 26)

    assert isinstance(found, FileText)
    assert found.access in set(Access) - {Access.HIDDEN}


def test_a_name_that_is_no_text_is_one(tmp_path: Path) -> None:
    """As its bytes."""
    write(tmp_path, "d/\udcff", "")

    assert b"\xff" == RootFolder(tmp_path).names("/d").data
