"""The interface of every machine, the model and real kernels alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run


class Machine(Protocol):
    """A machine that runs programs."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program, in order."""
        ...


def renew(machines: Iterable[Machine]) -> None:
    """Let the next programs of *machines* run where no program ran before: some alarms come once a boot."""
    for machine in machines:
        new_guests = getattr(machine, "renew", None)
        if new_guests is not None:
            new_guests()
