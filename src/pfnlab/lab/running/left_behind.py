"""The things that a program leaves in use in its guest; the kernel frees some of them late."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pfnlab.lab.running.placement import Placement
from pfnlab.programs.runs.observation import MemoryFault

if TYPE_CHECKING:
    from pfnlab.lab.lens.in_use import InUse

#: How long things that a program has left behind are waited for, and the time between two looks, in seconds.
_LIMIT = 1.0
_PAUSE = 0.002

#: What is in use does not change where so many looks, with so many seconds between them, see the same.
_SETTLED, _SETTLING = 2, 0.02


def settled(in_use: Callable[[], InUse | None]) -> InUse | None:
    """The answer of *in_use*, once it does not change: after a boot the kernel still frees."""
    last, same = in_use(), 0
    end = time.monotonic() + _LIMIT
    while last is not None and same < _SETTLED and time.monotonic() < end:
        time.sleep(_SETTLING)
        now = in_use()
        same = same + 1 if now == last else 0
        last = now
    return last


def left_behind(
    in_use: Callable[[], InUse | None], before: InUse, placement: Placement
) -> tuple[InUse, list[MemoryFault]]:
    """The things in use when a program has ended, and those that it has left behind.

    The kernel frees some things later, and so they are waited for.

    :param in_use: looks at the guest; None where it cannot
    :param before: what was in use before the program
    """
    from pfnlab.lab.lens.in_use import left_behind

    end = time.monotonic() + _LIMIT
    while True:
        after = in_use() or before
        left = left_behind(before, after, placement.places.overlaps_device)
        faults = [MemoryFault(*fault) for fault in left]
        # Page tables are compared where there are as many address spaces as before.
        if (not faults and after.spaces == before.spaces) or time.monotonic() >= end:
            return after, faults
        time.sleep(_PAUSE)
