"""Work without the collector of cycles."""

from __future__ import annotations

import gc

import pytest

from pfnlab.diagnosis.inspector.uncollected import uncollected


def test_the_collector_rests_and_goes_on() -> None:
    """Whatever ends the work."""
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), uncollected():
        1 / 0  # noqa: B018
    assert gc.isenabled()


def test_a_collector_that_rested_before_rests_on() -> None:
    """It is the caller's."""
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
