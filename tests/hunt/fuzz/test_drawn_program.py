"""A random program while it is drawn: the pages that it may store to."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.drawn_program import may_store
from pfnlab.hunt.fuzz.grammar import draw


def test_a_program_with_pages_of_the_kernel_stores_elsewhere_or_maps_them_private() -> None:
    """Both are drawn."""
    programs = [draw(1, index, Vocabulary(driver=True, fixed=True)) for index in range(100)]
    isa = [program for program in programs if any(device.kind == "isa" for device in program.devices)]

    assert {True, False} == {may_store(program) for program in isa}


def test_most_programs_of_failures_have_one() -> None:
    """Of those without the word a few have; what is drawn otherwise stays in the language."""
    drawn = [[draw(1, index, Vocabulary(failures=one)) for index in range(100)] for one in (True, False)]

    often, rarely = (sum(any(op.fail for op in program.ops) for program in programs) for programs in drawn)

    assert often > 70 > 30 > rarely > 0
