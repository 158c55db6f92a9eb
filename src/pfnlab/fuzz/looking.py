"""The levels of looking of a hunt, its machines at each level, and the changes that looking makes.

A level by number keeps a program a function of its seed and index. Where a program runs under several levels,
each machine must show the same under all of them, in the fields that both show. Looking may change something
where the model of the machine, under the same two levels, differs in the same field of the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import combinations
from typing import NamedTuple

import msgspec

from pfnlab.errors import Misuse
from pfnlab.fuzz.call_kinds import Vocabulary
from pfnlab.fuzz.signature import LOOKING, Signature, signature_between
from pfnlab.lab.running.named_machines import Named, fetch_missing, name_machine, open_machine, see_memory
from pfnlab.lab.vm.accel import Accel
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.look import LookLevel, look_named
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

_M, _P, _E = LookLevel.MEMORY, LookLevel.PROC, LookLevel.END


class Looks(msgspec.Struct, frozen=True):
    """The levels of looking of a hunt.

    :param levels: program number N is looked at by the level at place N, counted round and round
    :param each: every program is run under each of the levels instead
    """

    levels: tuple[LookLevel, ...] = (_P,)
    each: bool = False

    def of(self, index: int) -> tuple[LookLevel, ...]:
        """The levels at which program *index* is run."""
        return self.levels if self.each else (self.levels[index % len(self.levels)],)

    def __str__(self) -> str:
        return ",".join(self.levels) if self.each or len(set(self.levels)) == 1 else "mixed"


#: Mostly memory, which changes nothing; two programs of ten through /proc, one at its end only.
MIXED = Looks((_M, _P, _M, _M, _E, _M, _P, _M, _M, _M))


def looking_named(text: str) -> Looks:
    """``proc`` for one level, ``memory,proc`` for every program under both, ``mixed`` for the default.

    :raises Misuse: there is no such level
    """
    if text == "mixed":
        return MIXED
    levels = tuple(look_named(name.strip()) for name in text.split(","))
    if len(set(levels)) != len(levels):
        raise Misuse(f"--look {text} names a level twice: write each once")
    return Looks(levels, each=len(levels) > 1)


def looked_at(run: Run, level: LookLevel) -> Run:
    """*run* with the level in the name of its machine."""
    return msgspec.structs.replace(run, machine=f"{run.machine} {level}")


def changed_by_looking(
    program: Program, runs: Mapping[LookLevel, Run], predicted: Mapping[LookLevel, Run]
) -> list[tuple[tuple[LookLevel, LookLevel], Signature]]:
    """What looking changed of one machine and its model does not explain: the first thing for two levels.

    :param runs: the machine's, by level
    :param predicted: its model's, by level; levels at which it has no rule explain nothing and are left out
    """
    found = []
    asked = [level for level in runs if level in predicted and predicted[level].unfinished is None]
    for pair in combinations(asked, 2):
        seen = [looked_at(runs[level], level) for level in pair]
        explained = _places([looked_at(predicted[level], level) for level in pair])
        for difference in differences(seen):
            if (difference.step, difference.field) not in explained:
                signature = signature_between(program, seen, difference)
                found.append((pair, msgspec.structs.replace(signature, kind=LOOKING)))
                break
    return found


def _places(runs: Sequence[Run]) -> set[tuple[int, str]]:
    return {(difference.step, difference.field) for difference in differences(runs)}


class Opened(NamedTuple):
    """The machines of a hunt.

    :ivar looking: how they are looked at
    :ivar machines: by level of looking and by name
    :ivar predicting: by level and kernel the model that tells what looking changes on it; empty where each
        program has one level
    """

    looking: Looks
    machines: Mapping[LookLevel, dict[str, Machine]]
    predicting: Mapping[LookLevel, Mapping[str, Machine]]


@contextmanager
def opened(
    named: Sequence[Named], looking: Looks | None, accel: Accel = Accel.TCG, guests: int | None = 1
) -> Iterator[Opened]:
    """The machines *named*, one for each level of looking; kernels that are missing are fetched.

    Their guests end with the block.

    :param looking: None for mixed levels, where the memory of all can be looked at, else for /proc
    :param guests: of each kernel; None for as many as there are processors
    """

    def at(level: LookLevel) -> dict[str, Machine]:
        return {machine.spec: open_machine(machine, accel, level, guests) for machine in named}

    fetch_missing(named)
    machines: dict[LookLevel, dict[str, Machine]] = {}
    if looking is None:
        machines[LookLevel.PROC] = at(LookLevel.PROC)
        looking = MIXED if see_memory(list(machines[LookLevel.PROC].values())) else Looks()
    machines = {level: machines.get(level) or at(level) for level in dict.fromkeys(looking.levels)}
    models = {
        machine.spec: name_machine(machine.model)
        for machine in named
        if machine.kind == "qemu" and machine.model is not None and looking.each
    }
    predicting = {
        level: {spec: open_machine(model, look=level) for spec, model in models.items()} for level in machines
    }
    with ExitStack() as stack:
        for machine in (machine for at_level in machines.values() for machine in at_level.values()):
            if isinstance(machine, AbstractContextManager):
                stack.enter_context(machine)
        yield Opened(looking, machines, predicting)


def check_vocabulary(vocabulary: Vocabulary) -> None:
    """:raises Misuse: there would be leaves alone, and nobody who makes them"""
    if vocabulary.leaves and not vocabulary.has_leaves:
        raise Misuse("only mappings of the driver and of vfio-pci have leaves: add --driver, --vfio or both")
