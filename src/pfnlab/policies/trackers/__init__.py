"""The trackers: who remembers which pfns a mapping reserved. One module a policy, sorted by name."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.mm.kernel import Kernel
from pfnlab.mm.tracker import Tracker
from pfnlab.policies.trackers.track_ctx import TrackCtx
from pfnlab.policies.trackers.vm_pat import VmPat

TRACKERS: dict[str, Callable[[Kernel], Tracker]] = {
    "track_ctx": TrackCtx,
    "vm_pat": VmPat,
}
