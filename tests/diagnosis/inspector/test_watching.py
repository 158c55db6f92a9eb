"""The changes between two moments of a machine."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from inspector.machines import DEVICE, entry, mapping, snapshot

from pfnlab.diagnosis.inspector import watching
from pfnlab.diagnosis.inspector.finding.every import findings
from pfnlab.diagnosis.inspector.host_snapshot import Module
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.watching import WatchedMoment, changes


def between(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The changes between two small machines."""
    return list(changes(WatchedMoment(snapshot(**before)), WatchedMoment(snapshot(**after))))


def test_nothing_changed() -> None:
    """A moment has no changes to one that is equal, whatever is wrong in both."""
    assert [] == between({"book": (entry(0, 8),)}, {"book": (entry(0, 8),)})


def test_reservations_and_findings_go() -> None:
    """A leak that is gone takes its finding along."""
    lines = between({"book": (entry(0, 8),)}, {})

    assert "- reservation [mem 0xf8000000-0xf8007fff] write-combining" in lines
    assert any(line.startswith("- finding 32 KiB of BAR 2") for line in lines)


def test_equal_reservations_are_counted() -> None:
    """Repeated entries are normal."""
    lines = between({}, {"book": (entry(0, 8), entry(0, 8))})

    assert "+ reservation [mem 0xf8000000-0xf8007fff] write-combining (2 times)" in lines


def test_a_mapping_comes_with_its_process() -> None:
    """Its name and number."""
    lines = between({"book": (entry(0, 8),)}, {"book": (entry(0, 8),), "mappings": (mapping(0, 8),)})

    assert any(line.startswith("+ mapping Xorg:7 7f0000000000-") for line in lines)


def test_drivers_and_modules_come() -> None:
    """And the state before goes."""
    bound = (msgspec.structs.replace(DEVICE, driver="edu"),)

    assert [
        "- driver 0000:00:04.0: no driver",
        "+ driver 0000:00:04.0: edu",
        "+ module edu",
    ] == between({}, {"devices": bound, "modules": (Module("edu"),)})


def test_lines_of_the_log_only_come() -> None:
    """What the ring has overwritten is no news."""
    assert ["+ log a line"] == between({"log": ("an older line",)}, {"log": ("a line",)})


def test_findings_of_a_moment_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is compared."""
    looked: list[JoinedHost] = []

    def counted(machine: JoinedHost) -> Any:
        looked.append(machine)
        return findings(machine)

    monkeypatch.setattr(watching, "findings", counted)
    moments = [WatchedMoment(snapshot(book=(entry(0, last),))) for last in (4, 6, 8)]

    for before, after in pairwise(moments):
        list(changes(before, after))

    assert [moment.machine for moment in moments] == looked
