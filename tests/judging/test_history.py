"""What a program has asked for so far."""

from __future__ import annotations

import pytest

from pfnlab.judging.history import History
from pfnlab.programs.lang.device_ops import D0, D3, MemoryDisable, MemoryEnable, VfioReset
from pfnlab.programs.lang.ops import Call


@pytest.mark.parametrize(
    ("calls", "off"),
    [
        ((MemoryDisable("bar"),), True),
        ((MemoryDisable("bar"), MemoryEnable("bar")), False),
        ((D3("bar"),), True),
        ((D3("bar"), D0("bar")), False),
        ((D3("bar"), VfioReset("bar")), False),
        ((MemoryDisable("bar"), VfioReset("bar")), True),
        ((D3("bar"), MemoryDisable("bar"), D0("bar")), True),
    ],
)
def test_whose_memory_is_off(calls: tuple[Call, ...], off: bool) -> None:
    """A device is off while its memory bit is clear, or while it sleeps; a reset wakes it."""
    history = History()

    for call in calls:
        history.done(call)

    assert ({"bar"} if off else set()) == history.off
