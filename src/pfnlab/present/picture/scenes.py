"""All scenes of a program's runs, with the axes that they share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.checker.judging.history import kept_after
from pfnlab.present.picture.axis import wished_width
from pfnlab.present.picture.dimensions import Axes, Dimensions
from pfnlab.present.picture.extents import Extents
from pfnlab.present.picture.lettering import text_width
from pfnlab.present.picture.parts import StateScene
from pfnlab.present.picture.scene import scene_of
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.runs.observation import Run

#: No picture is drawn of more steps than this.
MOST_STEPS = 400


class Scenes:
    """A program's runs, as scenes.

    :raises Misuse: there is no run, or one is of another program or too long to draw
    """

    def __init__(self, program: Program, runs: Sequence[Run]) -> None:
        check_runs(program, runs)
        self.program, self.runs = program, runs
        self.extents = Extents(runs, program)
        self.steps = max(len(run.steps) for run in runs)
        # vfio-pci maps its device for itself as long as it is open, which the program does not say.
        self._driver_keeps = program.needs.vfio

    def of(self, run: Run, index: int) -> StateScene:
        """The scene of a step of one of the runs."""
        kept = None
        if not self._driver_keeps and index < len(run.steps):
            kept = self._kept[self.runs.index(run)][index]
        return scene_of(run, index, self.extents.devices, kept)

    def axes(self, width: float) -> Axes:
        """Both axes, in so many pixels."""
        return Axes(self.extents.virtual(width), self.extents.physical(width))

    def key(self, *words: object) -> str:
        """The beginning of the ids inside a picture; other runs or other *words* give another."""
        digest = self._digest.copy()
        digest.update(repr(words).encode())
        return f"p{digest.hexdigest()[:10]}"

    @cached_property
    def _digest(self) -> Any:
        # Of what a file with results keeps, so that runs read from one give the same.
        steps = [
            (run.machine, run.unfinished, [(step.op, step.result, step.value) for step in run.steps])
            for run in self.runs
        ]
        return sha256(f"({self.program.title!r}, {steps!r}".encode())

    @cached_property
    def ever_stale(self) -> bool:
        """True where a processor ever remembers what the page tables do not say any more."""
        return any(seen.stale for run in self.runs for tlbs in run.tlbs for seen in tlbs)

    def wished(self, sizes: Dimensions, most: float) -> float:
        """The width at which every VMA has room for its name, as far as *most* allows."""
        labels = dict.fromkeys(self._labels())
        return wished_width(self.extents.virtual, labels, most) + sizes.margin

    def _labels(self) -> Iterator[tuple[Span, float]]:
        for run in self.runs:
            for step in run.steps:
                for vma in step.vmas or ():
                    yield vma.span, text_width(f"{vma.span} {vma.perms}", 12) + 12

    @cached_property
    def _kept(self) -> list[list[Sequence[Span]]]:
        return [[*kept_after(self.program, run)] for run in self.runs]


def check_runs(program: Program, runs: Sequence[Run]) -> None:
    """Refuse what cannot be drawn.

    :raises Misuse: there is no run, or one is of another program or too long to draw
    """
    if not runs:
        raise Misuse("there is nothing to draw: give at least one run")
    for run in runs:
        if len(run.steps) > len(program.ops) + 1:
            raise Misuse(
                f"{run.machine} has {len(run.steps)} steps and the program {len(program.ops)} operations: "
                "draw a run of this program"
            )
        if len(run.steps) > MOST_STEPS:
            raise Misuse(f"{run.machine} has {len(run.steps)} steps: at most {MOST_STEPS} can be drawn")
