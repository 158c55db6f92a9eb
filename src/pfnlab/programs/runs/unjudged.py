"""The steps of a run after which most properties are not judged, and why."""

from collections.abc import Iterator, Sequence
from enum import Enum

from pfnlab.programs.runs.observation import HELD, Run, Step, standings


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
