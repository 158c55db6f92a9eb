"""Recording the kernel functions that programs reach: single programs add to what is recorded."""

from __future__ import annotations

import pytest
import tooling

from evidence.pages.coverage.page import ReachedFunction, ReachedFunctions
from pfnlab.base.errors import Misuse

TOOL = tooling.record_coverage()


def recorded(kernel: str, programs: int, **functions: int) -> ReachedFunctions:
    """A record of *functions* with their blocks."""
    counts = {name: ReachedFunction(blocks, 1) for name, blocks in functions.items()}
    return ReachedFunctions(kernel, "again", {"litmus": programs}, counts)


def test_a_program_adds_the_functions_that_it_alone_reaches() -> None:
    """In the order of the kernel's files; the counts of the others stay, because their blocks are unknown."""
    more = TOOL.with_more(recorded("7.3.4", 5, touch_pud=4), recorded("7.3.4", 1, touch_pud=9, do_wp_page=2))

    assert recorded("7.3.4", 6, do_wp_page=2, touch_pud=4) == more
    assert ["do_wp_page", "touch_pud"] == list(more.functions)


def test_a_program_on_another_kernel_adds_nothing() -> None:
    """Functions differ between kernels, so everything has to be recorded again."""
    with pytest.raises(Misuse, match=r"is of 7\.3\.4, not of 7\.3\.5: record all programs"):
        TOOL.with_more(recorded("7.3.4", 5), recorded("7.3.5", 1))
