"""The trackers: who remembers which pfns a mapping reserved. One module a policy, sorted by name."""

from __future__ import annotations

from pfnlab.mm.tracker import TrackerPolicy
from pfnlab.policies.trackers.base_pfn import BasePfn
from pfnlab.policies.trackers.caller_managed import CallerManaged
from pfnlab.policies.trackers.ctx_adjust import CtxAdjust
from pfnlab.policies.trackers.driver_hook import DriverHook
from pfnlab.policies.trackers.exact import Exact
from pfnlab.policies.trackers.no_cow import NoCow
from pfnlab.policies.trackers.no_partial import NoPartial
from pfnlab.policies.trackers.per_vma import PerVma
from pfnlab.policies.trackers.remap_again import RemapAgain
from pfnlab.policies.trackers.split_ctx import SplitCtx
from pfnlab.policies.trackers.track_ctx import TrackCtx
from pfnlab.policies.trackers.unmap_only import UnmapOnly
from pfnlab.policies.trackers.untracked import Untracked
from pfnlab.policies.trackers.vm_pat import VmPat

TRACKERS: dict[str, TrackerPolicy] = {
    "base_pfn": BasePfn,
    "caller_managed": CallerManaged,
    "ctx_adjust": CtxAdjust,
    "driver_hook": DriverHook,
    "exact": Exact,
    "no_cow": NoCow,
    "no_partial": NoPartial,
    "per_vma": PerVma,
    "remap_again": RemapAgain,
    "split_ctx": SplitCtx,
    "track_ctx": TrackCtx,
    "unmap_only": UnmapOnly,
    "untracked": Untracked,
    "vm_pat": VmPat,
}
