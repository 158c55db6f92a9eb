"""The times of parts: added up by name, in order."""

from __future__ import annotations

import pytest

from pfnlab.base import part_times
from pfnlab.base.part_times import PartTimes


def test_parts_of_a_name_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they begin, to a tenth."""
    clock = iter([0.0, 1.25, 2.0, 3.0, 10.0, 12.0])
    monkeypatch.setattr(part_times.time, "monotonic", lambda: next(clock))
    parts = PartTimes()

    for name in ("build", "boot", "build"):
        with parts.part(name):
            pass

    assert {"build": 3.2, "boot": 1.0} == parts.seconds
    assert ["build", "boot"] == [*parts.seconds]


def test_a_part_that_fails_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error goes on."""
    clock = iter([0.0, 4.0])
    monkeypatch.setattr(part_times.time, "monotonic", lambda: next(clock))
    parts = PartTimes()

    with pytest.raises(ZeroDivisionError), parts.part("ask"):
        _ = 1 / 0

    assert {"ask": 4.0} == parts.seconds
