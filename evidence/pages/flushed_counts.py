"""Gathers and flushes in a call, by the distance between mappings, counted in ``litmus/`` programs."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.programs.lang.ops import Madvise, Mprotect, Munmap, Op, Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

#: The model on which the placements are tried.
SERIES = "7.2"

#: Distances between mappings, each with its word in program names.
DISTANCES = {
    "side by side": "adjacent",
    "in one page table": "same-table",
    "2 MiB apart": "next-table",
    "8 MiB apart": "far",
}

#: Kinds of the first mapping and of every second one, each with its word in program names.
KINDS = {"PFN": "pfn", "PFN, mixed": "mixed", "PFN, ordinary": "ordinary", "ordinary, PFN": "behind"}


class FlushedCount(NamedTuple):
    """The gathers and flushes in one operation."""

    gathers: int
    flushes: int


def programs() -> Iterator[tuple[str, str, str]]:
    """Yield the rows of the first table: distance, kinds, and program name."""
    for kinds, kinds_word in KINDS.items():
        for distance, distance_word in DISTANCES.items():
            yield distance, kinds, f"flushes-{distance_word}-{kinds_word}"


def counts(program: Program, steps: Sequence[Step]) -> list[FlushedCount]:
    """Return the counts for the relevant operations: every munmap, or the last operation if there is none."""
    asked = [number for number, op in enumerate(program.ops) if isinstance(op.call, Munmap)]
    return [_count(steps[number], program.ops[number]) for number in asked or (len(program.ops) - 1,)]


def _count(step: Step, op: Op) -> FlushedCount:
    if step.result != "ok" or step.flushes is None or step.events is None:
        raise Misuse(f"{step.op} ended with {step.result}, or its flushes were not counted")
    if not isinstance(op.call, Munmap | Madvise | Mprotect):
        raise Misuse(f"{step.op} is no operation of this page")
    return FlushedCount(sum(event == "gather" for event in step.events), step.flushes)


def model_counts(machine: str, program: Program) -> list[FlushedCount]:
    """The counts on a model."""
    return counts(program, ModelMachine(machine).run_one(program).steps)
