"""The static checks on values, where no text can lead."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import (
    Area,
    Device,
    Exit,
    Expect,
    Fork,
    LeakedEntry,
    Madvise,
    Mmap,
    Mremap,
    Munmap,
    Op,
    Program,
    Read,
    Release,
    Thread,
    Write,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.walk_ops import Walk

BAR = Device("bar", "pci", 16)
A = Op(Mmap("a", Span("bar", 0, 16), "wc", True, "rw"))
GOOD = Program("", "", (BAR,), (A,))


def complaint(**changes: Any) -> str:
    """What is said about GOOD with some fields replaced."""
    with pytest.raises(ProgramError) as caught:
        check_program(msgspec.structs.replace(GOOD, **changes))
    return caught.value.message


def test_a_correct_program_passes() -> None:
    """Nothing is said about a correct program."""
    check_program(GOOD)


@for_each(
    ("changes", "message"),
    [
        ({"title": "two\nlines"}, "title: `title` takes one line of printable text"),
        ({"title": " padded"}, "title: `title` takes one line of printable text"),
        ({"asks": "Really"}, "asks: `asks` is a question: end it with `?`"),
        (
            {"devices": ()},
            "operation 1: no device yet: write `device  bar: pci, 16 pages` above the first operation",
        ),
        ({"ops": ()}, "program: no operation: write at least one, e.g. `a = mmap bar[0:16] wc shared rw`"),
        ({"devices": (BAR, BAR)}, "device 2: there is a device `bar` already: choose another name"),
        ({"areas": (Area("bar", 1),)}, "area 1: `bar` is a device already: choose another name for the area"),
        ({"areas": (Area("z", 1),) * 2}, "area 2: area `z` is declared already: choose another name"),
        ({"areas": (Area("z", 2 << 30),)}, "area 1: an area is at most 4 TiB: write `4 TiB` or less"),
        (
            {"expects": (Expect("6.x", None),)},
            "expectation 1: `6.x` is not a kernel: write a series, e.g. `6.12`, or `6.12.23`",
        ),
        (
            {"expects": (Expect("6.1", "6.01"),)},
            "expectation 1: `6.01` is not a kernel: write a series, e.g. `6.12`, or `6.12.23`",
        ),
        (
            {"expects": (Expect("6.12.23", "6.16"),)},
            "expectation 1: versions of a range are of one series: write `6.12.23..`, up to its end",
        ),
        (
            {"expects": (Expect("6.12", "6.12.30"),)},
            "expectation 1: a range has two series or two versions: write `6.12`",
        ),
        (
            {"expects": (Expect("6.12.30", "6.12.4"),)},
            "expectation 1: the range runs backwards: write `6.12.4..6.12.30`",
        ),
        (
            {"expects": (Expect("6.1", None, keeps="No leak"),)},
            "expectation 1: `No leak` is not a property: write e.g. `keeps no_leak`",
        ),
        (
            {"expects": (Expect("6.1", None, (LeakedEntry(Span("bar", 0, 1), "wc"),), "no_leak"),)},
            "expectation 1: an expectation is about entries or about a property: write two lines",
        ),
        (
            {"expects": (Expect("6.1", None, (LeakedEntry(Span("bar", 4, 4), "wc"),)),)},
            "expectation 1: bar[4:4] holds no page: write bar[4] for one",
        ),
    ],
)
def test_a_wrong_part_is_named(changes: dict[str, Any], message: str) -> None:
    """The header, operation or expectation is named by its number."""
    assert message == complaint(**changes)


@for_each(
    ("op", "message"),
    [
        (Op(Munmap(Span("a", 0, 17))), "a is 16 pages: write a[0:16] at most, or declare `area a: 17 pages`"),
        (Op(Munmap(Span("a", -1, 2))), "pages count from 0: write a[0:2]"),
        (Op(Munmap(Span("a", 0, 1 << 31))), "a is 16 pages: write a[0:16] at most"),
        (
            Op(Munmap(Span("a", 1 << 41, 1 << 42))),
            "page numbers go up to 2^40: write a smaller range of a",
        ),
        (Op(Read(Span("a", 0, 2))), "read takes one page: write a[0]"),
        (Op(Write(Span("a", 0, 1), -1)), "a store is 32 bits wide: write 0 to 0xffffffff"),
        (
            Op(Walk("pagemap", Span("a", 0, 1), node="node0")),
            "move_pages takes a node, pagemap does not: leave it out",
        ),
        (Op(Fork("main")), "`main` is a word of the language: choose another name"),
        (Op(Fork("bar")), "`bar` is a device already: choose another name for the task"),
        (
            Op(Munmap(Span("a", 0, 1)), "ghost"),
            "there is no task `ghost` yet: fork it above, e.g. `c = fork`",
        ),
        (
            Op(Mmap("b", Span("bar", 0, 4), "anon", True, "rw")),
            "bar is a pci device and cannot be mapped by `anon`"
            ": write one of wc, uc, devmem, devmem-sync, proc-wc, proc-uc, driver, vfio",
        ),
        (
            Op(Mmap("b", Span("anon", 0, 4), "wc", False, "rw")),
            "anonymous memory takes no via: leave the word out",
        ),
        (
            Op(Mmap("b", Span("bar", 0, 4), "wc", True, "")),
            "`` is not a protection: write `none` or letters of `rwx`",
        ),
        (Op(Mremap(Span("a", 0, 4), -1)), "a size is not negative: write `1 page` or more"),
        (
            Op(Mremap(Span("a", 0, 4), 4, fixed=True, name="b", over=Span("a", 4, 8))),
            "two destinations: leave out `b =` or `over`",
        ),
        (
            Op(Mremap(Span("a", 0, 4), 0, fixed=True, name="b")),
            "nothing can be moved as 0 pages: write `1 page` or more",
        ),
        (Op(Fork("c"), fail=Fail("", 1)), "`` is not a kernel function: write one, e.g. __pte_alloc"),
        (Op(Fork("c"), skip=Skip("a b")), "`a b` is not a kernel function: write one, e.g. unmap_vmas"),
        (Op(Fork("c"), hold=Hold("x", -1)), "calls count from 1 to 1000: write 1 for the first"),
        (Op(Thread("main")), "`main` is a word of the language: choose another name"),
        (Op(Release()), "nothing is held here: write `hold unmap_vmas: munmap a` above"),
        (
            Op(Exit(), hold=Hold("exit_mmap")),
            "`hold` takes an operation that comes back to its task: write `hold unmap_vmas: munmap a`",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_operation_is_refused(op: Op, message: str) -> None:
    """Values that no text gives are judged all the same."""
    assert f"operation 2: {message}" == complaint(ops=(A, op))


def test_an_unknown_advice_is_refused() -> None:
    """The nearest advice is named."""
    op = Op(Madvise(Span("a", 0, 1), "dontforks"))

    assert complaint(ops=(A, op)) == "operation 2: unknown advice `dontforks`: did you mean `dontfork`?"


def test_a_mapping_may_pass_the_end_of_its_device() -> None:
    """The kernel is asked what it says to that."""
    op = Op(Mmap("b", Span("bar", 12, 20), "wc", True, "rw"))

    check_program(msgspec.structs.replace(GOOD, ops=(A, op)))


def test_a_declared_area_may_be_named_before_it_is_mapped() -> None:
    """A declaration makes addresses sayable."""
    check_program(msgspec.structs.replace(GOOD, areas=(Area("z", 4),), ops=(Op(Munmap(Span("z", 0, 4))), A)))


def test_the_largest_extent_so_far_may_be_named() -> None:
    """A smaller mapping of the same name takes no addresses away."""
    small = Op(Mmap("a", Span("bar", 0, 2), "wc", True, "rw"))

    check_program(msgspec.structs.replace(GOOD, ops=(A, small, Op(Munmap(Span("a", 0, 16))))))


def test_a_later_mapping_does_not_help_an_earlier_line() -> None:
    """What may be named grows from the line that maps."""
    text = "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:2] wc shared rw\nmunmap a[0:4]\n"

    with pytest.raises(ProgramError, match="a is 2 pages"):
        load_text(text + "a = mmap bar[0:4] wc shared rw\n")


HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:16] wc shared rw\n"


def test_a_program_that_ends_held_is_refused() -> None:
    """JSON has no line to point at, the program as a whole is named."""
    held = Op(Munmap(Span("a", 0, 4)), hold=Hold("unmap_vmas"))

    message = "program: `main` is still held in `munmap a[0:4]`: write `release` as the last operation"
    assert message == complaint(ops=(A, held))


@for_each(
    "lines",
    [
        "hold unmap_vmas: munmap a\nrelease\nmunmap a\n",
        "hold unmap_vmas: munmap a\nrelease\nhold unlink: munmap a\nrelease\n",
        "c = fork\nhold unmap_vmas: munmap a\nc: munmap a\nc: munmap a\nc: memtype_list\nrelease\n",
        "c = fork\nexit\nhold unmap_vmas: c: munmap a\nrelease\n",
        "hold copy_page_range: c = fork\nrelease\nc: munmap a\n",
        "t = thread\nhold unmap_vmas: munmap a\nt: c = fork\nt: d = fork\nrelease\nc: exit\nd: exit\n",
        "c = fork\nd = fork\ne = fork\ne: exit\nhold unmap_vmas: munmap a\nrelease\n",
        "skip flush_tlb_mm_range: hold tlb_finish_mmu: munmap a\nrelease\nskip vm_close: munmap a\n",
        "hold no_such_function_anywhere: munmap a\nrelease\n",
        "hold memtype_reserve: memtype_list\nrelease\n",
        "t = thread\nhold unmap_vmas: munmap a\nhold unlink: t: munmap a\nrelease main\nmunmap a\nrelease\n",
        "t = thread\nhold unmap_vmas: munmap a\nhold unlink: t: munmap a\nrelease t\n"
        "t: munmap a\nrelease main\n",
        "t = thread\nhold unmap_vmas: munmap a\nhold unlink: t: munmap a\nrelease t\n"
        "hold unlink: t: munmap a\nrelease main\nrelease t\n",
    ],
    ids=[
        *("after", "again", "others-act", "main-gone", "fork", "fork-while-held", "three-left", "skip"),
        *("any-function", "memtype-list", "two", "either-first", "two-again"),
    ],
)
def test_a_schedule_may(lines: str) -> None:
    """What a held processor does not forbid."""
    load_text(HEAD + lines)


@for_each(
    "lines",
    [
        "t = thread\nc = fork\nc: exec\n",
        "t = thread\nt: c = fork\nc: exec\nc: u = thread\n",
        "c = fork\nc: t = thread\nexec\n",
        "c = fork\nc: t = thread\nc: exit\nmunmap a\n",
        "c = fork\nc: t = thread\nexit\nt: munmap a\n",
    ],
)
def test_threads_end_with_their_own_process_only(lines: str) -> None:
    """A fork makes a process with one thread, whoever forks."""
    load_text(HEAD + lines)
