"""The kinds of findings that could not be looked for."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each
from inspector.machines import BASE, entry, mapping, snapshot, whole

from pfnlab.diagnosis.inspector.finding import every
from pfnlab.diagnosis.inspector.finding.every import NotLookedFor, not_looked_for
from pfnlab.diagnosis.inspector.finding.finding_form import MOST_PLACES, finding_kinds
from pfnlab.diagnosis.inspector.host_snapshot import Access, HostMapping, Process, SnapshotSource
from pfnlab.diagnosis.inspector.inspection import inspected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.kernel.hw.cachemode import CacheMode


def lacking(**parts: Any) -> dict[str, NotLookedFor]:
    """The kinds not looked for on a small machine, by name."""
    return {one.kind: one for one in not_looked_for(snapshot(**parts))}


def test_a_machine_read_whole_lacks_nothing() -> None:
    """Every kind was looked for."""
    assert {} == lacking()


def test_refused_mappings_name_their_command() -> None:
    """The kinds that conclude from what is not there, with the reason as the system words it."""
    refused = SnapshotSource("/proc/*/smaps", Access.CUT, "3 processes: EACCES", None, "sudo pfnlab inspect")

    leak = lacking(sources=(refused,))["leaked_reservation"]

    assert (False, "/proc/*/smaps: cut (3 processes: EACCES)", ("sudo pfnlab inspect",)) == (
        leak.in_part,
        leak.why,
        leak.commands,
    )


def test_what_is_seen_in_a_cut_part_is_still_found() -> None:
    """A mapping in two modes is wrong, whatever else was cut: the kind was looked for in part."""
    cut = (SnapshotSource("mappings", Access.CUT, "a page is not there"),)

    assert lacking(sources=cut)["two_modes"].in_part


def test_without_page_tables_aliases_are_not_looked_for() -> None:
    """Files say nothing of entries; where nothing is mapped, nothing has entries."""
    shallow = lacking(mappings=(mapping(0, 4),), book=(entry(0, 4),))

    assert ["conflicting_alias"] == list(shallow)
    assert ("sudo pfnlab inspect --deep",) == shallow["conflicting_alias"].commands


@for_each(("flags", "lacks"), [(("pat",), False), (("pat", "mtrr"), True), (None, True)])
def test_a_processor_without_mtrrs_has_none_to_read(flags: Any, lacks: bool) -> None:
    """A guest may have no /proc/mtrr."""
    assert lacks is ("mtrr_decides" in lacking(mtrrs=None, processor=flags))


def test_a_core_without_types_lacks_nearly_all() -> None:
    """The one source that failed stands for all parts."""
    failed = (SnapshotSource("kernel types", Access.ABSENT, "no BTF"),)
    nothing = dict.fromkeys(("book", "resources", "devices", "mappings", "processes", "pat", "mtrrs"))

    kinds = lacking(sources=failed, **nothing)

    assert set(finding_kinds()) - {"iomem_hidden"} == set(kinds)
    assert "kernel types: absent (no BTF)" == kinds["leaked_reservation"].why


def test_the_result_says_how_many() -> None:
    """In its sentence, and with each kind in its list."""
    result = inspected(JoinedHost(snapshot(book=(entry(0, 8),), resources=None)))

    assert "checks skipped" in result.says
    assert "leaked_reservation" in {one.kind for one in result.not_looked_for}


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
