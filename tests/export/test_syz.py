"""Programs as those of syzkaller, and back."""

from __future__ import annotations

import msgspec
import pytest
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.export.from_syz import from_syz
from pfnlab.export.subject import Subject
from pfnlab.export.syz_lines import looks_like_syz
from pfnlab.export.to_syz import as_syz
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Fork, Mremap, Program, tasks_of
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.process_ops import ProcessMadvise, ProcessMrelease

HEAD = "pfnlab program 1\ndevice  bar: pci, 16 pages\n\na = mmap bar[0:16] wc shared rw\n"

FILE = "/sys/bus/pci/devices/0000:00:04.0/resource2_wc"
WC = f"r0 = openat$sysfs(0xffffffffffffff9c, &(0x7f0000000000)='{FILE}\\x00', 0x2)\n"
MMAP = "mmap(&(0x7f0000100000/0x10000)=nil, 0x10000, 0x3, 0x11, r0, 0x0)\n"


def exported(program: Program) -> str:
    (text,) = as_syz(Subject("one", program)).values()
    return text


def imported(text: str) -> str:
    return from_syz(text, "one.syz", {}).text()


def alike(program: Program) -> Program:
    """The program as syzkaller can say it: children have no names, and the start of an area is the area."""
    names = {task: f"child{number}" if number else task for number, task in enumerate(tasks_of(program))}
    ops = []
    for op in program.ops:
        call = op.call
        if isinstance(call, Fork):
            call = Fork(names[call.child])
        elif isinstance(call, ProcessMadvise):
            call = msgspec.structs.replace(call, target=names[call.target])
        elif isinstance(call, ProcessMrelease):
            call = ProcessMrelease(names[call.victim])
        elif isinstance(call, Mremap) and call.over is not None and call.over.start == 0:
            call = msgspec.structs.replace(call, name=call.over.name, over=None)
        ops.append(msgspec.structs.replace(op, call=call))
    return msgspec.structs.replace(program, ops=tuple(ops))


def goes_and_comes(program: Program) -> bool:
    """True where the program can be said; then it comes back as it was."""
    try:
        text = exported(program)
    except Undecided:
        return False
    assert looks_like_syz(text)
    back = load_text(imported(text))
    assert (alike(program).devices, alike(program).ops) == (back.devices, back.ops)
    assert (program.title, program.asks, program.expects) == (back.title, back.asks, back.expects)
    return True


def test_programs_of_the_library_come_back() -> None:
    """As many as have system calls only; the others are refused in a line."""
    said = [path.stem for path in library_paths() if goes_and_comes(load_program(path))]

    assert {"munmap-middle", "mremap-move-pieces"} <= {*said}
    assert len(said) > 70


@settings(deadline=None, max_examples=200)
@given(st.integers(0, 1 << 30))
def test_random_programs_come_back(seed: int) -> None:
    """Of each as many operations as can be said."""
    program = draw(seed, 0)
    kept: tuple[object, ...] = ()
    for op in program.ops:
        try:
            exported(msgspec.structs.replace(program, ops=(*kept, op)))
        except Undecided:
            continue
        kept = (*kept, op)
    if kept:
        goes_and_comes(msgspec.structs.replace(program, ops=kept, expects=()))


def test_words_about_processes_come_back() -> None:
    """With tasks of both sides of a fork, one of which is named before another is started."""
    lines = (
        "process_madvise a cold main\nc = fork\nprocess_madvise a[4:8] willneed c\nd = fork\n"
        "process_mrelease d\nprocess_mrelease c\nprocess_mrelease main\nsetrlimit data unlimited\n"
        "pagemap_scan a[2:5]\nb = mmap bar[0:4] uc shared r\npagemap_scan b\n"
    )

    assert goes_and_comes(load_text(f"{HEAD}{lines}"))


def test_what_is_unmapped_before_anything_is_mapped_comes_back() -> None:
    """The text begins with a munmap of its own, which is none of the program."""
    program = load_text(f"{HEAD.partition('a = ')[0]}area a: 16 pages\nmunmap a[4:8]\nmunmap a[0:16]\n")

    assert goes_and_comes(program)


def test_a_call_that_was_changed_is_noticed() -> None:
    """What the comparison of these tests is worth."""
    program = load_text(f"{HEAD}munmap a[4:8]\n")
    text = exported(program).replace("munmap(&(0x7f0000204000/0x4000)=nil, 0x4000)", "")

    assert program.ops != load_text(imported(text)).ops


@for_each(
    ("line", "why"),
    [
        ("read a[0]", "no system call with fixed arguments does it"),
        ("b = mmap bar[0:4] driver remap wc shared rw", "`driver` has no file"),
        ("c = fork\nc: munmap a", "a child or thread acts"),
        ("setrlimit as +4 pages", "what the process has is not known beforehand"),
        ("skip flush_tlb_mm_range: munmap a", "the kernel is steered"),
        ("b = mmap bar[0:8192] wc shared rw", "its areas need 9728 pages, and a syzkaller program has 4096"),
    ],
)
def test_what_cannot_be_said_is_refused(line: str, why: str) -> None:
    """With the operation, and the reason."""
    with pytest.raises(Undecided, match="one: ") as refused:
        exported(load_text(f"{HEAD}{line}\n"))

    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_physical_memory_has_an_address_to_be_replaced() -> None:
    """The text says so."""
    text = exported(load_text(HEAD.replace("wc shared", "devmem shared")))

    assert "Replace 0000:00:04.0 by the device, and 0xfe000000 by the address of BAR 2." in text
    assert "0xfe000000)\n" in text


@for_each(
    ("calls", "lines"),
    [
        ("munmap(&(0x7f0000104000/0x4000)=nil, 0x4000)", ["munmap a[4:8]"]),
        ("munmap(&(0x7f0000900000/0x4000)=nil, 0x4000)", []),
        ("mprotect(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x1)", ["mprotect a[0] r"]),
        (
            "pkey_mprotect(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x1, 0xffffffffffffffff)",
            ["pkey_mprotect a[0] r"],
        ),
        ("madvise(&(0x7f0000100000/0x10000)=nil, 0x10000, 0xa)", ["madvise a dontfork"]),
        (
            "mbind(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x2, &(0x7f0000000000)=0x1, 0x40, 0x2)",
            ["mbind a[0] bind move"],
        ),
        ("mbind(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x0, 0x0, 0x0, 0x0)", ["mbind a[0] default"]),
        ("mlock(&(0x7f0000100000/0x10000)=nil, 0x10000) (fail_nth: 5)", ["mlock a"]),
        ("munlock(&(0x7f0000100000/0x10000)=nil, 0x10000) (async)", ["munlock a"]),
        (
            "mremap(&(0x7f0000100000/0x10000)=nil, 0x10000, 0x2000, 0x3, &(0x7f0000800000/0x2000)=nil)",
            ["b = mremap a 2 pages maymove fixed"],
        ),
        (
            "mremap(&(0x7f0000100000/0x10000)=nil, 0x10000, 0x2000, 0x0, &(0x7f0000100000/0x2000)=nil)",
            ["mremap a 2 pages"],
        ),
        (
            "mmap(&(0x7f0000102000/0x2000)=nil, 0x2000, 0x1, 0x11, r0, 0x4000)",
            ["mmap bar[4:6] wc shared r over a[2:4]"],
        ),
        (
            "mmap(&(0x7f0000102000/0x2000)=nil, 0x2000, 0x0, 0x32, 0xffffffffffffffff, 0x0)",
            ["mmap anon[0:2] private none over a[2:4]"],
        ),
        ("syz_clone(0x0, 0x0, 0x0, 0x0, 0x0, 0x0)", ["child1 = fork"]),
        ("fork()", ["child1 = fork"]),
        ("clone(0x100, 0x0, 0x0, 0x0, 0x0)", []),
        ("socket$inet(0x2, 0x1, 0x0)", []),
        (
            "r1 = dup(r0)\nmmap(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x1, 0x11, r1, 0x0)",
            ["mmap bar[0] wc shared r over a[0]"],
        ),
    ],
)
def test_calls_of_others(calls: str, lines: list[str]) -> None:
    """A program that says nothing in comments."""
    text = imported(f"{WC}{MMAP}{calls}\n")

    assert ["a = mmap bar[0:16] wc shared rw", *lines] == op_lines(load_text(text))


@for_each(
    ("calls", "says"),
    [
        (
            "mlock(&(0x7f0000100000/0x1000)=nil, 0x1000) (fail_nth: 5)",
            "# not said, 1: (fail_nth): a program names",
        ),
        ("munlockall() (async, rerun: 4)", "# not said, 1: (async): a program names"),
        ("clone(0x100, 0x0, 0x0, 0x0, 0x0)", "# not said, 1: clone of something other than a process"),
        (
            "mbind(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x3, &(0x7f0000000000)=0x1, 0x40, 0x0)",
            "# not said, 1: mbind 0x3 &(0x7f0000000000)=0x1 0x0",
        ),
        ("madvise(&(0x7f0000100000/0x1000)=nil, 0x1000, 0x77)", "# not said, 1: madvise 0x77"),
        ("socket(0x1)\nsocket(0x2)", "# other calls, 2: socket 2"),
    ],
)
def test_what_is_not_said_is_counted(calls: str, says: str) -> None:
    """Properties and calls of other kinds."""
    assert says in imported(f"{WC}{MMAP}{calls}\n")


@for_each(
    ("text", "problem"),
    [
        ("# nothing\n", "one.syz: it has no call"),
        (f"{WC}what is this\n", "one.syz:2: this is not a call of a syzkaller program: what is this"),
        ("r0 = socket(0x1)\n", "one.syz: no call maps device memory"),
    ],
)
def test_other_texts_are_refused(text: str, problem: str) -> None:
    """With the line."""
    with pytest.raises(Misuse, match=problem):
        imported(text)
