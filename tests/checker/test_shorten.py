"""Counterexamples without what they do not need."""

from __future__ import annotations

from pfnlab.checker.check import Limits, check
from pfnlab.checker.domain import KernelModel
from pfnlab.checker.properties import no_leak, questions
from pfnlab.checker.scope import Scope, load_scope
from pfnlab.checker.shorten import shortened
from pfnlab.programs.model import ModelMachine
from pfnlab.programs.ops import Exit, Munmap
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

    assert list(op_lines(short)) in (["exit"], ["p = fork", "p: exit"], ["q = fork", "q: exit"])


def test_the_order_stays() -> None:
    """What is needed keeps its order."""
    unmaps = [op for op in PROGRAM.ops if isinstance(op.call, Munmap)]
    short = shortened(PROGRAM, lambda ops: [op for op in ops if isinstance(op.call, Munmap)] == unmaps)

    assert ["a = mmap bar[0:4] wc shared rw", "munmap a[1]", "munmap a"] == list(op_lines(short))


def test_a_random_walk_ends_in_a_short_program() -> None:
    """Nothing can be left out of what random walks find."""
    scope = load_scope("small")
    assert isinstance(scope, Scope)
    limits = Limits(depth=12, walks=30, seed=1)

    found = check(ModelMachine("6.1"), scope, questions(["no_leak"]), limits)

    program = found.answers[0].program
    assert program is not None
    assert not found.complete
    model = KernelModel(ModelMachine("6.1"), scope)
    assert model.breaks(program.ops, no_leak)
    assert program == shortened(program, lambda ops: model.breaks(ops, no_leak))
