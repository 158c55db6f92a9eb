"""The one step that shows more, for each user and machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.diagnosis.inspector import seeing_more
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, SnapshotSource
from pfnlab.diagnosis.inspector.parsing.memory_lists import MEMTYPES
from pfnlab.diagnosis.inspector.seeing_more import here_as_root, how_to_see_more

_MOUNT = "sudo mount -t debugfs none /sys/kernel/debug"
BOOK = SnapshotSource(MEMTYPES, Access.ABSENT, "No such file or directory", None, _MOUNT)
MAPS = SnapshotSource("/proc/*/smaps", Access.CUT, "", None, "sudo pfnlab inspect")
READ = SnapshotSource("/proc/iomem", Access.READ)


def more(*sources: SnapshotSource, origin: str = "this machine") -> str:
    """The step for a machine with these sources."""
    return how_to_see_more(Snapshot(origin=origin, sources=sources))


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Root with every capability, on a kernel that is not locked down."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for name, text in (("_STATUS", "CapEff:\t000001ffffffffff\n"), ("_LOCKDOWN", "[none] integrity\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        monkeypatch.setattr(seeing_more, name, tmp_path / name)
    return monkeypatch


def test_a_user_becomes_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which shows everything that root may see."""
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    assert "sudo pfnlab inspect" == more(READ, MAPS, BOOK)
    assert "" == more(READ)


def test_root_mounts_debugfs_without_sudo(root: pytest.MonkeyPatch) -> None:
    """And is not told to become root."""
    assert "mount -t debugfs none /sys/kernel/debug && pfnlab inspect" == more(MAPS, BOOK)
    assert "" == more(READ, MAPS)


def test_a_container_leads_to_its_host(root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Root there may not mount."""
    (tmp_path / "_STATUS").write_text("CapEff:\t00000000a80425fb\n", encoding="utf-8")

    assert more(BOOK).endswith("run collect.sh on the host of this container")


def test_a_locked_kernel_hides_debugfs_from_root(root: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only another boot shows it."""
    (tmp_path / "_LOCKDOWN").write_text("none [integrity] confidentiality\n", encoding="utf-8")

    assert more(BOOK).startswith("boot without lockdown")


def test_of_a_bundle_it_is_the_command_of_the_first_source(root: pytest.MonkeyPatch) -> None:
    """For the user of that machine, who may not be root."""
    assert _MOUNT == more(READ, BOOK, MAPS, origin="host.bundle")
    assert not here_as_root(Snapshot(origin="host.bundle", sources=()))
