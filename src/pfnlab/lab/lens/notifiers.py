"""The guest driver's notifier on an address space, and the ranges it received.

The driver stores them directly after its ``struct mmu_notifier`` (``guest/driver/notify.c``): a magic word,
the number of ranges, and a ring of the latest ones (first byte and end).
"""

import struct

from pfnlab.base.units import PAGE_SHIFT, pages_of
from pfnlab.lab.lens.plain import NotifierRanges
from pfnlab.lab.lens.view import KernelView

_MAGIC = int.from_bytes(b"pnftold1", "little")
_RANGES = 256
_HEAD = struct.Struct("<QQ")
_RING = struct.Struct(f"<{2 * _RANGES}Q")

#: Maximum number of notifiers to examine per address space; usually the driver's is the only one.
_MOST = 16


class Notifiers:
    """Finds the driver's notifiers in a kernel's memory."""

    def __init__(self, view: KernelView) -> None:
        self._view, layouts = view, view.layouts
        self._of_space = layouts.offset("struct mm_struct", "notifier_subscriptions")
        self._first = layouts.offset("struct mmu_notifier_subscriptions", "list.first")
        self._link = layouts.offset("struct mmu_notifier", "hlist")
        self._size = layouts.size("struct mmu_notifier")

    @staticmethod
    def has(view: KernelView) -> bool:
        """True if the kernel has notifiers."""
        layouts = view.layouts
        return layouts.has("struct mm_struct", "notifier_subscriptions") and layouts.has(
            "struct mmu_notifier"
        )

    def of(self, mm: int) -> NotifierRanges | None:
        """The ranges that the driver's notifier on an address space received; None without a notifier."""
        view = self._view
        subscriptions = view.word(mm + self._of_space)
        node = view.word(subscriptions + self._first) if subscriptions else 0
        for _ in range(_MOST):
            if not node:
                return None
            behind = node - self._link + self._size
            magic, count = _HEAD.unpack(view.read(behind, _HEAD.size))
            if magic == _MAGIC:
                return self._ranges(behind + _HEAD.size, count)
            node = view.word(node)
        return None

    def _ranges(self, ring: int, count: int) -> NotifierRanges:
        words = _RING.unpack(self._view.read(ring, _RING.size)) if count else ()
        kept = [
            (start >> PAGE_SHIFT, pages_of(end)) for start, end in zip(words[::2], words[1::2], strict=True)
        ]
        # In chronological order: the newest ranges have overwritten the oldest.
        first = count % _RANGES if count > _RANGES else 0
        ranges = [*kept[first:], *kept[:first]][: min(count, _RANGES)]
        return NotifierRanges(count, tuple(ranges))
