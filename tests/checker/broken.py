"""Machines that follow broken policies, and small scopes to see it in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pfnlab.base.errors import PolicyError
from pfnlab.base.units import PfnRange
from pfnlab.checker.check import CheckResult, PropertyResult, check
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import read_scope
from pfnlab.kernel.hw.platform import Platform
from pfnlab.kernel.mm.gather import Flushes, FlushPlacement
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.mm.walk_policy import SpecialBits, WalkerPolicy, Walkers
from pfnlab.kernel.policies.flushes.free_vmas import FreeVmas
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run


class Broken(ModelMachine):
    """A model with policies of its own."""

    def __init__(
        self,
        tracker: Callable[[Kernel], Tracker] = TrackCtx,
        flushes: Callable[[], FlushPlacement] = FreeVmas,
        spec: str = "7.2",
        walker: Callable[[], WalkerPolicy] = SpecialBits,
    ) -> None:
        super().__init__(spec)
        self._tracker, self._flushes, self._walker = tracker, flushes, walker

    def boot(self, platform: Platform, devices: Mapping[str, PfnRange]) -> Kernel:
        """A kernel with these policies."""
        kernel = super().boot(platform, devices)
        kernel.tracker, kernel.flushes = self._tracker(kernel), Flushes.all(self._flushes())
        kernel.walkers = Walkers.all(self._walker())
        return kernel

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The runs; a policy that breaks the kernel under it fails as a user's file does."""
        try:
            return super().run(programs)
        except ValueError as trouble:
            raise PolicyError("broken.py", None, str(trouble)) from trouble


def checked(
    machine: ModelMachine, name: str, *operations: str, depth: int = 3, device: str = "", thp: str = "never"
) -> CheckResult:
    """One property on one machine, in a scope of *operations*."""
    lines = ", ".join(f'"{line}"' for line in operations)
    head = f'devices = ["{device or "bar: pci, 3 pages"}"]\nthp = "{thp}"'
    scope = read_scope(
        f"{head}\ntasks = 2\nareas = 2\ndepth = {depth}\noperations = [{lines}]",
        "tiny",
    )
    return check(machine, scope, questions([name], scope))


def answer(
    machine: ModelMachine, name: str, *operations: str, depth: int = 3, device: str = "", thp: str = "never"
) -> PropertyResult:
    """What was found of one property."""
    return checked(machine, name, *operations, depth=depth, device=device, thp=thp).answers[0]


def lines(found: PropertyResult) -> list[str]:
    """The operations of a counterexample."""
    assert found.program is not None
    return list(op_lines(found.program))
