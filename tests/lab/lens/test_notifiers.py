"""The guest driver's notifier on the list of an address space, in memory made by hand."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

from for_each import for_each

from pfnlab.lab.lens.notifiers import Notifiers
from pfnlab.lab.lens.plain import NotifierRanges
from pfnlab.lab.lens.view import KernelView

MM, LIST, OTHER, OWN = 0x1000, 0x2000, 0x3000, 0x4000
SIZE, RANGES = 0x40, 256


class Memory:
    """Words by address; the members of structures are where they are asked for."""

    def __init__(self, told: int, *, has_own: bool = True) -> None:
        self.layouts = SimpleNamespace(offset=lambda *names: 0, size=lambda name: SIZE)
        ring = [(0, 0)] * RANGES
        for number in range(told):
            ring[number % RANGES] = (number << 12, (number + 1 << 12) - 1)
        own = struct.pack("<QQ", int.from_bytes(b"pnftold1", "little"), told)
        own += b"".join(struct.pack("<QQ", *one) for one in ring)
        self._words = {MM: LIST, LIST: OTHER, OTHER: OWN if has_own else 0, OWN: 0}
        self._bytes = {OTHER + SIZE: bytes(16), OWN + SIZE: own}

    def word(self, address: int) -> int:
        """The word at an address."""
        return self._words[address]

    def read(self, address: int, size: int) -> bytes:
        """Bytes of one of the pieces."""
        start = max(at for at in self._bytes if at <= address)
        return self._bytes[start][address - start : address - start + size]


def seen(memory: Memory) -> NotifierRanges | None:
    """What the notifier of the address space was told."""
    return Notifiers(cast(KernelView, cast(Any, memory))).of(MM)


@for_each(("told", "first"), [(0, 0), (3, 0), (256, 0), (257, 1), (600, 344)])
def test_the_last_ranges_are_told_in_their_order(told: int, first: int) -> None:
    """Behind a notifier of somebody else; the newest have overwritten the oldest."""
    expected = tuple((number, number + 1) for number in range(first, told))

    assert NotifierRanges(told, expected) == seen(Memory(told))


def test_an_address_space_without_the_driver_s_notifier_has_none() -> None:
    """Whoever else has one."""
    assert seen(Memory(3, has_own=False)) is None
