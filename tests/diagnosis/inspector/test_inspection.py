"""The result of an inspection, and its exit code."""

from __future__ import annotations

from typing import Any

from for_each import for_each
from inspector.machines import entry, snapshot

from pfnlab.base.result import Outcome
from pfnlab.diagnosis.inspector.device import device_answer
from pfnlab.diagnosis.inspector.host_snapshot import Access, SnapshotSource
from pfnlab.diagnosis.inspector.inspection import InspectionResult, inspected, metrics
from pfnlab.diagnosis.inspector.joined_host import JoinedHost


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


def test_metrics_have_a_line_for_every_kind() -> None:
    """An alert on a kind that never was needs its zero."""
    text = metrics(result(book=(entry(0, 8),)))

    assert 'pfnlab_findings{kind="leaked_reservation",severity="wrong"} 1\n' in text
    assert 'pfnlab_findings{kind="two_modes",severity="look here"} 0\n' in text
    assert "pfnlab_leaked_bytes 32768\n" in text
    assert 'pfnlab_source_read{source="/proc/*/smaps"} 1\n' in text
