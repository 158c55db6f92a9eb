"""The extents: everything that one drawing shows in any panel, so that all its panels share their axes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from pfnlab.present.picture.axis import Axis
from pfnlab.programs.lang.device_ops import DRIVER_RAM
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import REGION, Run, Step, TlbSeen
from pfnlab.programs.runs.places import ISA_PFN

#: The ISA hole, from its beginning to the end of the first MiB, as page frames: the book does not know it.
_HOLE, _HOLE_END = 0xA0, 0x100

#: Borders are carried from addresses to frames and back so often, and as long as there are so few.
_ROUNDS, _MOST_BORDERS = 4, 1200


class Extents:
    """The areas and the physical memory of a drawing.

    :param runs: whose every step is considered, so that all pictures of a run have the same places
    :param program: it says how large devices are, and what is RAM
    """

    def __init__(self, runs: Sequence[Run], program: Program | None = None) -> None:
        self.devices: dict[str, bool] = {}
        self.untracked: list[Span] = []
        self.tasks: dict[str, None] = {}
        self.remembers = any(tlbs for run in runs for tlbs in run.tlbs)
        self._virtual: dict[str, set[int]] = {}
        self._physical: dict[str, set[int]] = {}
        self._pairs: set[tuple[Span, Span]] = set()
        if program is not None:
            self._take_devices(program)
        seen: set[int] = set()
        for run in runs:
            for step in run.steps:
                if id(step) not in seen:
                    seen.add(id(step))
                    self._take(step)
            for tlbs in run.tlbs:
                self._take_tlbs(tlbs)
        self._carry()

    def virtual(self, width: float) -> Axis:
        """The axis of addresses."""
        return Axis(self._virtual, width)

    def physical(self, width: float) -> Axis:
        """The axis of frames."""
        return Axis(self._physical, width)

    def _take_devices(self, program: Program) -> None:
        for device in program.devices:
            self.devices[device.name] = device.kind in ("lowmem", "isa")
            self._physical[device.name] = {0, device.pages}
            hole = Span(device.name, _HOLE - ISA_PFN, min(_HOLE_END - ISA_PFN, device.pages))
            if device.kind == "isa" and hole.pages > 0:
                self.untracked.append(hole)
                self._add(hole)

    def _take(self, step: Step) -> None:
        self.tasks |= dict.fromkeys(vma.task for vma in step.vmas or ())
        self.tasks |= dict.fromkeys(pte.task for pte in step.ptes or ())
        for vma in step.vmas or ():
            self._virtual.setdefault(vma.span.name, set()).update((vma.span.start, vma.span.end))
            if vma.offset is not None and vma.offset.name != REGION:
                self._pair(vma.span, vma.offset)
        for pte in step.ptes or ():
            self._virtual.setdefault(pte.span.name, set()).update((pte.span.start, pte.span.end))
            if pte.target is not None:
                self._pair(pte.span, pte.target)
        for entry in step.book or ():
            self._add(entry.span)
        for span, _ in step.direct_map_ranges:
            self._add(span)

    def _take_tlbs(self, tlbs: Iterable[TlbSeen]) -> None:
        for seen in tlbs:
            self._virtual.setdefault(seen.span.name, set()).update((seen.span.start, seen.span.end))
            if seen.target is not None:
                self._pair(seen.span, seen.target)

    def _pair(self, span: Span, target: Span) -> None:
        self._add(target)
        if span.pages == target.pages:
            self._pairs.add((span, target))

    def _add(self, span: Span) -> None:
        self.devices.setdefault(span.name, span.name == DRIVER_RAM)
        borders = self._physical.setdefault(span.name, set())
        if span.pages > 0:
            borders.update((span.start, span.end))

    def _carry(self) -> None:
        """Borders of addresses are borders of their frames, and the other way round."""
        for _ in range(_ROUNDS):
            grown = False
            virtual = {name: sorted(borders) for name, borders in self._virtual.items()}
            physical = {name: sorted(borders) for name, borders in self._physical.items()}
            if sum(map(len, [*virtual.values(), *physical.values()])) > _MOST_BORDERS:
                return
            for span, target in self._pairs:
                grown |= _carried(virtual[span.name], span, target, self._physical[target.name])
                grown |= _carried(physical[target.name], target, span, self._virtual[span.name])
            if not grown:
                return


def _carried(borders: Sequence[int], span: Span, target: Span, others: set[int]) -> bool:
    before = len(others)
    inside = borders[bisect_left(borders, span.start) : bisect_right(borders, span.end)]
    others.update(target.start + border - span.start for border in inside)
    return len(others) > before
