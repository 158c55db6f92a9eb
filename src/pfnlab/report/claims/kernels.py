"""What kernels show: steps of goldens, each repeated by the model of the same kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pfnlab.errors import Misuse
from pfnlab.policies.releases import CONFIRMED, series_of
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Run, Step
from pfnlab.report.golden import Golden, golden_path, golden_run, read_golden
from pfnlab.report.observed import Observed

#: The folder of programs, seen from where pages are made.
LITMUS = Path("litmus")

#: All series, and those with VM_PAT and with counted contexts.
ALL = CONFIRMED
VM_PAT = ("6.1", "6.12")
CTX = tuple(series for series in CONFIRMED if series not in VM_PAT)

#: The series the driver's programs ran on, and the two halves of them.
DRIVER = ("6.1", "6.12", "7.2", "7.3")
DRIVER_CTX = ("7.2", "7.3")

#: The series the programs of vfio-pci ran on, and those of them that book nothing in a fault.
VFIO = ("6.1", "6.12", "6.16", "6.17", "6.18", "7.2", "7.3")
VFIO_LATER = VFIO[1:]

#: The series on which the guest driver makes leaves.
LEAVES = ("6.12", "7.2", "7.3")


class Seen(NamedTuple):
    """A step of a golden that shows something on some series.

    :param program: its path without suffix, below the folder of programs
    :param series: the series that show it
    :param op: the operation, as the program writes it
    :param observed: the part of the step to look at
    :param expected: what it says
    :param nth: which of several equal operations; the last by default
    """

    program: str
    series: Sequence[str]
    op: str
    observed: Observed
    expected: str
    against: bool = False
    nth: int = -1

    def step_of(self, run: Run) -> Step:
        """The step that is meant.

        :raises Misuse: the run has none
        """
        steps = [step for step in run.steps if step.op == self.op]
        if not steps:
            raise Misuse(f"{self.program} has no operation {self.op!r}")
        return steps[self.nth]

    def on_kernel(self, series: str, litmus: Path = LITMUS) -> Step:
        """The step as a kernel of *series* showed it.

        :raises Misuse: the golden has no such kernel, or the program no such operation
        """
        golden = _golden(litmus / f"{self.program}.pfn")
        run = golden_run(golden, _version(golden, series, self.program))
        assert run is not None
        return self.step_of(run)

    def on_model(self, series: str, litmus: Path = LITMUS) -> Step:
        """The step as the model of that kernel predicts it, looked at as the golden was."""
        path = litmus / f"{self.program}.pfn"
        return self.step_of(_predicted(path, _version(_golden(path), series, self.program)))


@cache
def _golden(path: Path) -> Golden:
    golden = read_golden(golden_path(path))
    if golden is None:
        raise Misuse(f"{path} has no golden")
    return golden


def _version(golden: Golden, series: str, program: str) -> str:
    """The newest version of a series in a golden."""
    versions = [version for version in golden.kernels if series_of(version) == series]
    if not versions:
        raise Misuse(f"the golden of {program} says nothing about {series}")
    return versions[-1]


@cache
def _predicted(path: Path, version: str) -> Run:
    return ModelMachine(version, _golden(path).look).run_one(load_program(path))
