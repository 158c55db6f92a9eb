"""Causes: what happened in a run until one of its steps, as far as known defects follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

from pfnlab.judging.by_place import ByPlace
from pfnlab.judging.history import History
from pfnlab.mm.profile import Profile
from pfnlab.policies.releases import series_key
from pfnlab.policies.trackers import TRACKERS
from pfnlab.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang.device_ops import (
    D3,
    ArchIoFreeMemtypeWc,
    Bind,
    DriverCall,
    MemoryDisable,
    Remove,
    RequestMemRegion,
    UnmapMappingRange,
    Unplug,
    VfioReset,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import (
    Call,
    DeviceKind,
    Fork,
    Madvise,
    Mlock,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Munlock,
    Munmap,
    Op,
    Program,
    Read,
    Write,
)
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.observation import HELD, WAITS, PteSeen, Step, VmaSeen
from pfnlab.programs.runs.pte_text import RAM

#: Calls that take entries away and leave the VMA.
_ZAPS = (
    ZapVmaPtes
    | UnmapMappingRange
    | RequestMemRegion
    | Bind
    | Remove
    | Unplug
    | MemoryDisable
    | D3
    | VfioReset
)

#: Calls that may cut a VMA, where nobody looked at VMAs.
_CUTS = Munmap | Mprotect | Mremap | Madvise | Mlock | Munlock | Mseal


class Causes:
    """
    The events until a step, that step among them.

    :param steps: of the run, from the first; later ones are not looked at
    :param step: index; after the last operation stands the end
    :param profile: the rules of the machine; None where they are unknown
    """

    def __init__(self, program: Program, steps: Sequence[Step], step: int, profile: Profile | None) -> None:
        self._program, self._profile = program, profile
        self._steps = steps[: step + 1]
        self._ops = program.ops[: step + 1]
        self._at = step

    @property
    def left_out(self) -> bool:
        """True where the program made the kernel leave a call out."""
        return any(op.skip is not None for op in self._ops)

    @property
    def now(self) -> str:
        """The word of the operation in a program; of a walk its walker."""
        return word_of(self._program.ops[self._at].call) if self._at < len(self._program.ops) else END

    @property
    def op(self) -> Op | None:
        """The operation; None for the end."""
        return self._program.ops[self._at] if self._at < len(self._program.ops) else None

    def has(self, switch: str) -> bool:
        """True where the machine is known to have *switch* on."""
        return self._profile is not None and bool(getattr(self._profile, switch))

    def lacks(self, switch: str) -> bool:
        """True where the machine is known to have *switch* off."""
        return self._profile is not None and not getattr(self._profile, switch)

    def tracker(self, *names: str) -> bool:
        """True where the machine is known to have one of these trackers."""
        return self._profile is not None and self._profile.tracker in names

    @property
    def counts(self) -> bool:
        """True where the machine is known to count the users of a range, as contexts do."""
        tracker = TRACKERS.get(self._profile.tracker) if self._profile is not None else None
        return isinstance(tracker, type) and issubclass(tracker, TrackCtx)

    def within(self, since: str, until: str) -> bool:
        """True where the machine is known to be of series *since* or a later one, and before *until*."""
        if self._profile is None:
            return False
        return series_key(since) <= series_key(self._profile.series) < series_key(until)

    def device(self, kind: DeviceKind) -> bool:
        """True where the program has a device of this kind."""
        return any(device.kind == kind for device in self._program.devices)

    def done(self, *words: str) -> bool:
        """True where one of these operations is under way or was done."""
        return any(word_of(op.call) in words for op in self._ops)

    @property
    def driver(self) -> bool:
        """True where the guest driver was asked for something."""
        return any(
            isinstance(op.call, DriverCall) or (isinstance(op.call, Mmap) and op.call.driver is not None)
            for op in self._ops
        )

    @property
    def remaps_at_fault(self) -> bool:
        """True where a fault handler calls remap_pfn_range: the driver's, or vfio-pci's until 6.9."""
        made = any(
            isinstance(op.call, Mmap) and op.call.driver is not None and op.call.driver.how == "fault_remap"
            for op in self._ops
        )
        return made or (self.vfio and self.has("vfio_remaps"))

    @property
    def vfio(self) -> bool:
        """True where something was mapped through vfio-pci."""
        return any(isinstance(call, Mmap) and call.via == "vfio" for _, call in self._made())

    @cached_property
    def cut(self) -> bool:
        """True where a VMA that maps a device was cut: in pieces, or shorter."""
        return any(self._cuts())

    @property
    def moved(self) -> bool:
        """True where mremap has moved something."""
        return any(isinstance(call, Mremap) for _, call in self._made())

    @property
    def dontunmap(self) -> bool:
        """True where this step is an mremap that leaves the old place mapped."""
        return self.op is not None and isinstance(self.op.call, Mremap) and self.op.call.dontunmap

    @property
    def forked(self) -> bool:
        """True where a task was forked."""
        return any(isinstance(call, Fork) for _, call in self._made())

    @property
    def zapped(self) -> bool:
        """True where entries were taken out of a VMA that stayed."""
        return any(
            isinstance(call, _ZAPS) and (at == 0 or lost_entries(self._steps[at - 1], self._steps[at]))
            for at, call in self._made()
        )

    @property
    def refilled(self) -> bool:
        """True where memory was reached after a zap."""
        zaps = [at for at, call in self._made() if isinstance(call, _ZAPS)]
        return any(isinstance(call, Read | Write) and zaps and at > zaps[0] for at, call in self._made())

    @property
    def copied_first(self) -> bool:
        """True where the first page of a private mapping of a device was seen to be a copy."""
        return any(map(_copied_first, self._steps))

    @property
    def fork_failed(self) -> bool:
        """True where a fork failed."""
        return any(
            isinstance(op.call, Fork) and step.result not in ("ok", HELD, WAITS)
            for op, step in zip(self._ops, self._steps, strict=False)
        )

    @property
    def remap_failed(self) -> bool:
        """True where a mapping failed in this step that was to be made to fail."""
        op = self.op
        return op is not None and op.fail is not None and self._steps[-1].result != "ok"

    def had_leaf(self, level: int) -> bool:
        """True where a leaf of *level* (3: 1 GiB) was seen before this step."""
        return any(
            run.table_entry.maps and run.table_entry.level == level
            for step in self._steps[:-1]
            for run in step.ptes or ()
        )

    @property
    def freed_part(self) -> bool:
        """True where a driver gave a part back of what it had booked for itself."""
        return any(mine for mine in self._frees())

    @property
    def freed_foreign(self) -> bool:
        """True where a driver freed what it had not booked."""
        return any(not mine for mine in self._frees())

    def _frees(self) -> Iterator[bool]:
        """Of every free of a range that the driver had not booked as such: whether it had booked more."""
        history = History()
        for at, op in enumerate(self._ops[: len(self._steps)]):
            call, booked = op.call, history.booked
            if isinstance(call, ArchIoFreeMemtypeWc) and call.span not in booked:
                yield any(span.contains(call.span) for span in booked)
            if self._steps[at].result == "ok":
                history.done(call, op.task, self._steps[at - 1 : at + 1] if at else ())

    def _made(self) -> Iterator[tuple[int, Call]]:
        """The operations that were not refused, with their places."""
        for at, (op, step) in enumerate(zip(self._ops, self._steps, strict=False)):
            if step.result in ("ok", HELD, WAITS):
                yield at, op.call

    def _cuts(self) -> Iterator[bool]:
        seen = [step for step in self._steps if step.vmas is not None]
        for before, after in pairwise(seen):
            yield _was_cut(before.vmas or (), after.vmas or ())
        if len(seen) < len(self._steps):
            sizes = dict(self._sizes())
            for _, call in self._made():
                if isinstance(call, _CUTS):
                    yield call.span.end - call.span.start < sizes.get(call.span.name, 0)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        """The areas that were mapped, with their pages."""
        for _, call in self._made():
            if isinstance(call, Mmap) and call.name is not None:
                yield call.name, call.source.end - call.source.start


def word_of(call: Call) -> str:
    """The word of an operation in a program; of a walk its walker."""
    return call.walker if isinstance(call, Walk) else str(type(call).__struct_config__.tag)


def lost_entries(before: Step, after: Step) -> bool:
    """True where a VMA is as long as before and has fewer entries, or where nobody looked."""
    if None in (before.vmas, before.ptes, after.vmas, after.ptes):
        return True
    stayed = {(vma.task, vma.span) for vma in after.vmas or ()}
    ptes = [_mapped(step) for step in (before, after)]
    return any(
        _pages(ptes[0], vma) > _pages(ptes[1], vma)
        for vma in before.vmas or ()
        if (vma.task, vma.span) in stayed
    )


def _mapped(step: Step) -> ByPlace[PteSeen]:
    return ByPlace(run for run in step.ptes or () if run.table_entry.maps)


def _pages(ptes: ByPlace[PteSeen], vma: VmaSeen) -> int:
    return sum(
        min(run.span.end, vma.span.end) - max(run.span.start, vma.span.start)
        for run in ptes.overlapping(vma.task, vma.span)
    )


def _was_cut(before: Sequence[VmaSeen], after: Sequence[VmaSeen]) -> bool:
    now = ByPlace(after)
    return any(
        old.span.contains(new.span) and new.span != old.span
        for old in before
        if "pf" in old.flags.split()
        for new in now.overlapping(old.task, old.span)
    )


def _copied_first(step: Step) -> bool:
    firsts = {
        (vma.task, vma.span.name, vma.span.start)
        for vma in step.vmas or ()
        if "pf" in vma.flags.split() and vma.perms.endswith("p")
    }
    return any(
        run.target == RAM and (run.task, run.span.name, run.span.start) in firsts for run in step.ptes or ()
    )
