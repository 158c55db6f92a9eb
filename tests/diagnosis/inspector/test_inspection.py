"""The result of an inspection, its exit code, and the one step that shows more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from inspector.machines import entry, snapshot

from pfnlab.base.result import Outcome
from pfnlab.diagnosis.inspector import inspection
from pfnlab.diagnosis.inspector.device import device_answer
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot, SnapshotSource
from pfnlab.diagnosis.inspector.inspection import InspectionResult, here_as_root, how_to_see_more, inspected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.parsing.memory_lists import MEMTYPES


def result(**parts: Any) -> InspectionResult:
    """The inspection of a small machine."""
    return inspected(JoinedHost(snapshot(**parts)))


def test_nothing_found_is_as_expected() -> None:
    """And it says among how many."""
    healthy = result()

    assert (Outcome.AS_EXPECTED, "No findings in 0 reservations.") == (healthy.outcome, healthy.says)


def test_a_leak_is_a_discovery() -> None:
    """Exit code 1."""
    assert Outcome.DISCOVERY is result(book=(entry(0, 8),)).outcome


def test_a_note_is_none() -> None:
    """Nothing is wrong where addresses are hidden."""
    hidden = (SnapshotSource("/proc/iomem", Access.HIDDEN), SnapshotSource("/proc/*/smaps", Access.READ))

    noted = result(sources=hidden)

    assert (1, Outcome.AS_EXPECTED) == (len(noted.findings), noted.outcome)


def test_what_was_not_read_is_said() -> None:
    """Nothing found is not nothing there."""
    assert "the memtype list was not read" in result(book=None).says


@for_each(("book", "outcome"), [((entry(0, 16),), 0), ((), 1), (None, 3)])
def test_a_device_answers_by_its_exit_code(book: Any, outcome: int) -> None:
    """0 for yes, 1 for no, 3 where it is not known."""
    machine = JoinedHost(snapshot(book=book))

    assert outcome == inspected(machine, device_answer(machine, "00:04.0")).outcome.value


def test_the_memory_around_a_finding_is_shown() -> None:
    """The BAR, the reservation and the rest of the BAR, by place; what was found is marked."""
    (shown,) = result(book=(entry(0, 8),)).findings

    assert [("bar", False), ("reservation", True), ("free", False)] == [
        (row.kind, row.found) for row in shown.around
    ]


def test_sources_apart_are_measured() -> None:
    """From the first to the last that was read."""
    sources = (SnapshotSource("a", Access.READ, seconds=10.0), SnapshotSource("b", Access.READ, seconds=12.5))

    assert 2.5 == result(sources=sources).apart


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
        monkeypatch.setattr(inspection, name, tmp_path / name)
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
