"""The searches that pages are made of: how far they are."""

from __future__ import annotations

import pytest
from counting import Parts

from pfnlab.claims import searches
from pfnlab.claims.searches import AskedSearch, search_ahead


def test_searches_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are not there yet: what was asked twice is one."""
    monkeypatch.setattr(searches, "_results", {})
    parts = Parts()
    asked = [AskedSearch(model, "small", 1) for model in ("6.1", "7.2", "7.2")]

    search_ahead(asked, 1, parts)

    assert (2, 2) == (parts.expected, parts.done)
