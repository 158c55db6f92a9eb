"""Ranges that the model goes through page by page."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.mm import page_by_page

#: As many pages as an area may have.
AREA = "a = mmap anon[0:1073741824] private r"

EACH_PAGE = (
    f"{AREA} locked",
    f"{AREA} populate",
    "mlock a",
    "mlockall",
    "madvise a populate_read",
    "pagemap a",
    "mincore a",
    "move_pages a",
)


@for_each("call", EACH_PAGE)
def test_more_pages_than_can_be_gone_through_are_undecided(call: str) -> None:
    """None of them is: the question costs nothing."""
    before = [] if call.startswith(AREA) else [AREA]

    with pytest.raises(Undecided, match="one by one at most, and this asks for 1073741824"):
        run("7.2", *before, call)


@for_each("call", EACH_PAGE)
def test_the_most_pages_are_answered(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is not."""
    monkeypatch.setattr(page_by_page, "MOST_PAGES", 4)
    few, many = (AREA.replace("1073741824", count) for count in ("4", "5"))

    def lines(area: str) -> list[str]:
        return [call.replace(AREA, area)] if AREA in call else [area, call]

    assert "ok" == run("7.2", *lines(few))[-1].result
    with pytest.raises(Undecided):
        run("7.2", *lines(many))


def test_a_pfn_mapping_is_not_filled() -> None:
    """Whatever its size."""
    mapped, _ = run("7.2", "a = mmap bar wc shared rw locked", pages=1 << 30)

    assert "ok" == mapped.result
