"""The steps after which most properties are not judged."""

from msgspec.structs import replace

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.unjudged import Unjudged, unjudged_steps

HELD = """pfnlab program 1
device bar: pci, 4 pages

p = fork
a = mmap bar[0:4] wc shared rw
hold flush_tlb_mm_range: munmap a
p: b = mmap bar[0:4] wc shared rw
release
"""


def held() -> Run:
    """A run in which a task is held in the third step, and released in the fifth."""
    return ModelMachine("7.3").run_one(load_text(HELD))


def test_steps_with_a_held_task_are_named() -> None:
    """They are those from the hold to before the release."""
    assert [None, None, *[Unjudged.HELD_MODEL] * 2, None, None] == unjudged_steps(held())


def test_a_kernel_judges_less_while_a_task_is_held() -> None:
    """What its processors cache is not observed."""
    assert Unjudged.HELD_KERNEL is unjudged_steps(replace(held(), machine="qemu:7.3"))[2]


def test_a_step_without_entries_is_named() -> None:
    """Only its log was observed."""
    run = held()
    blind = replace(run, steps=tuple(replace(step, ptes=None) for step in run.steps[:2]))

    assert [Unjudged.NOT_OBSERVED] * 2 == unjudged_steps(blind)
