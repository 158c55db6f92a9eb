"""split_ctx: the context is split with its VMA, unless others share it (discussion 002)."""

from __future__ import annotations

import pytest
from tracker_runs import MAP, book, log, run

from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

SPEC = "7.2,tracker=split_ctx"
WHOLE = ["bar[0:4] wc"]


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("munmap a[0]", ["bar[1:4] wc"]),
        ("munmap a[2:4]", ["bar[0:2] wc"]),
        ("munmap a[1]", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("mremap a 3 pages", ["bar[0:3] wc"]),
        ("mprotect a[1] r", ["bar[0:1] wc", "bar[1:2] wc", "bar[2:4] wc"]),
    ],
)
def test_what_is_cut_has_an_entry_each(cut: str, left: list[str]) -> None:
    """Head, tail, middle: what is unmapped leaves the book; what is only cut costs an entry."""
    _, after, end = run(SPEC, MAP, cut)

    assert (left, []) == (book(after), book(end))


def test_pieces_may_go_in_any_order() -> None:
    """Each has a context of its own, which nobody shares."""
    *_, tail, rest, _ = run(SPEC, MAP, "munmap a[1]", "munmap a[3]", "munmap a[0]")

    assert (["bar[0:1] wc", "bar[2:3] wc"], ["bar[2:3] wc"]) == (book(tail), book(rest))


def test_with_a_child_nothing_is_split() -> None:
    """A reference above one: the child's range would be gone from the book, so all keep it."""
    *_, parent, child, gone, _ = run(SPEC, MAP, "c = fork", "munmap a[0]", "c: munmap a[0]", "c: exit")

    assert [WHOLE] * 3 == [book(parent), book(child), book(gone)]
    assert ["bar[0:4] x2 a[1:4] c:a[1:4]"] == list(child.tracked or ())


def test_a_split_that_was_missed_is_not_made_up_for() -> None:
    """Alone again, the next cut divides what was kept: the page in front stays with the lower piece."""
    *_, cut, lower, _ = run(SPEC, MAP, "c = fork", "munmap a[0]", "c: exit", "mprotect a[3] r", "munmap a[3]")

    assert (["bar[0:3] wc", "bar[3:4] wc"], ["bar[0:3] wc"]) == (book(cut), book(lower))


def test_a_child_shares_the_pieces_of_what_was_split_before() -> None:
    """Both pieces are counted on their own then."""
    *_, forked, gone, left, _ = run(SPEC, MAP, "mprotect a[0:2] r", "c = fork", "munmap a[0:2]", "c: exit")

    assert ["bar[0:2] wc", "bar[2:4] wc"] == book(forked) == book(gone)
    assert ["bar[2:4] wc"] == book(left)


def test_what_mremap_moves_in_part_is_not_split() -> None:
    """The copy at the new place shares the context when the old one is cut, whichever goes first."""
    *_, moved, rest, _ = run(SPEC, MAP, "b = mremap a[0:2] 2 pages maymove fixed", "munmap a[2:4]")

    assert (WHOLE, WHOLE) == (book(moved), book(rest))


def test_what_mremap_moves_whole_is_split_afterwards() -> None:
    """The old place is gone, so there is one reference again."""
    *_, after, _ = run(SPEC, MAP, "b = mremap a 4 pages maymove fixed", "munmap b[0]")

    assert ["bar[1:4] wc"] == book(after)


def test_a_private_mapping_is_split_as_well() -> None:
    """Its offset became its first frame."""
    _, after, _ = run(SPEC, "a = mmap bar[2:6] wc private rw", "munmap a[1]")

    assert ["bar[2:3] wc", "bar[4:6] wc"] == book(after)


def test_a_cut_that_fails_leaves_the_context_whole() -> None:
    """The copy of the VMA was counted, and is not any more."""
    _, failed, cut, _ = run(SPEC, MAP, "fail vm_area_dup 1: munmap a[0]", "munmap a[0]")

    assert ("ENOMEM", WHOLE, ["bar[1:4] wc"]) == (failed.result, book(failed), book(cut))


def test_what_lies_in_the_isa_hole_alone_has_no_entry() -> None:
    """As it would have none if it were mapped alone; and nothing is freed in vain."""
    lines = ("pfnlab program 1", "device old: isa, 16 pages", "b = mmap old[1:16] devmem private r")
    program = load_text("\n".join((*lines, "munmap b[0:13]", "")))
    steps = ModelMachine(SPEC).run_one(program, check=True).steps

    assert ([["old[1:16] uc-"], [], []], []) == ([book(step) for step in steps], log(steps))


def test_the_checker_shows_the_reference_that_hurts() -> None:
    """Exact up to three operations; the fourth needs a child."""
    scope = load_scope("small")
    lengths, program = {}, None
    for name in ("track_ctx", "ctx_adjust", "split_ctx"):
        result = check(ModelMachine(f"7.2,tracker={name}"), scope, limits=Exhaustive(depth=4))
        (answer,) = (answer for answer in result.answers if answer.name == "exact")
        lengths[name], program = answer.length, answer.program

    assert {"track_ctx": 2, "ctx_adjust": 2, "split_ctx": 4} == lengths
    assert program is not None
    assert "= fork" in op_lines(program)[1]
