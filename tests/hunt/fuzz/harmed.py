"""A kernel that comes to harm, which a hunt is to find."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run


class Harmed:
    """A model whose kernel comes to harm in the first munmap of a program."""

    def __init__(self) -> None:
        self._model = ModelMachine("7.2")

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, those that unmap something with the harm."""
        return [self._harmed(run) for run in self._model.run(programs)]

    def _harmed(self, run: Run) -> Run:
        at = next((at for at, step in enumerate(run.steps) if " munmap " in f" {step.op}"), None)
        return run if at is None or run.unfinished is not None else self.harm(run, at)

    def harm(self, run: Run, at: int) -> Run:
        """*run* with the harm in step *at*: the kernel does not survive it."""
        alarm = Alarm("oops", "BUG: in zap", log=("Call Trace:",), op=run.steps[at].op, step=at)
        return msgspec.structs.replace(run, steps=run.steps[:at], lost="the guest was lost", alarm=alarm)
