"""Simpler programs: every one is simpler in one respect, so that there is an end."""

from __future__ import annotations

import pytest

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.simplifications import simplifications
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\n"


@pytest.mark.target("long")
@pytest.mark.parametrize("index", range(15, 55, 5))
def test_simplifying_ends(index: int) -> None:
    """Whatever is taken as simpler, there is an end: no candidate is the program itself."""
    program = draw(6, index, Vocabulary(driver=True, schedules=True, vfio=True))

    for _ in range(10_000):
        candidates = list(simplifications(program))
        assert program not in candidates
        if not candidates:
            return
        program = candidates[len(candidates) // 2]
    pytest.fail("simplifying does not end")


def test_a_node_is_left_out() -> None:
    """To ask where pages are is simpler than to move them."""
    program = load_text(f"{HEADER}a = mmap bar[0:4] wc private rw\nmove_pages a[0] node0\n")

    lines = [op_lines(simpler)[-1] for simpler in simplifications(program)]

    assert "move_pages a[0]" in lines
