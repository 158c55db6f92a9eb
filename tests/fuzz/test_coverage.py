"""Coverage: branches as the source has them, pairs, and the words of kernel calls."""

from __future__ import annotations

import pytest

from pfnlab.branches import BranchWatch, branches_of
from pfnlab.fuzz.coverage import PACKAGE, WORDS, Coverage, all_branches, watch_rules
from pfnlab.fuzz.grammar import draw
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Run

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\narea a: 24 pages\n\n"


def watched(text: str, watch: BranchWatch | None = None) -> set[str]:
    """The branches a program reaches on the model of 7.2."""
    watch = watch or watch_rules()
    with watch:
        ModelMachine("7.2").run([load_text(HEADER + text)])
    return watch.seen


def way(file: str, line: str) -> str:
    """The branch whose test is *line* of *file*."""
    lines = (PACKAGE / file).read_text(encoding="utf-8").splitlines()
    (number,) = (at for at, text in enumerate(lines, 1) if text.strip() == line)
    return f"{file}:{number}"


def test_both_ways_of_a_branch() -> None:
    """A sealed mapping goes into the refusal, another past it."""
    refusal = way("mm/unmap.py", "if any(vma.flags & VM_SEALED for vma in vmas):")
    mapped = "a = mmap bar[0:4] wc shared rw\n"

    past, both = watched(f"{mapped}munmap a\n"), watched(f"{mapped}mseal a\nmunmap a\n")

    assert f"{refusal} past" in past and f"{refusal} in" not in past
    assert f"{refusal} in" in both


def test_a_rule_that_checks_something_is_watched() -> None:
    """Only the model's checks of itself are not."""
    conflict = way("mm/memtype.py", "if adopts or overlap.type == actual:")
    twice = "a = mmap bar[0:4] wc shared rw\nb = mmap bar[0:4] wc shared rw\n"

    assert f"{conflict} in" in watched(twice)


def test_a_loop_that_is_never_entered_is_past() -> None:
    """The walk over VMAs of an address space without any."""
    loop = way("mm/fork.py", "for src in vmas:")

    assert f"{loop} in" not in watched("c = fork\n")
    assert f"{loop} past" in watched("c = fork\n")
    assert f"{loop} in" in watched("a = mmap bar[0:4] wc shared rw\nc = fork\n")


@pytest.mark.target("long")
def test_only_branches_there_are_can_be_reached() -> None:
    """Names agree between the watch and the list, for many programs."""
    watch = watch_rules()
    with watch:
        ModelMachine("7.2").run([draw(1, index) for index in range(60)])

    assert watch.seen <= all_branches()
    assert len(watch.seen) > len(all_branches()) / 3


def test_settling_changes_nothing_that_is_seen() -> None:
    """Functions that are done are not looked at any more, and no branch is missed for it."""
    texts = [
        "a = mmap bar[0:4] wc shared rw\n",
        "a = mmap bar[0:4] wc shared rw\nmunmap a[1]\n",
        "c = fork\n",
    ]
    one, other = watch_rules(), watch_rules()
    for text in texts:
        watched(text, one)
        watched(text, other)
        other.settle()

    assert one.seen == other.seen


def test_checks_and_module_level_do_not_count() -> None:
    """The model's checks of itself are no rules."""
    names = {branch.line for branch in branches_of(str(PACKAGE / "mm/vma.py"))}
    lines = (way("mm/vma.py", "if TYPE_CHECKING:"), way("mm/vma.py", "if other is not None:"))

    assert int(lines[0].rpartition(":")[2]) not in names
    assert int(lines[1].rpartition(":")[2]) in names


def run_of(program: Program) -> Run:
    """Its run on the model of 7.2."""
    return ModelMachine("7.2").run([program])[0]


def test_new_is_what_was_not_there() -> None:
    """A program adds once."""
    program = draw(1, 1)
    coverage = Coverage()

    assert coverage.add(program, [run_of(program)], {"mm/vma.py:1 in"})
    assert not coverage.add(program, [run_of(program)], {"mm/vma.py:1 in"})
    assert set(coverage.words) <= WORDS
    assert {2} == set(coverage.pairs.values())
