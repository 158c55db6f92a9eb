"""Models by name: ``model:7.2``, ``model:6.1,tracker=exact``."""

from __future__ import annotations

from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.model.named_profile import version_in
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.named_machines import MachineKind, Named, model_text


def model_of(named: Named, look: LookLevel = LookLevel.PROC) -> ModelMachine:
    """The model of that name.

    :raises Misuse: there is no such model
    """
    return ModelMachine(model_text(named.rest), look)


def _read(spec: str, profile: str | None) -> Named:
    return Named(spec, version_in(model_text(spec.partition(":")[2])), stock=False)


def _open(named: Named, accel: Accel, look: LookLevel, guests: int | None, blocks: bool) -> Machine:
    return model_of(named, look)


KIND = MachineKind(_read, _open)
