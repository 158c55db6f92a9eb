"""ctx_adjust: the range follows the last VMA that has it (discussion 002's remark)."""

from __future__ import annotations

import pytest
from tracker_runs import MAP, book, run

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine

SPEC = "7.2,tracker=ctx_adjust"
WHOLE = ["bar[0:4] wc"]


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("munmap a[0]", ["bar[1:4] wc"]),
        ("munmap a[2:4]", ["bar[0:2] wc"]),
        ("mremap a 3 pages", ["bar[0:3] wc"]),
    ],
)
def test_the_range_is_that_of_the_last_vma(cut: str, left: list[str]) -> None:
    """Cut at an end, or shrunk by mremap, the mapping has what it covers reserved and no more."""
    _, after, end = run(SPEC, MAP, cut)

    assert (left, []) == (book(after), book(end))


def test_with_a_hole_in_the_middle_nothing_is_adjusted() -> None:
    """Two VMAs share the range still; when one goes it follows the other."""
    _, hole, one, _ = run(SPEC, MAP, "munmap a[1]", "munmap a[0]")

    assert (WHOLE, ["bar[2:4] wc"]) == (book(hole), book(one))


def test_a_child_keeps_the_whole() -> None:
    """Shared with a child the range stays, although nobody maps its first page any more."""
    *_, parent, child, _ = run(SPEC, MAP, "munmap a[0]", "c = fork", "munmap a[1]", "c: munmap a[1]")

    assert (["bar[1:4] wc"], ["bar[1:4] wc"]) == (book(parent), book(child))


def test_a_private_mapping_is_adjusted_as_well() -> None:
    """Its offset became its first frame."""
    _, after, _ = run(SPEC, "a = mmap bar[2:6] wc private rw", "munmap a[0]")

    assert ["bar[3:6] wc"] == book(after)


def test_what_is_left_below_one_mib_has_no_entry() -> None:
    """A range that is adjusted to the ISA range alone would never be freed there."""
    lines = ("pfnlab program 1", "device old: isa, 16 pages", "b = mmap old[1:16] devmem private r")
    program = load_text("\n".join((*lines, "munmap b[0:13]", "")))
    steps = ModelMachine(SPEC).run_one(program, check=True).steps

    assert [["old[1:16] uc-"], [], []] == [book(step) for step in steps]
