"""Counterexamples without what they do not need."""

from __future__ import annotations

from pfnlab.checker.check import Limits, check
from pfnlab.checker.properties import questions
from pfnlab.checker.scope import Scope, load_scope
from pfnlab.checker.shorten import shortened
from pfnlab.programs.model import ModelMachine
from pfnlab.programs.ops import Exit, Fork, Munmap
from pfnlab.programs.printer import op_lines
from pfnlab.programs.text import parse

PROGRAM = parse(
    """pfnlab program 1
device bar: pci, 4 pages
p = fork
p: exit
a = mmap bar[0:4] wc shared rw
munmap a[1]
q = fork
munmap a
q: exit
"""
)


def test_what_is_not_needed_goes() -> None:
    """Only what is asked for stays, with what it cannot be without."""
    short = shortened(PROGRAM, lambda ops: any(isinstance(op.call, Exit) for op in ops))

    assert ["p = fork", "p: exit"] == list(op_lines(short)) or ["q = fork", "q: exit"] == list(
        op_lines(short)
    )


def test_the_order_stays() -> None:
    """What is needed keeps its order."""
    short = shortened(
        PROGRAM,
        lambda ops: (
            [type(op.call) for op in ops if isinstance(op.call, Munmap | Fork)] == [Munmap, Fork, Munmap]
        ),
    )

    assert ["a = mmap bar[0:4] wc shared rw", "munmap a[1]", "q = fork", "munmap a"] == list(op_lines(short))


def test_a_random_walk_ends_in_a_short_program() -> None:
    """What random walks find is as short as what a search finds."""
    scope = load_scope("small")
    assert isinstance(scope, Scope)
    limits = Limits(depth=12, walks=30, seed=1)

    found = check(ModelMachine("6.1"), scope, questions(["no_leak"]), limits)

    assert (False, "violated") == (found.complete, found.answers[0].verdict)
    assert found.answers[0].program is not None
    assert 3 == len(found.answers[0].program.ops)
