"""All scenes of a program's runs, their shared extents and axes, and words for the differences."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.history import kept_after
from pfnlab.present.picture.axis import Axes, Axis
from pfnlab.present.picture.canvas import text_width
from pfnlab.present.picture.parts import StateScene
from pfnlab.present.picture.scene import scene_of
from pfnlab.programs.lang.device_ops import DRIVER_RAM
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.observation import REGION, Run, Step
from pfnlab.programs.runs.places import ISA_PFN
from pfnlab.programs.runs.texts import tracked_range

#: The ISA hole as page frames, from where it begins to the end of the first MiB; it is not in the book.
_HOLE, _HOLE_END = 0xA0, 0x100
#: The maximum number of rounds that carry borders between addresses and frames, and of borders for that.
_ROUNDS, _MOST_BORDERS = 4, 1200


class Extents:
    """The areas and physical memory in all steps of *runs*, so that all pictures use the same positions."""

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
                for seen_tlb in tlbs:
                    self._take_virtual(seen_tlb.span, seen_tlb.target)
        self._carry()

    def virtual(self, width: float) -> Axis:
        """Return the axis of addresses."""
        return Axis(self._virtual, width)

    def physical(self, width: float) -> Axis:
        """Return the axis of frames."""
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
            region = vma.offset is not None and vma.offset.name == REGION
            self._take_virtual(vma.span, None if region else vma.offset)
        for pte in step.ptes or ():
            self._take_virtual(pte.span, pte.target)
        for entry in step.book or ():
            self._add(entry.span)
        for span, _ in step.direct_map_ranges:
            self._add(span)

    def _take_virtual(self, span: Span, target: Span | None) -> None:
        self._virtual.setdefault(span.name, set()).update((span.start, span.end))
        if target is not None:
            self._add(target)
            if span.pages == target.pages:
                self._pairs.add((span, target))

    def _add(self, span: Span) -> None:
        self.devices.setdefault(span.name, span.name == DRIVER_RAM)
        borders = self._physical.setdefault(span.name, set())
        if span.pages > 0:
            borders.update((span.start, span.end))

    def _carry(self) -> None:
        """Make borders between addresses borders between their frames too, and vice versa."""
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


#: The words for fields, in the order of a picture; events and levels are not drawn.
_WORDS = {
    "result": "result",
    "value": "result",
    "vmas": "VMAs",
    "prots": "vm_page_prot",
    "ptes": "PTEs",
    "direct_map": "direct map",
    "book": "book",
    "tracked": "contexts",
    "log": "log",
    "flushes": "flushes",
}

#: The tracker's own bookkeeping: a difference in that alone does not make the state different.
TRACKING = "tracking"
#: Translations cached by processors.
TLBS = "TLBs"

#: The panel rows that show the field with a given word.
ROWS = {
    "VMAs": ("vma",),
    "vm_page_prot": ("vma",),
    "PTEs": ("pte",),
    "direct map": ("memory",),
    "book": ("book",),
    "contexts": ("book",),
    TLBS: ("tlb",),
    "log": ("log",),
}

#: The VMA flag that stands for its reservation if the tracker has no contexts.
_VM_PAT = "ar"


def differing_words(runs: Sequence[Run]) -> list[tuple[str, ...]]:
    """Return, for each step, words for how machines differ; raise Defect for several programs."""
    steps = max((len(run.steps) for run in runs), default=0)
    found: list[set[str]] = [set() for _ in range(steps)]
    for difference in differences(runs):
        word = _WORDS.get(difference.field)
        if word is not None:
            found[difference.step].add(TRACKING if _only_tracking(difference) else word)
    for index in range(steps):
        if any(index >= len(run.steps) for run in runs):
            found[index].add("result")
        remembered = [run.tlbs[index] for run in runs if index < len(run.tlbs)]
        if any(seen != remembered[0] for seen in remembered):
            found[index].add(TLBS)
    order = [*dict.fromkeys(_WORDS.values()), TLBS, TRACKING]
    return [tuple(word for word in order if word in words) for words in found]


def _only_tracking(difference: Difference) -> bool:
    values = [seen.value for seen in difference.values if seen.value is not None]
    if difference.field == "tracked":
        counted = [any(tracked_range(line).refs is not None for line in lines) for lines in values]
        return not all(count for count, lines in zip(counted, values, strict=True) if lines) or not all(
            values
        )
    if difference.field == "vmas":
        bare = [
            [
                msgspec.structs.replace(
                    vma, flags=" ".join(flag for flag in vma.flags.split() if flag != _VM_PAT)
                )
                for vma in vmas
            ]
            for vmas in values
        ]
        return all(vmas == bare[0] for vmas in bare)
    return False


#: The maximum number of steps to draw pictures for.
MOST_STEPS = 400


class Scenes:
    """A program's runs as scenes; Misuse without runs, or if one is of another program or too long."""

    def __init__(self, program: Program, runs: Sequence[Run]) -> None:
        check_runs(program, runs)
        self.program, self.runs = program, runs
        self.extents = Extents(runs, program)
        self.steps = max(len(run.steps) for run in runs)

    def of(self, run: Run, index: int) -> StateScene:
        """Return the scene of a step in one of the runs."""
        kept = self._kept[self.runs.index(run)][index] if index < len(run.steps) else None
        return scene_of(run, index, self.extents.devices, kept)

    def axes(self, width: float) -> Axes:
        """Return both axes, *width* pixels wide."""
        return Axes(self.extents.virtual(width), self.extents.physical(width))

    def key(self, *words: object) -> str:
        """Return the prefix of ids inside a picture; other runs or other *words* give another prefix."""
        digest = self._digest.copy()
        digest.update(repr(words).encode())
        return f"p{digest.hexdigest()[:10]}"

    @cached_property
    def _digest(self) -> Any:
        # Made only from fields that a results file keeps, so that runs read back from a file
        # give the same prefix.
        steps = [
            (run.machine, run.unfinished, [(step.op, step.result, step.value) for step in run.steps])
            for run in self.runs
        ]
        return sha256(f"({self.program.title!r}, {steps!r}".encode())

    @cached_property
    def ever_stale(self) -> bool:
        """True if a processor ever caches a translation that is no longer in the page tables."""
        return any(seen.stale for run in self.runs for tlbs in run.tlbs for seen in tlbs)

    def fits(self, width: float) -> bool:
        """Return True if every VMA has room for its name on axes *width* pixels wide."""
        axes = self.axes(width)
        seen = (vma for run in self.runs for step in run.steps for vma in step.vmas or ())
        needed = dict.fromkeys((vma.span, text_width(f"{vma.span} {vma.perms}", 12) + 12) for vma in seen)
        ends = ((*axes.virtual.span(span), need) for span, need in needed)
        return axes.width <= width and all(right - left >= need for left, right, need in ends)

    @cached_property
    def _kept(self) -> list[list[Sequence[Span]]]:
        return [[*kept_after(self.program, run)] for run in self.runs]


def check_runs(program: Program, runs: Sequence[Run]) -> None:
    """Raise Misuse if there are no runs, or if one is of another program or too long to draw."""
    if not runs:
        raise Misuse("nothing to draw: give at least one run")
    for run in runs:
        if len(run.steps) > len(program.ops) + 1:
            raise Misuse(
                f"{run.machine} has {len(run.steps)} steps and the program {len(program.ops)} operations: "
                "draw a run of this program"
            )
        if len(run.steps) > MOST_STEPS:
            raise Misuse(f"{run.machine} has {len(run.steps)} steps: at most {MOST_STEPS} can be drawn")
