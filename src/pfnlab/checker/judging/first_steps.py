"""The first step in a run at which each event that leads to a known defect happens."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, pairwise, permutations
from types import UnionType

from pfnlab.checker.judging.history import History
from pfnlab.checker.judging.observed_spaces import PlaceIndex
from pfnlab.programs.lang import device_ops, ops
from pfnlab.programs.lang.process_ops import ProcessMadvise
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import HELD, WAITS, PteSeen, Step, VmaSeen, is_under_way, standings
from pfnlab.programs.runs.pte_text import RAM

#: Calls that remove entries but keep the VMA.
ZAPS = (
    device_ops.ZapVmaPtes
    | device_ops.UnmapMappingRange
    | device_ops.RequestMemRegion
    | device_ops.Bind
    | device_ops.Remove
    | device_ops.Unplug
    | device_ops.MemoryDisable
    | device_ops.D3
    | device_ops.VfioReset
)

#: Calls that copy a VMA, or read its flags and write them later.
_COPIES = (
    ops.Munmap
    | ops.Mmap
    | ops.Mremap
    | ops.Fork
    | ops.Mprotect
    | ops.PkeyMprotect
    | ops.Madvise
    | ProcessMadvise
    | ops.Mlock
    | ops.Munlock
)

#: The guest driver's methods that fill a whole mapping and reserve the pages it shows.
_RESERVING = ("remap", "bare", "fault_remap")


class FirstSteps:
    """The index of the first step with each event in a whole run; None if the event never happens.

    Each event is searched for only once, even if it explains several steps.
    """

    def __init__(self, program: ops.Program, steps: Sequence[Step]) -> None:
        self._ops, self._steps = program.ops, steps
        self._kinds = {device.name: device.kind for device in program.devices}
        self._leaves: dict[int, int | None] = {}

    @cached_property
    def left_out(self) -> int | None:
        """The program makes the kernel skip a call."""
        return _first(at for at, op in enumerate(self._ops) if op.skip is not None)

    @cached_property
    def driver(self) -> int | None:
        """The guest driver is asked to do anything."""
        return _first(
            at
            for at, op in enumerate(self._ops)
            if isinstance(op.call, device_ops.DriverCall)
            or (isinstance(op.call, ops.Mmap) and op.call.driver is not None)
        )

    @cached_property
    def unreserved(self) -> int | None:
        """The guest driver fills all or part of a mapping without reserving it."""
        return _first(
            at
            for at, call in self._made()
            if isinstance(call, device_ops.RemapPfnRange)
            or (isinstance(call, ops.Mmap) and call.driver is not None and call.driver.how not in _RESERVING)
        )

    @cached_property
    def named(self) -> dict[str, int]:
        """The first operation that names each kind of device, including ordinary memory (``ram``)."""
        found: dict[str, int] = {}
        for at, op in enumerate(self._ops):
            for name in names_in(op.call):
                found.setdefault(self._kinds.get(name, name), at)
        return found

    @cached_property
    def vfio(self) -> int | None:
        """Something is mapped through vfio-pci."""
        return _first(at for at, call in self._made() if isinstance(call, ops.Mmap) and call.via == "vfio")

    @cached_property
    def moved(self) -> int | None:
        """mremap moves something."""
        return _first(at for at, call in self._made() if isinstance(call, ops.Mremap))

    @cached_property
    def forked(self) -> int | None:
        """A task is forked."""
        return _first(at for at, call in self._made() if isinstance(call, ops.Fork))

    @cached_property
    def fork_failed(self) -> int | None:
        """A fork fails."""
        return _first(
            at
            for at, (op, step) in enumerate(self._done())
            if isinstance(op.call, ops.Fork) and step.result not in ("ok", HELD, WAITS)
        )

    @cached_property
    def cut(self) -> int | None:
        """A VMA that maps a device is split or shortened, as far as observed."""
        seen = ((at, step.vmas) for at, step in enumerate(self._steps) if step.vmas is not None)
        places = (at for (_, before), (at, after) in pairwise(seen) if _was_cut(before, after))
        return min(chain(places, self._shrunk_elsewhere()), default=None)

    def _shrunk_elsewhere(self) -> Iterator[int]:
        # The pages cut off at its end are no longer mapped.
        for at, call in self._made():
            if isinstance(call, ops.Mremap) and call.pages < call.span.pages:
                before = (self._steps[at - 1].vmas if at else None) or ()
                if any("pf" in vma.flags.split() and vma.span.meets(call.span) for vma in before):
                    yield at

    @cached_property
    def zapped(self) -> int | None:
        """Entries are removed from a VMA that stays."""
        return _first(
            at
            for at, call in self._made()
            if isinstance(call, ZAPS) and (at == 0 or lost_entries(self._steps[at - 1], self._steps[at]))
        )

    @cached_property
    def zapped_beside_change(self) -> int | None:
        """Entries may be removed from a VMA after another call has copied it or read its flags."""
        return self._side_by_side(ZAPS, _COPIES)

    @cached_property
    def zapped_beside_zap(self) -> int | None:
        """Two calls may remove entries from one VMA at the same time."""
        return self._side_by_side(ZAPS, ZAPS)

    def _side_by_side(self, one: UnionType, other: UnionType) -> int | None:
        """The first release while one call of each of these kinds was in progress."""
        open_calls: list[ops.Call] = []
        for at, call in self._made():
            if isinstance(call, ops.Release):
                pairs = permutations(open_calls, 2)
                if any(isinstance(left, one) and isinstance(right, other) for left, right in pairs):
                    return at
                if not any(map(is_under_way, standings(self._steps[at]).values())):
                    open_calls.clear()
            if self._steps[at].result in (HELD, WAITS):
                open_calls.append(call)
        return None

    @cached_property
    def refilled(self) -> int | None:
        """Memory is reached after a zap."""
        zap = _first(at for at, call in self._made() if isinstance(call, ZAPS))
        if zap is None:
            return None
        return _first(at for at, call in self._made() if isinstance(call, ops.Read | ops.Write) and at > zap)

    @cached_property
    def copied_first(self) -> int | None:
        """The first page of a private device mapping is observed to be a copy."""
        return _first(at for at, step in enumerate(self._steps) if _copied_first(step))

    def leaf(self, level: int) -> int | None:
        """A leaf at *level* (3: 1 GiB) is observed."""
        if level not in self._leaves:
            self._leaves[level] = _first(
                at
                for at, step in enumerate(self._steps)
                for run in step.ptes or ()
                if run.table_entry.maps and run.table_entry.level == level
            )
        return self._leaves[level]

    @cached_property
    def freed_part(self) -> int | None:
        """A driver frees part of a range that it reserved for itself."""
        return _first(at for at, mine in self._frees if mine)

    @cached_property
    def freed_foreign(self) -> int | None:
        """A driver frees a range that it did not reserve."""
        return _first(at for at, mine in self._frees if not mine)

    @cached_property
    def took_foreign(self) -> int | None:
        """A driver frees a range that it did not reserve, and the book lost an entry or was not observed."""
        return _first(
            at
            for at, mine in self._frees
            if not mine and (at == 0 or _lost_entry(self._steps[at - 1], self._steps[self._ended(at)]))
        )

    def _ended(self, at: int) -> int:
        # The step in which an operation ends: if it was held or had to wait, its release.
        if self._steps[at].result not in (HELD, WAITS):
            return at
        task = self._ops[at].task
        for later in range(at + 1, min(len(self._ops), len(self._steps))):
            result = standings(self._steps[later]).get(task, "")
            if isinstance(self._ops[later].call, ops.Release) and result and not is_under_way(result):
                return later
        return min(at, len(self._steps) - 1)

    @cached_property
    def _frees(self) -> list[tuple[int, bool]]:
        """Every free of a range the driver had not reserved, with True if it had reserved a larger one."""
        history = History()
        frees = []
        for at, (op, step) in enumerate(self._done()):
            call, booked = op.call, history.booked
            if isinstance(call, device_ops.ArchIoFreeMemtypeWc) and call.span not in booked:
                frees.append((at, any(span.contains(call.span) for span in booked)))
            history.follow(op, step, self._steps[at - 1 : at + 1] if at else ())
        return frees

    def _made(self) -> Iterator[tuple[int, ops.Call]]:
        """The operations that were not refused, with their indices."""
        for at, (op, step) in enumerate(self._done()):
            if step.result in ("ok", HELD, WAITS):
                yield at, op.call

    def _done(self) -> Iterator[tuple[ops.Op, Step]]:
        return zip(self._ops, self._steps, strict=False)


def _first(found: Iterable[int]) -> int | None:
    return next(iter(found), None)


def names_in(call: ops.Call) -> set[str]:
    """The areas and devices named in an operation."""
    spans = (getattr(call, field, None) for field in ("span", "source"))
    device = getattr(call, "device", None)
    return {span.name for span in spans if isinstance(span, Span)} | ({device} if device else set())


def _lost_entry(before: Step, after: Step) -> bool:
    """True if the book has lost an entry, or was not observed."""
    return before.book is None or after.book is None or before.book != after.book


def lost_entries(before: Step, after: Step) -> bool:
    """True if a VMA is as long as before and has fewer entries, or if it was not observed."""
    if None in (before.vmas, before.ptes, after.vmas, after.ptes):
        return True
    stayed = {(vma.task, vma.span) for vma in after.vmas or ()}
    ptes = [_mapped(step) for step in (before, after)]
    return any(
        _pages(ptes[0], vma) > _pages(ptes[1], vma)
        for vma in before.vmas or ()
        if (vma.task, vma.span) in stayed
    )


def _mapped(step: Step) -> PlaceIndex[PteSeen]:
    return PlaceIndex(run for run in step.ptes or () if run.table_entry.maps)


def _pages(ptes: PlaceIndex[PteSeen], vma: VmaSeen) -> int:
    return sum(
        min(run.span.end, vma.span.end) - max(run.span.start, vma.span.start)
        for run in ptes.overlapping(vma.task, vma.span)
    )


def _was_cut(before: Sequence[VmaSeen], after: Sequence[VmaSeen]) -> bool:
    now = PlaceIndex(after)
    return any(
        old.span.contains(new.span) and new.span != old.span
        for old in before
        if "pf" in old.flags.split()
        for new in now.overlapping(old.task, old.span)
    )


def _copied_first(step: Step) -> bool:
    firsts = [
        (vma.task, Span(vma.area, vma.start, vma.start + 1))
        for vma in step.vmas or ()
        if "pf" in vma.flags.split() and vma.perms.endswith("p")
    ]
    # A run of copies may begin in the preceding mapping.
    copies = [run for run in step.ptes or () if run.target == RAM] if firsts else []
    return any(run.task == task and run.span.meets(first) for task, first in firsts for run in copies)
