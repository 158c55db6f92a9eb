"""S3: what the flag forgets, on the series that have only the flag (S3.8, S11)."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import VM_PAT as VM_PAT_FLAG
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.more.lives import fork
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers.vm_pat import VmPat
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

VM_PAT = SERIES[:2]


def run(series: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages and its end, invariants checked after each."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(series).run_one(load_text(text), check=True).steps


def book(step: Step) -> list[str]:
    """The book after a step."""
    return [str(entry) for entry in step.book]


MAP = "a = mmap bar[0:4] wc shared rw"
INVALID = "x86/PAT: main freeing invalid memtype {}"


@pytest.fixture(params=VM_PAT)
def series(request: pytest.FixtureRequest) -> str:
    """Each series with this tracker."""
    return str(request.param)


def flags(step: Step) -> list[tuple[str, str, bool]]:
    """Every VMA with its task, and whether it has the flag (``ar``)."""
    return [(vma.task, str(vma.span), "ar" in vma.flags.split()) for vma in step.vmas or ()]


def test_mmap_books_the_whole_mapping(series: str) -> None:
    """A whole mapping is booked once and flagged (S3.1.1, S11.1)."""
    mapped, _ = run(series, MAP)

    assert ["bar[0:4] wc"] == book(mapped)
    assert [("main", "a[0:4]", True)] == flags(mapped)


def test_munmap_whole(series: str) -> None:
    """Unmapping everything at once is an exact erase."""
    _, gone, _ = run(series, MAP, "munmap a")

    assert ([], ()) == (book(gone), gone.log)


def test_munmap_tail(series: str) -> None:
    """The end matches, so the entry shrinks to what is left (S11.5)."""
    _, cut, gone, _ = run(series, MAP, "munmap a[3]", "munmap a[0:3]")

    assert (["bar[0:3] wc"], ()) == (book(cut), cut.log)
    assert ([], ()) == (book(gone), gone.log)


def test_munmap_head(series: str) -> None:
    """A freed head matches nothing: the kernel complains and the entry stays (S11.4)."""
    _, cut, _ = run(series, MAP, "munmap a[0]")

    assert ["bar[0:4] wc"] == book(cut)
    assert (INVALID.format("bar[0:1]"),) == cut.log
    assert [("main", "a[1:4]", True)] == flags(cut)


def test_munmap_head_leaks(series: str) -> None:
    """What remains after the head ends where the entry ends, so the head's pages leak (S11.4)."""
    *_, gone, _ = run(series, MAP, "munmap a[0]", "munmap a[1:4]")

    assert (["bar[0:1] wc"], ()) == (book(gone), gone.log)


def test_munmap_middle(series: str) -> None:
    """A freed middle matches nothing, and both sides keep the flag (S11.6)."""
    _, cut, _ = run(series, MAP, "munmap a[1]")

    assert ["bar[0:4] wc"] == book(cut)
    assert (INVALID.format("bar[1:2]"),) == cut.log
    assert [("main", "a[0:1]", True), ("main", "a[2:4]", True)] == flags(cut)


def test_munmap_middle_then_exit(series: str) -> None:
    """At exit the head is invalid and the tail shrinks the entry, which leaks (S11.6)."""
    *_, gone, _ = run(series, MAP, "munmap a[1]", "exit")

    assert ["bar[0:2] wc"] == book(gone)
    assert ("x86/PAT: * freeing invalid memtype bar[0:1]",) == gone.log


def test_split_then_munmap_at_once(series: str) -> None:
    """Two pieces of one mapping go low to high: the lower is invalid, the upper shrinks the entry."""
    _, split, gone, _ = run(series, MAP, "mprotect a[0:2] r", "munmap a")

    assert [("main", "a[0:2]", True), ("main", "a[2:4]", True)] == flags(split)
    assert ["bar[0:2] wc"] == book(gone)
    assert (INVALID.format("bar[0:2]"),) == gone.log


def test_split_then_upper_first(series: str) -> None:
    """Unmapped from the top, the pieces leave nothing."""
    _, _, upper, lower, _ = run(series, MAP, "mprotect a[0:2] r", "munmap a[2:4]", "munmap a[0:2]")

    assert ["bar[0:2] wc"] == book(upper)
    assert ([], ()) == (book(lower), upper.log + lower.log)


def test_mremap_shrink(series: str) -> None:
    """Shrinking is unmapping the tail, and clean later (S11.17)."""
    _, shrunk, gone, _ = run(series, MAP, "mremap a 3 pages", "munmap a[0:3]")

    assert (["bar[0:3] wc"], ()) == (book(shrunk), shrunk.log)
    assert ([], ()) == (book(gone), gone.log)


def test_mremap_move_whole(series: str) -> None:
    """The flag goes along to the new place, and unmapping there is exact (S11.17)."""
    _, moved, gone, _ = run(series, MAP, "b = mremap a 4 pages maymove fixed", "munmap b")

    assert (["bar[0:4] wc"], [("main", "b[0:4]", True)]) == (book(moved), flags(moved))
    assert ([], ()) == (book(gone), gone.log)


@for_each(
    ("part", "left", "log"),
    [
        ("a[0:2]", ["bar[0:4] wc"], (INVALID.format("bar[0:2]"),)),
        ("a[1:3]", ["bar[0:4] wc"], (INVALID.format("bar[1:3]"),)),
        ("a[2:4]", ["bar[0:2] wc"], ()),
    ],
)
def test_mremap_move_of_a_part(series: str, part: str, left: list[str], log: tuple[str, ...]) -> None:
    """Moving a part takes the flag from everything that stays, so those pages never come back."""
    _, moved, new, rest, _ = run(
        series, MAP, f"b = mremap {part} 2 pages maymove fixed", "munmap b", "munmap a"
    )

    assert {True} == {flag for _, span, flag in flags(moved) if span == "b[0:2]"}
    assert {False} == {flag for _, span, flag in flags(moved) if span != "b[0:2]"}
    assert (left, log) == (book(new), new.log)
    assert (left, ()) == (book(rest), rest.log)


def test_fork_books_again(series: str) -> None:
    """The child has a second, equal entry of its own (S3.5.2c, S11.11)."""
    _, forked, gone, parent, _ = run(series, MAP, "c = fork", "c: exit", "munmap a")

    assert ["bar[0:4] wc", "bar[0:4] wc"] == book(forked)
    assert [("main", "a[0:4]", True), ("c", "a[0:4]", True)] == flags(forked)
    assert ["bar[0:4] wc"] == book(gone)
    assert ([], ()) == (book(parent), gone.log + parent.log)


def test_fork_after_split(series: str) -> None:
    """The child books the pieces, and the parent's frees then hit the child's entries."""
    _, _, forked, a, child, _ = run(
        series, MAP, "mprotect a[0:2] r", "c = fork", "munmap a[0:2]", "c: munmap a[0:2]"
    )

    assert sorted(["bar[0:4] wc", "bar[0:2] wc", "bar[2:4] wc"]) == sorted(book(forked))
    assert (sorted(["bar[0:4] wc", "bar[2:4] wc"]), ()) == (sorted(book(a)), a.log)
    assert ("x86/PAT: c freeing invalid memtype bar[0:2]",) == child.log


def test_fork_after_split_leaks(series: str) -> None:
    """Whichever upper piece goes last shrinks the first entry: the lower pages leak."""
    *_, gone, _ = run(
        series,
        *(MAP, "mprotect a[0:2] r", "c = fork", "munmap a[0:2]", "c: munmap a[0:2]"),
        *("munmap a[2:4]", "c: munmap a[2:4]"),
    )

    assert (["bar[0:2] wc"], ()) == (book(gone), gone.log)


def test_shrunk_entry_moves_behind_its_equals(series: str) -> None:
    """A shrunk entry is inserted again, behind entries with the same start (S2.4)."""
    _, _, cut, _ = run(series, "a = mmap bar[0:8] wc shared rw", "c = fork", "munmap a[6:8]")

    assert ["bar[0:8] wc", "bar[0:6] wc"] == book(cut)


def test_fork_of_a_copied_first_page(series: str) -> None:
    """A private mapping whose first page was written cannot be forked (S3.5.2b, S11.13)."""
    _, _, forked, gone, _ = run(
        series, "a = mmap bar[0:2] uc private rw", "write a[0] 7", "c = fork", "munmap a"
    )

    assert ("ENOMEM", ["bar[0:2] uc-"], ()) == (forked.result, book(forked), forked.log)
    assert ([], ()) == (book(gone), gone.log)


def test_fork_of_a_copied_second_page(series: str) -> None:
    """Only the first page is read back, so a written second page is no obstacle."""
    _, _, forked, _ = run(series, "a = mmap bar[0:2] uc private rw", "write a[1] 7", "c = fork")

    assert ("ok", ["bar[0:2] uc-", "bar[0:2] uc-"]) == (forked.result, book(forked))


def test_failing_fork_gives_back_what_it_booked(series: str) -> None:
    """Entries made for earlier VMAs of the child go again, the list is as before (S3.5.4)."""
    *_, before, forked, _ = run(series, MAP, "b = mmap bar[8:10] uc private rw", "write b[0] 7", "c = fork")

    assert ("ENOMEM", book(before), ()) == (forked.result, book(forked), forked.log)


def test_copied_first_page_is_still_untracked(series: str) -> None:
    """Unmapping falls back to vm_pgoff when the first page was copied (S3.4.3)."""
    *_, gone, _ = run(series, "a = mmap bar[0:2] uc private rw", "write a[0] 7", "munmap a")

    assert ([], ()) == (book(gone), gone.log)


def test_map_fixed_frees_the_old_entry_first(series: str) -> None:
    """What is replaced is untracked before the new file is asked, so it gets its own mode (S11.14)."""
    _, over, _ = run(series, "a = mmap bar[0:4] uc shared rw", "mmap bar[0:4] wc shared rw over a[0:4]")

    assert ["bar[0:4] wc"] == book(over)
    assert ["L1 WC P RW US SPECIAL A"] == [seen.entry for seen in over.ptes or ()]


@for_each("end", ["exec", "kill", "exit"])
def test_the_end_of_a_process(series: str, end: str) -> None:
    """exec, SIGKILL and exit free whole mappings like munmap."""
    _, ended, _ = run(series, MAP, end)

    assert ([], ()) == (book(ended), ended.log)


def test_messages_of_exec_in_address_order(series: str) -> None:
    """Pieces are untracked low to high when the old address space goes."""
    *_, ended, _ = run(series, "a = mmap bar[0:6] wc shared rw", "mprotect a[2:4] r", "exec")

    assert [
        "x86/PAT: * freeing invalid memtype bar[0:2]",
        "x86/PAT: * freeing invalid memtype bar[2:4]",
    ] == list(ended.log)
    assert ["bar[0:4] wc"] == book(ended)


@for_each("order", [("a", "b"), ("b", "a")])
def test_two_mappings_of_the_same_pages(series: str, order: tuple[str, str]) -> None:
    """Equal mappings have equal entries, each unmap removes one, silently (S11.18)."""
    _, both, one, none, _ = run(
        series,
        *("a = mmap bar[0:2] uc shared rw", "b = mmap bar[0:2] uc shared rw"),
        *(f"munmap {name}" for name in order),
    )

    assert ["bar[0:2] uc-"] * 2 == book(both)
    assert ["bar[0:2] uc-"] == book(one)
    assert ([], ()) == (book(none), one.log + none.log)


def vma_of(kernel: Kernel) -> Vma:
    """A whole mapping of four BAR pages in a fresh process."""
    task = kernel.start_task("demo")
    bar = PciBar(PfnRange(0xF8000, 0xF8010), proc=False, write_combine=True, fallocate_errno=0)
    kernel.call(task, lambda: do_mmap(task.mm, 0x1000, 4, 3, file=bar, shared=True, fixed=False))
    return next(iter(task.mm))


def test_any_zap_untracks_the_whole_mapping(series: str) -> None:
    """A driver that zaps one page drops the whole entry, and the flag (S3.6.1, S11.15)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), VmPat)
    vma = vma_of(kernel)

    kernel.tracker.zap_page_range_single(vma, vma.start, vma.end)

    assert [] == kernel.book.entries()
    assert not vma.flags & VM_PAT_FLAG
    kernel._check()


def test_a_missing_first_entry_leaks(series: str) -> None:
    """With the first entry of a shared mapping gone nothing can be freed: a warning (S3.4.4)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), VmPat)
    vma = vma_of(kernel)
    vma.mm.tables.clear(vma.start, vma.start + 1)

    kernel.tracker.unmap_vmas(vma)

    assert 1 == len(kernel.book.entries())
    assert ["WARNING at arch/x86/mm/pat/memtype.c"] == kernel.trace.log
    assert vma.flags & VM_PAT_FLAG


def test_copy_page_range_failed_frees_the_copy(series: str) -> None:
    """A copy that fails half-way takes the child's entry with it, and its flag (S3.5.3)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), VmPat)
    src = vma_of(kernel)
    fork(kernel, kernel.tasks["demo"], "child")
    dst = next(iter(kernel.tasks["child"].mm))

    kernel.tracker.copy_page_range_failed(dst, src)

    assert 1 == len(kernel.book.entries())
    assert src.flags & VM_PAT_FLAG and not dst.flags & VM_PAT_FLAG
    kernel._check()


def test_a_copy_loses_its_flag_before_it_has_a_place_of_its_own() -> None:
    """mremap copies the VMA, and only then says where it is: the flag goes at the old place (S3.5.1)."""
    _, moved, *_ = run("6.1,without=e9f180d7cfde", MAP, "b = mremap a[0:3] 3 pages maymove fixed")

    assert ("dup a[0]", "track_clear a[0]") == (moved.events or ())[1:3]
