"""A kernel that is only given what can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pfnlab.fuzz.signature import UNCOMPARABLE
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Looking, Machine, Rebooting, run_telling
from pfnlab.programs.runs.observation import Run


class Comparable:
    """A kernel that is not given programs whose outcome only a machine decides, or that no kernel survives.

    Where a model is one of the two it refuses such programs itself.

    :param machine: the kernel
    :param model: tells which programs are such
    """

    def __init__(self, machine: Machine, model: Machine) -> None:
        self._machine, self._model = machine, model

    @property
    def look(self) -> LookLevel:
        """How the kernel is looked at."""
        return self._machine.look if isinstance(self._machine, Looking) else LookLevel.PROC

    @look.setter
    def look(self, look: LookLevel) -> None:
        for machine in (self._machine, self._model):
            if isinstance(machine, Looking):
                machine.look = look

    @property
    def sees_memory(self) -> bool:
        """Whether the kernel can be looked at in its memory."""
        return isinstance(self._machine, Looking) and self._machine.sees_memory

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run for each program; for a program the kernel was not given, the model's refusal."""
        return self.run_telling(programs, lambda index, run: None)

    def run_telling(self, programs: Sequence[Program], on_done: Callable[[int, Run], None]) -> list[Run]:
        """As :meth:`run`, telling of every run that is there.

        :param on_done: called with index and run as soon as a program is done, in any order
        """
        runs = dict(enumerate(self._model.run(programs)))
        asked = [
            at for at, run in runs.items() if run.undecided is None or run.undecided.kind not in UNCOMPARABLE
        ]
        for at in runs.keys() - set(asked):
            on_done(at, runs[at])
        if asked:
            answers = run_telling(
                self._machine, [programs[at] for at in asked], lambda at, run: on_done(asked[at], run)
            )
            runs.update(zip(asked, answers, strict=True))
        return [runs[at] for at in range(len(programs))]

    def reboot(self) -> None:
        """Later programs run in guests in which no program has run."""
        if isinstance(self._machine, Rebooting):
            self._machine.reboot()
