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
