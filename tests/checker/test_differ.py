"""Difference search: where two policies part, and that equal ones never do."""

from __future__ import annotations

from pfnlab.checker.differ import DifferResult, compare
from pfnlab.checker.scopes.scope import Scope, read_scope
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

SCOPE = """
devices = ["bar: pci, 3 pages"]
tasks = 2
areas = 1
depth = 3
operations = [
  "new = mmap bar[0:3] wc shared rw",
  "munmap <first>",
  "munmap <all>",
  "mprotect <first> r",
  "child = fork",
]
"""


def parted(one: str, other: str, *, flushes: bool = False, spec: str = "7.2") -> DifferResult:
    """A difference search between two variants of one kernel."""
    scope = read_scope(SCOPE, "tiny")
    assert isinstance(scope, Scope)
    return compare(ModelMachine(f"{spec},{one}"), ModelMachine(f"{spec},{other}"), scope, flushes=flushes)


def program(found: DifferResult) -> list[str]:
    """The operations of the program that tells them apart."""
    assert found.program is not None
    return list(op_lines(found.program))


def test_two_trackers_part_at_the_shortest_program() -> None:
    """vm_pat and track_ctx are told apart by two operations."""
    found = parted("tracker=vm_pat", "tracker=track_ctx")

    assert ["a = mmap bar[0:3] wc shared rw", "munmap a[0]"] == program(found)
    assert ("log",) == found.differ


def test_a_tracker_is_like_itself() -> None:
    """A policy and itself do the same in every sequence."""
    found = parted("tracker=exact", "tracker=exact")

    assert ((), None, True) == (found.differ, found.program, found.complete)


def test_flush_placements_part_in_flushes_alone() -> None:
    """What end_vma and free_vmas do differs in how often they flush, which is compared when asked."""
    placements = "flush=end_vma", "flush=free_vmas"

    assert parted(*placements).program is None
    found = parted(*placements, flushes=True)
    assert ["a = mmap bar[0:3] wc shared rw", "mprotect a[0] r", "munmap a"] == program(found)
    assert ("flushes",) == found.differ
