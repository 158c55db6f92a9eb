"""The kinds of findings that could not be looked for."""

from __future__ import annotations

from typing import Any

from for_each import for_each
from inspector.machines import entry, mapping, snapshot

from pfnlab.diagnosis.inspector.finding.finding_form import finding_kinds
from pfnlab.diagnosis.inspector.finding.lacking import NotLookedFor, not_looked_for
from pfnlab.diagnosis.inspector.host_snapshot import Access, SnapshotSource
from pfnlab.diagnosis.inspector.inspection import inspected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost


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

    assert "kinds of findings not looked for" in result.says
    assert "leaked_reservation" in {one.kind for one in result.not_looked_for}
