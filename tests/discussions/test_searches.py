"""The searches that pages are made of: how far they are."""

from __future__ import annotations

import pytest
from counting import Parts

from pfnlab.discussions import searches
from pfnlab.discussions.searches import AskedSearch, search_ahead, searched


def test_a_scope_without_a_depth_is_searched_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other one as far as a page asks."""
    monkeypatch.setattr(searches, "_results", {})

    assert [True, False] == [searched("7.2", scope).ended for scope in ("ends_modes", "small")]


def test_a_search_without_an_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a tracker leaks, states pile up."""
    monkeypatch.setattr(searches, "_results", {})
    monkeypatch.setattr(searches, "MOST_STATES", 200)

    found = searched("6.12", "ends_areas")

    assert not found.ended
    assert found.cut


def test_searches_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not there yet: what was asked twice is one."""
    monkeypatch.setattr(searches, "_results", {})
    parts = Parts()
    asked = [AskedSearch(model, "small", 1) for model in ("6.1", "7.2", "7.2")]

    search_ahead(asked, 1, parts)

    assert (2, 2) == (parts.expected, parts.done)
