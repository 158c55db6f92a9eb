"""Changed physical addresses that preserve order, nesting, adjacency, sizes and page offsets.

Each gap between two ranges grows by some megabytes, so each range moves further than the one before it.
Reserved and mapped ranges and device regions keep their size; bus windows and memory may grow with their
content.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from random import Random

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot

#: Addresses below this are the same on every PC and are kept.
COMMON = 1 << 20
#: Step by which a gap grows, so that sizes stay whole megabytes; maximum number of steps.
_STEP, _MOST_STEPS = 1 << 21, 64
#: Maximum number of gaps that grow; ranges in between move as far as the preceding gap.
_MOST_GAPS = 4096
_TRIES = 50
#: Memory and firmware ranges; ranges with these names may grow.
_GROWS = ("System RAM", "Reserved", "reserved", "Unknown E820 type")
Range = tuple[int, int]


class AddressShift:
    """A mapping of addresses: *kept* ranges keep their sizes, *others* only their relative order."""

    def __init__(self, kept: Iterable[Range], others: Iterable[Range], random: Random) -> None:
        kept = list(kept)
        points = sorted({COMMON} | {end for pair in (*kept, *others) for end in pair})
        gaps = _gaps(points, _merged(kept))
        if len(gaps) > _MOST_GAPS:
            gaps = sorted([gaps[0], *random.sample(gaps[1:], _MOST_GAPS - 1)])
        known = set(points)
        # A range may happen to move to where another was.
        self._jumps = gaps
        for _ in range(_TRIES):
            self._moved = [0]
            for _ in gaps:
                self._moved.append(self._moved[-1] + random.randint(1, _MOST_STEPS) * _STEP)
            if not any(self(point) in known for point in points if self(point) != point):
                return

    def __call__(self, address: int) -> int:
        """Return the changed address, at most the last 64-bit address."""
        moved = address + self._moved[bisect_right(self._jumps, address)]
        return min(moved, (1 << 64) - 1) if address < 1 << 64 else address


def shift_for(snapshot: Snapshot, random: Random) -> AddressShift:
    """Return the mapping for all physical addresses in a snapshot."""
    kept: list[Range] = [(one.start, one.end) for one in snapshot.book or ()]
    kept += [(bar.start, bar.end) for device in snapshot.devices or () for bar in device.bars]
    kept += {one.physical for one in snapshot.mappings or () if one.physical is not None}
    resources = snapshot.resources or ()
    others: list[Range] = []
    for at, one in enumerate(resources):
        has_parts = at + 1 < len(resources) and resources[at + 1].depth > one.depth
        pair = (one.start, one.end)
        (others if has_parts or one.name in _GROWS else kept).append(pair)
    inner = sorted({end for pair in (*kept, *others) for end in pair})
    for register in snapshot.mtrrs or ():
        holds = bisect_left(inner, register.end) > bisect_right(inner, register.start)
        (others if holds else kept).append((register.start, register.end))
    # Firmware or a bug may produce an invalid range.
    return AddressShift(
        [pair for pair in kept if pair[0] < pair[1]], [pair for pair in others if pair[0] < pair[1]], random
    )


def _merged(kept: list[Range]) -> list[Range]:
    merged: list[Range] = []
    for start, end in sorted(kept):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def _gaps(points: list[int], kept: list[Range]) -> list[int]:
    """Return the middle of each stretch between two points that has no kept range, above the common ones."""
    found = []
    starts = [start for start, _ in kept]
    for start, end in pairwise(points):
        if start < COMMON or end - start < 2 * PAGE_SIZE:
            continue
        at = bisect_right(starts, start) - 1
        if at < 0 or kept[at][1] <= start:
            found.append(start + (end - start) // 2)
    return found
