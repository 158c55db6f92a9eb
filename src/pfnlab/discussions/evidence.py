"""Evidence from kernels: golden steps, each repeated on the model of the same kernel, and sizes."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.discussions.step_parts import StepPart, part_words
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.sizes.kernel_sizes import known_sizes
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import (
    Golden,
    golden_path,
    golden_run,
    has_goldens,
    newest_version,
    read_golden,
)
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step

#: The series that have VM_PAT.
VM_PAT = ("6.1", "6.12")

#: Groups of series with the same results, under the names that claims use.
SERIES: dict[str, tuple[str, ...]] = {
    "all": CONFIRMED,
    "vm_pat": VM_PAT,
    # The series with counted contexts.
    "ctx": tuple(series for series in CONFIRMED if series not in VM_PAT),
    # move_pages uses folio_walk_start, and smaps counts copied pages.
    "folios": tuple(series for series in CONFIRMED if series != "6.1"),
    # The series on which the driver's programs ran, and those among them that have contexts.
    "driver": ("6.1", "6.12", "7.2", "7.3"),
    "driver_ctx": ("7.2", "7.3"),
    # The series on which the vfio-pci programs ran, and those among them that reserve nothing in a fault.
    "vfio": ("6.1", "6.12", "6.16", "6.17", "6.18", "7.2", "7.3"),
    "vfio_later": ("6.12", "6.16", "6.17", "6.18", "7.2", "7.3"),
    # The guest driver creates leaves on these.
    "leaves": ("6.12", "7.2", "7.3"),
}


class StepEvidence(NamedTuple):
    """A golden step, as evidence for some series.

    :param program: its path below the folder of programs, without suffix
    :param op: the operation, as the program writes it
    :param expected: the value expected there
    :param nth: which of several equal operations; by default the last
    """

    program: str
    series: Sequence[str]
    op: str
    observed: StepPart
    expected: str
    against: bool = False
    nth: int = -1

    @property
    def shown(self) -> str:
        """The part of a step that was observed, and its expected value."""
        return part_words(self.observed, self.expected)

    def unlike(self, litmus: Path | None = None) -> list[str]:
        """The series where the kernel or its model differs, with the value that differs."""
        return [
            f"{series}: {shown}"
            for series in self.series
            for shown in map(self.observed, (self.on_kernel(series, litmus), self.on_model(series, litmus)))
            if shown != self.expected
        ]

    def step_of(self, run: Run) -> Step:
        """The step in a run; raises Misuse if the run does not have it."""
        steps = [step for step in run.steps if step.op == self.op]
        if not steps:
            raise Misuse(f"{self.program} has no operation {self.op!r}")
        return steps[self.nth]

    def on_kernel(self, series: str, litmus: Path | None = None) -> Step:
        """The step in the golden for a kernel in *series*; raises Misuse if the golden does not have it."""
        golden = _golden((litmus or library_folder()) / f"{self.program}.pfn")
        run = golden_run(golden, _version(golden, series, self.program))
        assert run is not None
        return self.step_of(run)

    def on_model(self, series: str, litmus: Path | None = None) -> Step:
        """The step as predicted by the model of that kernel, or of the series if there is no golden."""
        path = (litmus or library_folder()) / f"{self.program}.pfn"
        if not has_goldens():
            return self.step_of(_predicted(path, series, LookLevel.MEMORY))
        golden = _golden(path)
        return self.step_of(_predicted(path, _version(golden, series, self.program), golden.look))


class SizeEvidence(NamedTuple):
    """A structure's size in bytes, read from kernels in some series."""

    structure: str
    series: Sequence[str]
    expected: int
    against: bool = False

    @property
    def shown(self) -> str:
        """The size."""
        return f"{self.expected} bytes"

    def unlike(self, litmus: Path | None = None) -> list[str]:
        """The series where the size differs, with the size there."""
        found = {series: self.on_kernel(series) for series in self.series}
        return [f"{series}: {shown}" for series, shown in found.items() if shown != self.shown]

    def on_kernel(self, series: str) -> str:
        """The size on a kernel in *series*."""
        (kept,) = (sizes.structures for sizes in known_sizes() if sizes.series == series)
        return f"{kept[self.structure].size} bytes" if self.structure in kept else "none"


class SourceStatement(NamedTuple):
    """A statement about the source of old releases that have no kernel in the archive.

    :param file: its path in the tree, e.g. ``mm/memory.c``
    :param releases: the releases whose file was read, by tag name, e.g. ``3.0.27``
    :param shown: what the source does, in a few words of ours
    """

    file: str
    function: str
    releases: Sequence[str]
    shown: str
    against: bool = False

    @property
    def places(self) -> list[str]:
        """The places to read it: an address for each release."""
        return [f"{_STABLE}/{self.file}?h=v{release}" for release in self.releases]


#: The tree of stable releases, file by file.
_STABLE = "https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git/tree"
#: Evidence from kernels.
Evidence = StepEvidence | SizeEvidence


def series_words(series: Sequence[str]) -> str:
    """Series as text: ``6.1, 6.12``, and ``6.16 to 7.3`` for three or more consecutive ones."""
    return range_words({CONFIRMED.index(name): name for name in series})


def range_words(names: Mapping[int, str]) -> str:
    """Names as text; where three or more of *names* are consecutive, only the first and the last."""
    # For consecutive names, the difference between index and count is the same.
    grouped = groupby(enumerate(names.items()), lambda counted: counted[1][0] - counted[0])
    runs = [[name for _, (_, name) in run] for _, run in grouped]
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


@cache
def _golden(path: Path) -> Golden:
    golden = read_golden(golden_path(path))
    if golden is None:
        raise Misuse(f"{path} has no golden")
    return golden


def _version(golden: Golden, series: str, program: str) -> str:
    version = newest_version(golden, series)
    if version is None:
        raise Misuse(f"the golden of {program} says nothing about {series}")
    return version


@cache
def _predicted(path: Path, version: str, look: LookLevel) -> Run:
    return ModelMachine(version, look).run_one(load_program(path))
