"""whole_leaf: a leaf is made only where all of its frames have one mode (discussion 002)."""

from __future__ import annotations

from for_each import for_each

from pfnlab.checker.judging.judge import violations
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine

SPEC = "7.2,tracker=whole_leaf"

#: A page with a mode of its own, the first of a leaf or one inside, and the fault of another page.
PROGRAM = """pfnlab program 1
device  bar: pci, 1024 pages

a = mmap bar[0:1024] driver fault_pmd shared rw
b = mmap bar[{page}] wc shared rw
read a[517]
"""


def entry_of(spec: str, page: int) -> str:
    """The entry that the fault made: its level, mode and flags."""
    step = ModelMachine(spec).run_one(parse(PROGRAM.format(page=page), "leaf")).steps[2]
    (entry,) = (pte.entry for pte in step.ptes or () if pte.area == "a" and pte.start <= 517 < pte.end)
    return entry


@for_each("page", [512, 600, 1023])
def test_a_leaf_over_two_modes_is_made_of_smaller_entries(page: int) -> None:
    """Each asks for itself; track_ctx makes the leaf."""
    assert ("L1 UC-", "L2") == (entry_of(SPEC, page)[:6], entry_of("7.2", page)[:2])


def test_a_leaf_of_one_mode_is_made() -> None:
    """What is booked outside of it is no matter."""
    assert "L2 UC-" == entry_of(SPEC, 511)[:6]


@for_each(("spec", "broken"), [(SPEC, False), ("7.2", True)])
def test_no_frame_has_two_modes(spec: str, broken: bool) -> None:
    """As a judge sees the program that shows the rule."""
    program = parse(PROGRAM.format(page=600), "leaf")
    run = ModelMachine(spec).run_one(program)

    assert broken is any(found.name == "one_mode" for found in violations(program, run))
