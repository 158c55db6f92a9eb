"""Programs that one guest runs before it is asked what they have left in use, which takes as long as a step.

If anything was left, it is not known by which program: each then runs again on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from pfnlab.lab.running.placement import Placement
from pfnlab.programs.runs.observation import MemoryFault, Run


@dataclass
class Together:
    """The programs of one such group, by number.

    :ivar now: the program that is running
    :ivar unasked: the placements of those that the guest ran since it was last asked
    :ivar suspects: those that may have left something, or whose guest ended before it was asked
    :ivar faults: the leftovers
    """

    now: int = 0
    unasked: dict[int, Placement] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    faults: Sequence[MemoryFault] = ()

    def suspect(self, faults: Sequence[MemoryFault] = ()) -> None:
        """Suspect the programs since the guest was last asked, which is about to end."""
        self.suspects.update(self.unasked)
        self.faults = (*self.faults, *faults)
        self.unasked.clear()


def blamed(run: Run, faults: Sequence[MemoryFault]) -> Run:
    """*run* with *faults* in the observations of its end, if its memory was observed."""
    if not faults or not run.memory:
        return run
    *steps, end = run.memory
    return replace(run, memory=(*steps, replace(end, faults=(*end.faults, *faults))))
