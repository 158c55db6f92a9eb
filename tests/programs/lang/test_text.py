"""The meaning of every line of the text form."""

from __future__ import annotations

import subprocess
import sys
import time
import timeit
from pathlib import Path

from for_each import for_each

from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import (
    Area,
    Call,
    Device,
    Exec,
    Exit,
    Expect,
    Fork,
    Kill,
    LeakedEntry,
    Look,
    Madvise,
    Mbind,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munlockall,
    Munmap,
    Op,
    PkeyMprotect,
    Program,
    Read,
    ReadMemtypeList,
    Release,
    Thread,
    Write,
)
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.lang.process_ops import ProcessMadvise, ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ClearRefs, Walk

HEAD = """\
pfnlab program 1
device  bar: pci, 16 pages
device  low: lowmem, 4 pages
area    z: 64 pages
a = mmap bar[0:16] wc shared rw
b = mmap bar[0:4] uc shared rw
"""


def last_op(line: str) -> Op:
    """The operation *line* means after HEAD."""
    return load_text(f"{HEAD}{line}\n").ops[-1]


@for_each(
    ("line", "call"),
    [
        ("c = mmap bar[0:16] wc shared rw", Mmap("c", Span("bar", 0, 16), "wc", True, "rw")),
        ("c = mmap bar uc private none", Mmap("c", Span("bar", 0, 16), "uc", False, "none")),
        ("c = mmap bar[3] proc-uc shared r", Mmap("c", Span("bar", 3, 4), "proc-uc", True, "r")),
        ("c = mmap low[0:4] devmem-sync shared x", Mmap("c", Span("low", 0, 4), "devmem-sync", True, "x")),
        ("c = mmap bar[14:20] wc shared rw", Mmap("c", Span("bar", 14, 20), "wc", True, "rw")),
        (
            "mmap bar[0:16] wc shared rw locked populate over z[3:19]",
            Mmap(None, Span("bar", 0, 16), "wc", True, "rw", True, True, Span("z", 3, 19)),
        ),
        (
            "mmap anon[0:2] private rwx over a[3:5]",
            Mmap(None, Span("anon", 0, 2), "anon", False, "rwx", over=Span("a", 3, 5)),
        ),
        ("c = mmap perf[0:5] shared rw", Mmap("c", Span("perf", 0, 5), "perf", True, "rw")),
        (
            "c = mremap vvar 4 pages maymove fixed",
            Mremap(Span("vvar", 0, 4), 4, maymove=True, fixed=True, name="c"),
        ),
        ("munmap a[4:8]", Munmap(Span("a", 4, 8))),
        ("munmap a [ 0x4 : 0x8 ]", Munmap(Span("a", 4, 8))),
        ("munmap a[3]", Munmap(Span("a", 3, 4))),
        ("munmap a", Munmap(Span("a", 0, 16))),
        ("munmap z[60:64]", Munmap(Span("z", 60, 64))),
        ("mprotect a[0:4] none", Mprotect(Span("a", 0, 4), "none")),
        ("madvise a[0:4] dontfork", Madvise(Span("a", 0, 4), "dontfork")),
        ("mlock a[0:4]", Mlock(Span("a", 0, 4))),
        ("munlock a[0:4]", Munlock(Span("a", 0, 4))),
        ("mlockall", Mlockall()),
        ("munlockall", Munlockall()),
        ("msync a", Msync(Span("a", 0, 16))),
        ("mseal a[0:2]", Mseal(Span("a", 0, 2))),
        ("clear_refs soft_dirty", ClearRefs("soft_dirty")),
        ("process_mrelease main", ProcessMrelease("main")),
        ("setrlimit as +16 pages", Setrlimit("as", 16)),
        ("setrlimit data unlimited", Setrlimit("data", None)),
        ("pkey_mprotect a[0:2] rw", PkeyMprotect(Span("a", 0, 2), "rw")),
        ("pkey_mprotect a none keyed", PkeyMprotect(Span("a", 0, 16), "none", keyed=True)),
        ("process_madvise a[0:2] cold main", ProcessMadvise(Span("a", 0, 2), "cold", "main")),
        ("mbind a[0:2] bind", Mbind(Span("a", 0, 2), "bind")),
        ("mbind a default move", Mbind(Span("a", 0, 16), "default", move=True)),
        ("mremap a[0:16] 8 pages", Mremap(Span("a", 0, 16), 8)),
        ("mremap a[0:0] 32 KiB maymove", Mremap(Span("a", 0, 0), 8, True)),
        (
            "c = mremap a[3:5] 2 pages fixed dontunmap",
            Mremap(Span("a", 3, 5), 2, False, True, True, "c"),
        ),
        (
            "mremap a[0:4] 4 pages over z[2:6] fixed maymove",
            Mremap(Span("a", 0, 4), 4, True, True, False, None, Span("z", 2, 6)),
        ),
        ("read a[3]", Read(Span("a", 3, 4))),
        ("write a[3] 0xff", Write(Span("a", 3, 4), 255)),
        ("move_pages a[0:2]", Walk("move_pages", Span("a", 0, 2))),
        ("move_pages a[0:2] node0", Walk("move_pages", Span("a", 0, 2), node="node0")),
        ("c = fork", Fork("c")),
        ("t = thread", Thread("t")),
        ("memtype_list", ReadMemtypeList()),
        ("exec", Exec()),
        ("exit", Exit()),
        ("kill", Kill()),
        ("look", Look()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_line_means(line: str, call: Call) -> None:
    """Every operation and word has its value."""
    assert Op(call) == last_op(line)


def test_a_prefix_names_the_task() -> None:
    """`c:` in front lets task c act."""
    assert Op(Munmap(Span("a", 0, 4)), "c") == last_op("c = fork\nc: munmap a[0:4]")


def test_the_main_task_may_be_named() -> None:
    """`main:` in front says what is meant anyway."""
    assert Op(Look()) == last_op("main: look")


@for_each(
    ("prefix", "hold"),
    [
        ("hold unmap_vmas", Hold("unmap_vmas")),
        ("hold flush_tlb_mm_range 2", Hold("flush_tlb_mm_range", 2)),
        ("hold untrack_pfn return", Hold("untrack_pfn", at_return=True)),
        ("hold untrack_pfn 0x3 return", Hold("untrack_pfn", 3, True)),
        ("hold main", Hold("main")),
    ],
)
def test_a_hold_means(prefix: str, hold: Hold) -> None:
    """The first call is meant without a number, its beginning without `return`."""
    op = load_text(f"{HEAD}{prefix}: munmap a\nrelease\n").ops[-2]

    assert Op(Munmap(Span("a", 0, 16)), hold=hold) == op


def test_release_needs_no_task() -> None:
    """`release` is a line of its own."""
    assert Op(Release()) == last_op("hold unmap_vmas: munmap a\nrelease")
    assert Op(Release("main")) == last_op("hold unmap_vmas: munmap a\nrelease main")


@for_each(
    ("prefix", "skip"),
    [("skip flush_tlb_mm_range", Skip("flush_tlb_mm_range")), ("skip vm_open 2", Skip("vm_open", 2))],
)
def test_a_skip_means(prefix: str, skip: Skip) -> None:
    """The first call is meant without a number."""
    assert Op(Mlockall(), skip=skip) == last_op(f"{prefix}: mlockall")


def test_a_fail_means() -> None:
    """The number of the call is always said, the function around it may be."""
    op = last_op("fail __pte_alloc 2 in copy_page_range: c = fork")

    assert Op(Fork("c"), fail=Fail("__pte_alloc", 2, "copy_page_range")) == op


def test_prefixes_stand_before_the_task() -> None:
    """`skip`, `hold`, the task, the operation."""
    line = "skip flush_tlb_mm_range: hold tlb_finish_mmu: c: munmap a"
    op = load_text(f"{HEAD}c = fork\n{line}\nrelease\n").ops[-2]

    assert Op(Munmap(Span("a", 0, 16)), "c", None, Skip("flush_tlb_mm_range"), Hold("tlb_finish_mmu")) == op


def test_a_function_may_be_called_as_an_area() -> None:
    """Names of functions and of the program do not meet."""
    op = load_text(f"{HEAD}unlink = mmap bar wc shared rw\nhold unlink: munmap unlink\nrelease\n").ops[-2]

    assert Op(Munmap(Span("unlink", 0, 16)), hold=Hold("unlink")) == op


def test_a_bare_name_means_the_latest_mapping() -> None:
    """Binding a name again changes what it means, larger ranges stay sayable."""
    assert Op(Munmap(Span("a", 0, 2))) == last_op("a = mmap bar[0:2] wc shared rw\nmunmap a[0:16]\nmunmap a")


def test_names_are_shared_between_tasks() -> None:
    """A child names what its parent mapped before the fork and after."""
    text = "c = fork\nd = mmap bar[0:2] wc shared rw\nc: munmap d"

    assert Op(Munmap(Span("d", 0, 2)), "c") == last_op(text)


def test_an_executed_task_acts_on() -> None:
    """exec ends an address space, not a task."""
    assert Op(Munmap(Span("a", 0, 16))) == last_op("exec\nmunmap a")


def test_the_header_is_read() -> None:
    """Title, question, devices and areas have their fields."""
    text = (
        "pfnlab program 1\ntitle  The  middle # 1\nasks What stays?\n"
        "device bar: pci, 2 MiB\ndevice big: pci, 1 TiB\narea z: 1 page\nlook\n"
    )

    program = load_text(text)

    devices = (Device("bar", "pci", 512), Device("big", "pci", 1 << 28))
    assert Program("The middle # 1", "What stays?", devices, (Op(Look()),), (Area("z", 1),)) == program


@for_each("setting", ["always", "madvise", "never"])
def test_the_setting_of_huge_pages_is_read(setting: str) -> None:
    """It stands anywhere in the header, and comes back in canonical text."""
    text = f"pfnlab program 1\nthp     {setting}\ndevice  bar: pci, 1 page\n\nlook\n"

    program = load_text(text)

    assert setting == program.thp
    assert text == format_program(program)


@for_each(
    ("line", "expect"),
    [
        (
            "expect 6.1..6.12   leaked bar[0:8] wc, bar[9:10] uc-",
            Expect(
                "6.1", "6.12", (LeakedEntry(Span("bar", 0, 8), "wc"), LeakedEntry(Span("bar", 9, 10), "uc-"))
            ),
        ),
        ("expect 6.16.. nothing left", Expect("6.16", None)),
        ("expect 7.2 nothing left", Expect("7.2", "7.2")),
        ("expect 6.1.. keeps no_leak", Expect("6.1", None, keeps="no_leak")),
    ],
)
def test_an_expectation_means(line: str, expect: Expect) -> None:
    """Ranges of kernels are inclusive, open or single."""
    assert (expect,) == load_text(f"{HEAD}{line}\n").expects


@for_each("change", [("\n", "\r\n"), (" ", "\t"), ("pfnlab", "\ufeffpfnlab"), ("\n", "  # why\n")])
def test_spelling_does_not_matter(change: tuple[str, str]) -> None:
    """CRLF, tabs, a byte order mark and comments change nothing."""
    assert load_text(HEAD) == load_text(HEAD.replace(*change))


def test_a_file_is_read_by_its_content(tmp_path: Path) -> None:
    """The name of a program file does not matter."""
    path = tmp_path / "program.json"
    path.write_text(HEAD)

    assert load_text(HEAD) == load_program(path)


def test_reading_is_fast() -> None:
    """Ten operations are read in well under a millisecond (generous for a loaded machine)."""
    text = HEAD + "munmap a[4:8]\n" * 8

    runs = timeit.repeat(lambda: load_text(text), timer=time.process_time, number=20, repeat=10)

    assert min(runs) / 20 < 0.005


def test_loading_needs_no_grammar_tool() -> None:
    """Importing the loader pulls in neither lark nor difflib."""
    code = "import sys, pfnlab.programs.lang.load; print(sorted({'lark', 'difflib'} & set(sys.modules)))"

    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert output == "[]\n"
