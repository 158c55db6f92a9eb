"""Causes: the events in a run, up to one of its steps, that can lead to known defects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from pfnlab.checker.judging.claimed_pages import ClaimedPages
from pfnlab.checker.judging.first_steps import ZAPS, FirstSteps, names_in
from pfnlab.checker.judging.observed_spaces import PlaceIndex, entries_in
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.releases import series_key
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.device_ops import OWN_PAGES
from pfnlab.programs.lang.process_ops import ProcessMadvise
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Walk
from pfnlab.programs.model.model_machine import END
from pfnlab.programs.runs.observation import HELD, WAITS, Step, VmaSeen, is_under_way, standings
from pfnlab.programs.runs.pte_text import RAM

#: Calls that may split a VMA, for runs without VMA observations.
_CUTS = (
    ops.Munmap
    | ops.Mprotect
    | ops.Madvise
    | ProcessMadvise
    | ops.Mlock
    | ops.Munlock
    | ops.Mseal
    | ops.Mbind
    | ops.PkeyMprotect
    | ops.RemapFilePages
)

#: Calls that may unmap whole VMAs; an mmap over existing mappings may, too.
_UNMAPS = ops.Munmap | ops.Mremap | ops.RemapFilePages | ops.Exit | ops.Kill | ops.Exec


class _EventTest:
    """True if the :class:`FirstSteps` event with the attribute's name happened at or before the step."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, causes: Causes, owner: type) -> bool:
        return causes._since(getattr(causes._first, self._name))


class Causes:
    """The events up to and including a step.

    :param steps: the steps in the run, from the first; those after *step* have no effect
    :param step: the index of the step; the end of the program counts as a step after the last operation
    :param profile: the rules of the machine; None if unknown
    :param first: the first occurrence of each event in the run, shared by the causes of several steps
    """

    left_out = _EventTest()
    unreserved = _EventTest()
    driver = _EventTest()
    vfio = _EventTest()
    moved = _EventTest()
    forked = _EventTest()
    zapped = _EventTest()
    zapped_beside_change = _EventTest()
    zapped_beside_zap = _EventTest()
    refilled = _EventTest()
    fork_failed = _EventTest()
    freed_part = _EventTest()
    freed_foreign = _EventTest()
    took_foreign = _EventTest()
    copied_first = _EventTest()

    def __init__(
        self,
        program: ops.Program,
        steps: Sequence[Step],
        step: int,
        profile: Profile | None,
        first: FirstSteps | None = None,
    ) -> None:
        self._program, self._profile = program, profile
        self._first = FirstSteps(program, steps) if first is None else first
        self._steps = steps[: step + 1]
        self._ops = program.ops[: step + 1]
        self._at = step

    @property
    def unflushed(self) -> bool:
        """True if an operation that removes mappings is in progress."""
        calls: dict[str, ops.Call] = {}
        for op, step in zip(self._ops, self._steps, strict=False):
            if step.result in (HELD, WAITS):
                calls[op.task] = op.call
            elif isinstance(op.call, ops.Release):
                standing = standings(step)
                calls = {task: call for task, call in calls.items() if is_under_way(standing.get(task, ""))}
        return any(
            isinstance(call, _UNMAPS | ZAPS) or (isinstance(call, ops.Mmap) and call.over is not None)
            for call in calls.values()
        )

    @property
    def now(self) -> str:
        """The operation's keyword in programs; for a walk, the walker."""
        return word_of(self._program.ops[self._at].call) if self._at < len(self._program.ops) else END

    @property
    def op(self) -> ops.Op | None:
        """The operation; None at the end of the program."""
        return self._program.ops[self._at] if self._at < len(self._program.ops) else None

    def has(self, switch: str) -> bool:
        """True if the machine is known to have *switch* on."""
        return self._profile is not None and bool(getattr(self._profile, switch))

    def lacks(self, switch: str) -> bool:
        """True if the machine is known to have *switch* off."""
        return self._profile is not None and not getattr(self._profile, switch)

    def tracker(self, *names: str) -> bool:
        """True if the machine is known to have one of these trackers."""
        return self._profile is not None and self._profile.tracker in names

    @property
    def counts(self) -> bool:
        """True if the machine is known to count the users of each range, as contexts do."""
        tracker = TRACKERS.get(self._profile.tracker) if self._profile is not None else None
        return isinstance(tracker, type) and issubclass(tracker, TrackCtx)

    def within(self, since: str, until: str) -> bool:
        """True if the machine is known to be in series *since* or later, and before *until*."""
        if self._profile is None:
            return False
        return series_key(since) <= series_key(self._profile.series) < series_key(until)

    def device(self, kind: ops.DeviceKind) -> bool:
        """True if an operation has named a device of this kind."""
        return self._since(self._first.named.get(kind))

    @property
    def ram(self) -> bool:
        """True if an operation has named memory that is or may be RAM."""
        return any(self._since(self._first.named.get(kind)) for kind in ("lowmem", "isa", "ram"))

    @property
    def on_ram(self) -> bool:
        """True if this step's operation names memory that is or may be RAM."""
        kinds = {device.name: str(device.kind) for device in self._program.devices}
        named = names_in(self.op.call) if self.op is not None else set()
        return any(kinds.get(name, name) in ("lowmem", "isa", "ram") for name in named)

    def maps_device(self, *files: str) -> bool:
        """True if a VMA of one of these files, under their names in observations, shows device pages."""
        step = self._steps[-1]
        ptes = PlaceIndex(step.ptes or ())
        return any(
            entry.entry.maps and entry.target not in (None, RAM)
            for vma in step.vmas or ()
            if vma.file in files
            for entry in entries_in(vma, ptes)
        )

    @cached_property
    def claimed(self) -> ClaimedPages:
        """The pages that a driver has claimed but others still have reserved."""
        return ClaimedPages(self._ops, self._steps)

    def done(self, *words: str) -> bool:
        """True if one of these operations is in progress or has finished."""
        return any(word_of(op.call) in words for op in self._ops)

    @property
    def remaps_at_fault(self) -> bool:
        """True if a fault handler calls remap_pfn_range: the driver's, or vfio-pci's before 6.9."""
        made = any(
            isinstance(op.call, ops.Mmap)
            and op.call.driver is not None
            and op.call.driver.how == "fault_remap"
            for op in self._ops
        )
        return made or (self.vfio and self.has("vfio_remaps"))

    @property
    def own_pages(self) -> bool:
        """True if the guest driver was asked to map its own pages as ordinary pages."""
        return any(
            isinstance(op.call, ops.Mmap) and op.call.driver is not None and op.call.driver.how in OWN_PAGES
            for op in self._ops
        )

    @cached_property
    def cut(self) -> bool:
        """True if a VMA that maps a device was split or shortened."""
        return self._since(self._first.cut) or self._cut_unseen()

    @property
    def left_mapped(self) -> bool:
        """True if an mremap has left the old range mapped."""
        return any(isinstance(call, ops.Mremap) and call.dontunmap for _, call in self._made())

    @property
    def shrank_elsewhere(self) -> bool:
        """True if an mremap to a given address made a mapping smaller."""
        return any(
            isinstance(op.call, ops.Mremap) and op.call.fixed and op.call.span.pages > op.call.pages
            for op in self._ops
        )

    @property
    def left_uncut(self) -> bool:
        """True if an mremap left the old mapping because it could not split and unmap it (S5.8.15)."""
        return any(
            isinstance(op.call, ops.Mremap)
            and not op.call.dontunmap
            and op.fail is not None
            and op.fail.function == "vm_area_dup"
            and step.result == "ok"
            and (step.vmas is None or any(_overlap(vma, op) for vma in step.vmas))
            for op, step in zip(self._ops, self._steps, strict=False)
        )

    @property
    def grew_in_vain(self) -> bool:
        """True if an mremap was meant to enlarge a mapping with one of its page-table allocations made to
        fail.
        """
        return any(
            isinstance(op.call, ops.Mremap)
            and op.call.pages > op.call.span.pages
            and op.fail is not None
            and op.fail.function == "__pte_alloc"
            for op in self._ops
        )

    @property
    def failed_over(self) -> bool:
        """True if a private writable mapping that was to replace another failed."""
        return any(call.over is not None for call in self._refused_memory())

    @property
    def refused_devmem(self) -> bool:
        """True if a private writable mapping of /dev/mem failed."""
        return any(call.via in ("devmem", "devmem-sync") for call in self._refused_memory())

    def _refused_memory(self) -> Iterator[ops.Mmap]:
        """The failed private writable mappings, for which memory would have been committed."""
        for op, step in zip(self._ops, self._steps, strict=False):
            call, failed = op.call, step.result not in ("ok", HELD, WAITS)
            if failed and isinstance(call, ops.Mmap) and not call.shared and "w" in call.prot:
                yield call

    @property
    def zaps(self) -> bool:
        """True if this step may have removed entries from a VMA that stayed: the operation itself does, it
        releases others, or the state before it was not observed.
        """
        looked = self._at > 0 and self._steps[self._at - 1].vmas is not None
        asks = self.op is not None and isinstance(self.op.call, ZAPS | ops.Release)
        return self.zapped and (asks or not looked)

    @property
    def unmaps_behind_zap(self) -> bool:
        """True if this step unmaps pages after a zap, and may free their last reservation."""
        call = self.op.call if self.op is not None else None
        over = isinstance(call, ops.Mmap) and call.over is not None
        return self.zapped and (over or isinstance(call, _UNMAPS))

    @property
    def refills(self) -> bool:
        """True if this step reaches memory after a zap, and may restore its entries."""
        return self.zapped and self.op is not None and isinstance(self.op.call, ops.Read | ops.Write | Walk)

    @property
    def remap_failed(self) -> bool:
        """True if, in this step, a mapping failed because the program made it fail."""
        op = self.op
        return op is not None and op.fail is not None and self._steps[-1].result != "ok"

    def had_leaf(self, level: int) -> bool:
        """True if a leaf at *level* (3: 1 GiB) was observed before this step."""
        first = self._first.leaf(level)
        return first is not None and first < self._at

    def _since(self, first: int | None) -> bool:
        return first is not None and first <= self._at

    def _made(self) -> Iterator[tuple[int, ops.Call]]:
        """The operations that were not refused, with their places."""
        for at, (op, step) in enumerate(zip(self._ops, self._steps, strict=False)):
            if step.result in ("ok", HELD, WAITS):
                yield at, op.call

    def _cut_unseen(self) -> bool:
        """True if a call may have split a VMA, and VMAs were not observed after every step."""
        return any(step.vmas is None for step in self._steps) and self.cut_by_call()

    def cut_by_call(self, kind: str | None = None) -> bool:
        """True if a call may have split a VMA, of a device of that *kind* if given."""
        devices = {device.name for device in self._program.devices if kind in (None, device.kind)}
        mapped: list[Span] = []
        for op in self._ops:
            call = op.call
            # A call may split a VMA before it fails: to make room, or in front of a hole.
            parts = list(_parts_changed(call))
            if any(old.meets(part) and not part.contains(old) for part in parts for old in mapped):
                return True
            counts = kind is None or (
                call.source.name in devices
                if isinstance(call, ops.Mmap)
                else isinstance(call, ops.Mremap) and any(old.meets(call.span) for old in mapped)
            )
            if counts and isinstance(call, ops.Mmap | ops.Mremap):
                mapped.append(_target(call))
        return False


def _overlap(vma: VmaSeen, op: ops.Op) -> bool:
    """True if *vma*, in the address space of the task running *op*, has pages that *op* was meant to move
    away.
    """
    assert isinstance(op.call, ops.Mremap)
    moved, seen = op.call.span, vma.span
    alike = (vma.task, seen.name) == (op.task, moved.name)
    return alike and seen.start < moved.start + min(moved.pages, op.call.pages) and moved.start < seen.end


def _parts_changed(call: ops.Call) -> Iterator[Span]:
    """The pages whose VMAs a call changes, including pages it maps over."""
    if isinstance(call, _CUTS):
        yield call.span
    if isinstance(call, ops.Mremap):
        # If it shrinks a VMA, the VMA loses its end first.
        yield Span(call.span.name, call.span.start, min(call.span.end, call.span.start + call.pages))
    if isinstance(call, ops.Mmap) or (isinstance(call, ops.Mremap) and (call.over or call.name)):
        yield _target(call)


def _target(call: ops.Mmap | ops.Mremap) -> Span:
    """The pages that a call maps; for an mremap without a destination, as if it stayed where it is."""
    pages = call.source.pages if isinstance(call, ops.Mmap) else call.pages
    if call.over is not None:
        return call.over
    if call.name is not None:
        return Span(call.name, 0, pages)
    assert isinstance(call, ops.Mremap)
    return Span(call.span.name, call.span.start, call.span.start + pages)


def word_of(call: ops.Call) -> str:
    """The keyword for an operation in programs; for a walk, the walker."""
    return call.walker if isinstance(call, Walk) else str(type(call).__struct_config__.tag)
