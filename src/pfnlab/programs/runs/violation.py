"""Violations of properties by one run, regardless of other machines, and the steps that were not judged."""

from collections.abc import Iterator, Sequence
from enum import Enum

import msgspec

from pfnlab.programs.runs.observation import HELD, Run, Step, standings


class Violation(msgspec.Struct, frozen=True):
    """A step that violates a property.

    :param machine: the machine's name as in the run
    :param name: the property's name; the same as in ``pfnlab check`` if that checks it too
    :param step: the index of the step, counted from 0
    :param op: the step's operation as a program line
    :param says: the evidence, in the program's names
    :param known: why kernels of this version violate it, with an id from docs/bugs.md or a step from
        docs/semantics.md; empty if the cause is unknown
    """

    machine: str
    name: str
    step: int
    op: str
    says: str
    known: str = ""

    def __str__(self) -> str:
        """The property, place and evidence, without the machine."""
        return f"{self.name} in step {self.step + 1}, {self.op}: {self.says}"

    @property
    def unknown(self) -> bool:
        """True if this is a discovery, i.e. a real kernel violates the property for an unknown reason.

        Violations by a model never count as discoveries.
        """
        return not self.known and not self.machine.startswith("model:")

    @property
    def place(self) -> tuple[str, int]:
        """The property and the step, which are the same for two machines with the same violation."""
        return self.name, self.step


class Unjudged(Enum):
    """The reason why most properties are not judged after a step; the value says which are."""

    HELD_MODEL = "a task is held, and only the log and one_mode are judged"
    HELD_KERNEL = "a task is held, and only the log is judged, and one_mode of pages that a task accesses"
    NOT_OBSERVED = "VMAs and entries are not observed, and only the log is judged"


def unjudged_steps(run: Run) -> list[Unjudged | None]:
    """For each step, the reason why most properties are not judged after it; None if they are.

    Structures may be in the middle of a change while a processor is held.
    """
    is_model = run.machine.startswith("model:")
    held = Unjudged.HELD_MODEL if is_model else Unjudged.HELD_KERNEL
    return [
        held if is_held else Unjudged.NOT_OBSERVED if step.vmas is None or step.ptes is None else None
        for step, is_held in zip(run.steps, _held_after(run.steps), strict=True)
    ]


def _held_after(steps: Sequence[Step]) -> Iterator[bool]:
    held: set[str] = set()
    for step in steps:
        if step.op.rpartition(": ")[2].partition(" ")[0] == "release":
            held = {task for task, result in standings(step).items() if result == HELD}
        elif step.result == HELD:
            held.add(step.task)
        yield bool(held)
