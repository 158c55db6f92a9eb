"""The machines of a hunt, opened; and the models that tell what looking changes on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pfnlab.errors import Misuse
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.fuzz.looking import Looks
from pfnlab.lab.machines import Named, open_machine
from pfnlab.lab.vm.accel import Accel
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine


def open_at(
    named: Sequence[Named],
    level: LookLevel,
    profile: str | None = None,
    accel: Accel = Accel.TCG,
    guests: int | None = 1,
) -> dict[str, Machine]:
    """The machines *named*, by the names users give them, each looked at by *level*.

    :param profile: the series that kernels of the user's own should behave like
    :param guests: of each kernel; None for as many as there are processors
    """
    return {machine.spec: open_machine(machine.spec, profile, accel, level, guests) for machine in named}


def predicting(
    named: Sequence[Named], looking: Looks, levels: Iterable[LookLevel]
) -> dict[LookLevel, dict[str, Machine]]:
    """By level and kernel the model that tells what looking changes on it; empty where each program has one
    level."""
    return {
        level: {
            machine.spec: open_machine(machine.model, look=level)
            for machine in named
            if machine.kind == "qemu" and machine.model is not None and looking.each
        }
        for level in levels
    }


def check_vocabulary(vocabulary: Vocabulary) -> None:
    """:raises Misuse: there would be leaves alone, and nobody who makes them"""
    if vocabulary.leaves and not vocabulary.has_leaves:
        raise Misuse("only mappings of the driver and of vfio-pci have leaves: add --driver, --vfio or both")
