"""Trackers: policies that record which pfns a mapping has reserved. One module per policy, sorted by name."""

from pfnlab.kernel.mm.tracker import TrackerPolicy
from pfnlab.kernel.policies.trackers.base_pfn import BasePfn
from pfnlab.kernel.policies.trackers.caller_managed import CallerManaged
from pfnlab.kernel.policies.trackers.ctx_adjust import CtxAdjust
from pfnlab.kernel.policies.trackers.driver_hook import DriverHook
from pfnlab.kernel.policies.trackers.exact import Exact
from pfnlab.kernel.policies.trackers.locked_untrack import LockedUntrack
from pfnlab.kernel.policies.trackers.no_cow import NoCow
from pfnlab.kernel.policies.trackers.no_partial import NoPartial
from pfnlab.kernel.policies.trackers.per_vma import PerVma
from pfnlab.kernel.policies.trackers.remap_again import RemapAgain
from pfnlab.kernel.policies.trackers.split_ctx import SplitCtx
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly
from pfnlab.kernel.policies.trackers.untracked import Untracked
from pfnlab.kernel.policies.trackers.vm_pat import VmPat
from pfnlab.kernel.policies.trackers.vm_pgoff import VmPgoff
from pfnlab.kernel.policies.trackers.whole_leaf import WholeLeaf

TRACKERS: dict[str, TrackerPolicy] = {
    "base_pfn": BasePfn,
    "caller_managed": CallerManaged,
    "ctx_adjust": CtxAdjust,
    "driver_hook": DriverHook,
    "exact": Exact,
    "locked_untrack": LockedUntrack,
    "no_cow": NoCow,
    "no_partial": NoPartial,
    "per_vma": PerVma,
    "remap_again": RemapAgain,
    "split_ctx": SplitCtx,
    "track_ctx": TrackCtx,
    "unmap_only": UnmapOnly,
    "untracked": Untracked,
    "vm_pat": VmPat,
    "vm_pgoff": VmPgoff,
    "whole_leaf": WholeLeaf,
}
