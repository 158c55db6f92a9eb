"""The interface for user-defined designs: everything a policy file may ``from pfnlab.design import ...``.

Inner paths may change; this module only gains names. ``docs/own-policy.md`` explains how to use it.
"""

from pfnlab.base.errors import ModelledErrno, Undecided
from pfnlab.base.units import PAGE_SIZE, PfnRange, pfn_to_phys, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import EntryRun, Page
from pfnlab.kernel.hw.spans import SpanSet
from pfnlab.kernel.mm.flags import VM_IO, VM_MIXEDMAP, VM_PAT, VM_PFNMAP, is_cow_mapping
from pfnlab.kernel.mm.freed_in_vain import FreedInVain
from pfnlab.kernel.mm.gather import FlushPlacement, MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.memtype import MemtypeBook
from pfnlab.kernel.mm.pfnmap import lookup_prot, pfnmap_is_tracked, pfnmap_track, pfnmap_untrack
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.mm.remap import vm_flags_set
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.tracker import Tracked, Tracker
from pfnlab.kernel.mm.vma import MappedFile, Vma
from pfnlab.kernel.mm.walk_policy import WalkerPolicy
from pfnlab.kernel.policies.flushes.any_vma import AnyVma
from pfnlab.kernel.policies.flushes.end_vma import EndVma
from pfnlab.kernel.policies.flushes.first_vma import FirstVma
from pfnlab.kernel.policies.flushes.force_respin_a import ForceRespinA
from pfnlab.kernel.policies.flushes.force_respin_b import ForceRespinB
from pfnlab.kernel.policies.flushes.force_v1 import ForceV1
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.flushes.fullmm import FullMm
from pfnlab.kernel.policies.flushes.gather_draft import GatherDraft
from pfnlab.kernel.policies.flushes.gather_v1 import GatherV1
from pfnlab.kernel.policies.flushes.gather_v2 import GatherV2
from pfnlab.kernel.policies.flushes.gather_v2_junk import GatherV2Junk
from pfnlab.kernel.policies.flushes.gather_v3 import GatherV3
from pfnlab.kernel.policies.flushes.gather_v4 import GatherV4
from pfnlab.kernel.policies.flushes.gather_v5 import GatherV5
from pfnlab.kernel.policies.reports.pr_err import PrErr
from pfnlab.kernel.policies.reports.pr_info import PrInfo
from pfnlab.kernel.policies.reports.warn_on_once import WarnOnOnce
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
from pfnlab.kernel.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly
from pfnlab.kernel.policies.trackers.untracked import Untracked
from pfnlab.kernel.policies.trackers.vm_pat import VmPat
from pfnlab.kernel.policies.trackers.vm_pgoff import VmPgoff
from pfnlab.kernel.policies.trackers.whole_leaf import WholeLeaf
from pfnlab.kernel.policies.walkers.early_refusal import EarlyRefusal
from pfnlab.kernel.policies.walkers.page_test_skip import PageTestSkip
from pfnlab.kernel.policies.walkers.special_bits import SpecialBits

__all__ = [
    "PAGE_SIZE",
    "VM_IO",
    "VM_MIXEDMAP",
    "VM_PAT",
    "VM_PFNMAP",
    "AnyVma",
    "BasePfn",
    "CacheMode",
    "CallerManaged",
    "CtxAdjust",
    "DriverHook",
    "EarlyRefusal",
    "EndVma",
    "EntryRun",
    "Exact",
    "FirstVma",
    "FlushPlacement",
    "ForceRespinA",
    "ForceRespinB",
    "ForceV1",
    "FreeVmas",
    "FreedInVain",
    "FullMm",
    "GatherDraft",
    "GatherV1",
    "GatherV2",
    "GatherV2Junk",
    "GatherV3",
    "GatherV4",
    "GatherV5",
    "Kernel",
    "LockedUntrack",
    "MappedFile",
    "MemtypeBook",
    "MmStruct",
    "MmuGather",
    "ModelledErrno",
    "Need",
    "NoCow",
    "NoForcedFlush",
    "NoPartial",
    "Page",
    "PageTestSkip",
    "PerVma",
    "PfnRange",
    "PfnmapTrackCtx",
    "PrErr",
    "PrInfo",
    "RemapAgain",
    "RwLock",
    "SpanSet",
    "SpecialBits",
    "SplitCtx",
    "Task",
    "TrackCtx",
    "Tracked",
    "Tracker",
    "Undecided",
    "UnmapOnly",
    "Untracked",
    "VmPat",
    "VmPgoff",
    "Vma",
    "WalkerPolicy",
    "WarnOnOnce",
    "WholeLeaf",
    "is_cow_mapping",
    "is_pfn_vma",
    "lookup_prot",
    "pfn_to_phys",
    "pfnmap_is_tracked",
    "pfnmap_track",
    "pfnmap_untrack",
    "phys_to_pfn",
    "vm_flags_set",
]
