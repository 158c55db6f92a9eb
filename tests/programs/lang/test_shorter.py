"""Programs with fewer operations that still show the same."""

from __future__ import annotations

from for_each import for_each

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Exit, Munmap, Program
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.shorter import shrink_steps, shrunk, without
from pfnlab.programs.lang.validity import check_program

HEADER = "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"

PROGRAM = load_text(
    HEADER + "p = fork\np: exit\na = mmap bar[0:4] wc shared rw\nmunmap a[1]\nq = fork\nmunmap a\nq: exit\n"
)


def test_what_is_not_needed_goes() -> None:
    """Only what is asked for stays, with what it cannot be without."""
    short = shrunk(PROGRAM, lambda one: any(isinstance(op.call, Exit) for op in one.ops))

    assert list(op_lines(short)) in (["exit"], ["p = fork", "p: exit"], ["q = fork", "q: exit"])


def test_the_order_stays() -> None:
    """What is needed keeps its order."""
    unmaps = [op for op in PROGRAM.ops if isinstance(op.call, Munmap)]
    short = shrunk(PROGRAM, lambda one: [op for op in one.ops if isinstance(op.call, Munmap)] == unmaps)

    assert ["a = mmap bar[0:4] wc shared rw", "munmap a[1]", "munmap a"] == list(op_lines(short))


def test_each_is_shorter_than_the_one_before() -> None:
    """On the way every program shows it, and has fewer operations than the last."""
    found = list(shrink_steps(PROGRAM, lambda one: any(isinstance(op.call, Munmap) for op in one.ops)))
    lengths = [len(PROGRAM.ops), *(len(one.ops) for one in found)]

    assert len(found) > 1
    assert lengths == sorted(set(lengths), reverse=True)


def test_only_programs_are_asked_about() -> None:
    """What nobody could write down, as an unmap of an area nobody mapped, is not tried."""
    asked: list[Program] = []

    def shows(one: Program) -> bool:
        asked.append(one)
        return False

    shrunk(PROGRAM, shows)

    assert asked
    for one in asked:
        check_program(one)


def test_a_child_goes_with_its_fork() -> None:
    """No operation is left of a task nobody made."""
    program = load_text(
        HEADER + "a = mmap bar[0:8] wc shared rw\nc = fork\nc: munmap a\nc: d = fork\nd: exit\nmunmap a\n"
    )

    smaller = without(program, [1])

    assert smaller is not None
    assert ["a = mmap bar[0:8] wc shared rw", "munmap a"] == op_lines(smaller)


def test_a_hold_goes_with_its_release() -> None:
    """What is left of a schedule is a program without one."""
    program = load_text(
        HEADER
        + "a = mmap bar[0:8] wc shared rw\nt = thread\nhold unmap_vmas: munmap a\nt: read a[0]\nrelease\n"
    )

    smaller = without(program, [4])

    assert smaller is not None
    assert ["a = mmap bar[0:8] wc shared rw", "t = thread", "munmap a", "t: read a[0]"] == op_lines(smaller)


TWO = HEADER + (
    "a = mmap bar[0:8] wc shared rw\nt = thread\nhold unmap_vmas: munmap a\nhold unlink: t: munmap a\n"
    "release main\nread a[0]\nrelease\n"
)


@for_each(
    ("place", "left"),
    [
        (2, ["hold unlink: t: munmap a", "read a[0]", "release"]),
        (3, ["hold unmap_vmas: munmap a", "release main", "read a[0]"]),
        (4, ["munmap a", "hold unlink: t: munmap a", "read a[0]", "release"]),
        (6, ["hold unmap_vmas: munmap a", "t: munmap a", "release main", "read a[0]"]),
    ],
)
def test_each_of_two_holds_goes_with_its_own_release(place: int, left: list[str]) -> None:
    """What is left is a program, with the other."""
    smaller = without(load_text(TWO), [place])

    assert smaller is not None
    check_program(smaller)
    assert left == op_lines(smaller)[2:]
