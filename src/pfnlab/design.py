"""The one door for designs of your own: all that a policy file needs, by ``from pfnlab.design import ...``.

Inner paths may change; this one only grows. ``docs/own-policy.md`` shows what to write with it.
"""

from __future__ import annotations

from pfnlab.errors import ModelledErrno, Undecided
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.pgtable import EntryRun, Page
from pfnlab.hw.spans import SpanSet
from pfnlab.mm.flags import VM_IO, VM_MIXEDMAP, VM_PAT, VM_PFNMAP, is_cow_mapping
from pfnlab.mm.freed_in_vain import FreedInVain
from pfnlab.mm.gather import FlushPlacement, MmuGather, NoForcedFlush, is_pfn_vma
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.locks import RwLock
from pfnlab.mm.memtype import MemtypeBook
from pfnlab.mm.pfnmap import lookup_prot, pfnmap_is_tracked, pfnmap_track, pfnmap_untrack
from pfnlab.mm.processors import Need
from pfnlab.mm.remap import vm_flags_set
from pfnlab.mm.space import MmStruct
from pfnlab.mm.tracker import Tracked, Tracker
from pfnlab.mm.vma import MappedFile, Vma
from pfnlab.mm.walk_policy import WalkerPolicy
from pfnlab.policies.flushes.end_vma import EndVma
from pfnlab.policies.flushes.first_vma import FirstVma
from pfnlab.policies.flushes.free_vmas import FreeVmas
from pfnlab.policies.flushes.fullmm import FullMm
from pfnlab.policies.flushes.in_loop import InLoop
from pfnlab.policies.flushes.outside_loop import OutsideLoop
from pfnlab.policies.reports.pr_err import PrErr
from pfnlab.policies.reports.pr_info import PrInfo
from pfnlab.policies.reports.warn_on_once import WarnOnOnce
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
from pfnlab.policies.trackers.track_ctx import PfnmapTrackCtx, TrackCtx
from pfnlab.policies.trackers.unmap_only import UnmapOnly
from pfnlab.policies.trackers.untracked import Untracked
from pfnlab.policies.trackers.vm_pat import VmPat
from pfnlab.policies.walkers.early_refusal import EarlyRefusal
from pfnlab.policies.walkers.page_test_skip import PageTestSkip
from pfnlab.policies.walkers.special_bits import SpecialBits
from pfnlab.units import PAGE_SIZE, PfnRange, pfn_to_phys, phys_to_pfn

__all__ = [
    "PAGE_SIZE",
    "VM_IO",
    "VM_MIXEDMAP",
    "VM_PAT",
    "VM_PFNMAP",
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
    "FreeVmas",
    "FreedInVain",
    "FullMm",
    "InLoop",
    "Kernel",
    "MappedFile",
    "MemtypeBook",
    "MmStruct",
    "MmuGather",
    "ModelledErrno",
    "Need",
    "NoCow",
    "NoForcedFlush",
    "NoPartial",
    "OutsideLoop",
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
    "Vma",
    "WalkerPolicy",
    "WarnOnOnce",
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
