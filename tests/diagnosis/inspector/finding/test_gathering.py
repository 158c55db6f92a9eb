"""Findings of one kind and place are one."""

from __future__ import annotations

import pytest
from inspector.machines import BASE, entry, mapping, whole

from pfnlab.diagnosis.inspector.finding import every
from pfnlab.diagnosis.inspector.finding.finding_form import MOST_PLACES
from pfnlab.diagnosis.inspector.host_snapshot import HostMapping, Process
from pfnlab.kernel.hw.cachemode import CacheMode

#: Each of them asked for write-combining, and has a page of the BAR.
_USERS = tuple(mapping(page, page + 1, pid=100 + page) for page in range(16))
_UNCACHED = (entry(0, 16, CacheMode.UC_MINUS),)


def test_mappings_of_one_bar_are_one_finding() -> None:
    """All pages and processes of it are counted, the first places are kept."""
    (one,) = whole(mappings=_USERS, book=_UNCACHED)

    assert ("uc_where_wc_asked", 0x10000, 16) == (one.kind, one.size, one.count)
    assert (MOST_PLACES, BASE) == (len(one.places), one.places[0].bounds[0])
    assert tuple(range(100, 116)) == one.pids


def test_it_says_how_many_more() -> None:
    """Behind the first of them."""
    (one,) = whole(mappings=_USERS, book=_UNCACHED, processes=(Process(100, "Xorg"),))

    assert one.says.startswith("Xorg:100 asked for write-combining")
    assert one.says.endswith("And 15 more like it: 64 KiB in all, of 16 processes.")


def test_evidence_is_of_the_first() -> None:
    """Of a million mappings nobody reads all lines."""
    (one,) = whole(mappings=_USERS, book=_UNCACHED)

    assert "/proc/100/maps" == one.evidence[0].source
    assert len(one.evidence) < len(_USERS)


def test_one_alone_says_nothing_of_more() -> None:
    """As most are."""
    (one,) = whole(mappings=_USERS[:1], book=(entry(0, 1, CacheMode.UC_MINUS),))

    assert "more like it" not in one.says


def test_memory_of_no_device_is_gathered_too() -> None:
    """What /dev/mem maps need not be a BAR's."""
    users = tuple(
        HostMapping(pid, 0x7000, 0x8000, "rw-s", "/dev/mem", at, physical=(at, at + 0x1000))
        for pid, at in enumerate(range(0xFED00000, 0xFED20000, 0x1000), 100)
    )

    (one,) = whole(mappings=users)

    assert ("mapping_without_reservation", 32) == (one.kind, one.count)


def test_bugs_are_asked_for_once_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """They depend on the kernel alone."""
    asked: list[object] = []
    monkeypatch.setattr(every, "bugs_here", lambda kernel, ids: asked.append(ids) or ())

    whole(mappings=_USERS)

    assert 1 == len(asked)
