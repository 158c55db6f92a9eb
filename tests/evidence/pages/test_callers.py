"""The page of in-tree callers explains every call of the source that was read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from evidence.pages.__main__ import made
from evidence.pages.callers import page as callers
from evidence.pages.callers.page import Call, Calls, calls, explained, faults, page, program_end
from evidence.tools.read_callers import calls_in
from pfnlab.base.errors import Misuse

PAGE = Path(__file__).parents[3] / "docs" / "callers.md"

SOURCE = """\
static void zap_vma(struct vm_area_struct *vma)
{
	zap_vma(vma); /* unmap_mapping_range(mapping, 0, 0, 1) is another */
}

static int
revoke(struct device *dev,
       int all)
{
	unmap_mapping_range(mapping, 0, 0, 1);
	// zap_vma_ptes(vma, 0, 1);
	return 0;
}
"""


def test_the_page_is_current() -> None:
    """Write it anew with ``python -m evidence.pages callers --write``."""
    assert made("callers") == PAGE.read_text(encoding="utf-8")


def test_every_call_is_explained_once() -> None:
    """No call of the source is left out, and none is made up."""
    assert [] == faults(calls(), explained())


def test_a_call_that_nobody_read_is_named() -> None:
    """A newer source may have calls of which the page says nothing."""
    found = calls()
    more = msgspec.structs.replace(found, calls=[*found.calls, Call("mm/new.c", "new", "zap_vma")])

    assert ["mm/new.c: new: explain it in callers.toml"] == faults(more, explained())


def test_a_call_that_went_away_is_named() -> None:
    """The page names no function that the source does not have."""
    first = calls().calls[0]
    fewer = [call for call in calls().calls if call.place != first.place]

    assert [f"{first.place}: another source has no such call"] == faults(
        Calls("another source", fewer), explained()
    )


def test_a_page_with_a_fault_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the first fault in one line."""
    monkeypatch.setattr(callers, "calls", lambda: Calls("an empty source", []))

    with pytest.raises(Misuse, match="an empty source has no such call"):
        page()


def test_calls_are_found_in_their_functions() -> None:
    """Comments call nothing, and a function that stands in for itself is no caller."""
    assert [Call("a.c", "revoke", "unmap_mapping_range")] == list(calls_in("a.c", SOURCE))


def test_a_loss_of_the_first_entry_is_seen() -> None:
    """The idea of discussion 000 warns and leaks where a driver has zapped the first page."""
    end = program_end("driver-disassociate", "6.12,tracker=unmap_only")

    assert ("", "WARNING at arch/x86/mm/pat/memtype.c", "bar[0:4] wc") == end
