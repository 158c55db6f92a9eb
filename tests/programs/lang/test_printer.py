"""The canonical text of operations and programs, and the layout of a person's text."""

from __future__ import annotations

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Device, Expect, LeakedEntry, Look, Mmap, Munmap, Op, Program
from pfnlab.programs.lang.printer import format_program, op_lines, op_text
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.lang.span import Span

WHOLE = """\
pfnlab program 1
title   Unmapping the middle first
asks    What stays reserved when the middle of a write-combining mapping is unmapped?
device  bar: pci, 16 pages
device  big: pci, 1 TiB
area    z: 64 pages

a = mmap bar[0:16] wc shared rw
mmap bar[3] wc shared rw populate locked over z[3]
mmap anon[0:2] private rw over a[3:5]
munmap a[4:8]
munmap a
mremap a 8 pages
mremap a[0:0] 8 pages maymove
b = mremap a[3:5] 2 pages fixed
mremap a[0:2] 2 pages maymove fixed over b
read a[3]
write a[3] 7
c = fork
c: munmap a[0:4]
c: exit

expect 6.1..6.12   leaked bar[0:8] wc, bar[9:10] uc-
expect 6.16..      nothing left
expect 7.2         nothing left
"""


def test_canonical_text_comes_back() -> None:
    """Reading and printing a canonical program gives the same text."""
    assert format_program(load_text(WHOLE)) == WHOLE


def test_canonical_text_is_its_own_layout() -> None:
    """Laying out a canonical program changes nothing."""
    assert format_text(WHOLE) == WHOLE


def test_an_operation_alone_is_written_out() -> None:
    """Without a program nobody knows what is all of a mapping."""
    assert op_text(Op(Munmap(Span("a", 0, 16)), "c")) == "c: munmap a[0:16]"


def test_an_operation_in_its_program_is_short() -> None:
    """A range equal to the whole mapping prints as the bare name."""
    assert op_lines(load_text(WHOLE))[4] == "munmap a"


def test_whole_follows_the_latest_mapping() -> None:
    """The same range is short or written out, by what was mapped last."""
    mapped = [Op(Mmap("a", Span("bar", 0, pages), "wc", True, "rw")) for pages in (4, 2)]
    unmap = Op(Munmap(Span("a", 0, 4)))
    program = Program("", "", (Device("bar", "pci", 4),), (mapped[0], unmap, mapped[1], unmap))

    assert op_lines(program)[1::2] == ["munmap a", "munmap a[0:4]"]


def test_a_short_program_has_no_empty_lines_of_header() -> None:
    """A program without title and question prints neither keyword."""
    program = Program("", "", (Device("bar", "pci", 1),), (Op(Look()),))

    assert format_program(program) == "pfnlab program 1\ndevice  bar: pci, 1 page\n\nlook\n"


SCHEDULE = """\
pfnlab program 1
device  bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
t = thread
t: c = fork
skip flush_tlb_mm_range: munmap a[0:2]
hold flush_tlb_mm_range 2: munmap a[4:8]
t: memtype_list
release
skip flush_tlb_mm_range 2: hold tlb_finish_mmu return: t: munmap a[8:12]
release
hold untrack_pfn 3 return: c: munmap a
release
fail __pte_alloc 1: d = fork
"""


def test_a_canonical_schedule_comes_back() -> None:
    """Reading and printing holds, skips and releases gives the same text."""
    assert format_program(load_text(SCHEDULE)) == SCHEDULE


def test_the_first_call_goes_without_saying() -> None:
    """A written-out 1 is left out, and so is the main task."""
    text = SCHEDULE.replace("range: ", "range 1: ").replace("finish_mmu return: t", "finish_mmu 1 return: t")

    assert format_text(text.replace("2: munmap a[4:8]", "2: main: munmap a[4:8]")) == SCHEDULE


def test_results_are_aligned() -> None:
    """The widest range of kernels sets the column of all results."""
    expects = (Expect("6.12", "6.18"), Expect("7.2", None, (LeakedEntry(Span("bar", 0, 1), "wc"),)))
    program = Program("", "", (Device("bar", "pci", 1),), (Op(Look()),), expects=expects)

    lines = format_program(program).splitlines()[-2:]

    assert lines == ["expect 6.12..6.18   nothing left", "expect 7.2..        leaked bar[0:1] wc"]


def test_layout_of_a_persons_text() -> None:
    """Comments stay where they were, columns align, blank lines are single and part the sections."""
    text = """


# what this is about

pfnlab   program 1   # first
device low:lowmem,16 KiB
title  Some   title # not a comment
device bar: pci,0x10 pages\t#second


  # about a
  a=mmap bar[ 0:16 ] wc shared rw#close
munmap a [0:16]    # far
#alone
expect 7.2 nothing   left

"""

    assert (
        format_text(text)
        == """\
# what this is about

pfnlab program 1            # first
device  low: lowmem, 4 pages
title   Some title # not a comment
device  bar: pci, 16 pages  #second

# about a
a = mmap bar[0:16] wc shared rw  #close
munmap a                         # far

#alone
expect 7.2   nothing left
"""
    )
