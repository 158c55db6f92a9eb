"""S4: what the shared, counted range remembers, on the series that have it (S4.8, S11)."""

from __future__ import annotations

import errno

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.more.lives import fork
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers.track_ctx import REFCOUNT_MAX, TrackCtx
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

TRACK_CTX = SERIES[2:]


def run(series: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages and its end, invariants checked after each."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", *ops, ""))
    return ModelMachine(series).run_one(load_text(text), check=True).steps


def book(step: Step) -> list[str]:
    """The book after a step."""
    return [str(entry) for entry in step.book]


MAP = "a = mmap bar[0:4] wc shared rw"
WHOLE = ["bar[0:4] wc"]


@pytest.fixture(params=TRACK_CTX)
def series(request: pytest.FixtureRequest) -> str:
    """Each series with this tracker."""
    return str(request.param)


def test_mmap_books_the_whole_mapping(series: str) -> None:
    """A whole mapping is booked once, and no VMA flag tells of it (S4.6.2, S11.1)."""
    mapped, _ = run(series, MAP)

    assert WHOLE == book(mapped)
    assert ["rd wr sh mr mw ms pf io de dd sd"] == [vma.flags for vma in mapped.vmas or ()]


def test_struct_pages_are_tracked_without_a_vma(series: str) -> None:
    """Whoever has them remembers the range, so nothing of it is to be seen but the entry (S4.9)."""
    text = "pfnlab program 1\ndevice bar: pci, 512 pages\nmemremap_pages bar\nmemunmap_pages\n"

    made, gone, _ = ModelMachine(series).run_one(load_text(text), check=True).steps

    assert (["bar[0:512] uc-"], (), ("track bar[0]", "reserve bar[0]")) == (
        book(made),
        made.tracked,
        made.events,
    )
    assert ([], ("untrack bar[0]", "erase bar[0]")) == (book(gone), gone.events)


def test_munmap_whole(series: str) -> None:
    """The last VMA frees the range, exactly."""
    _, gone, _ = run(series, MAP, "munmap a")

    assert ([], ()) == (book(gone), gone.log)


@for_each(("part", "rest"), [("0:1", "1:4"), ("3:4", "0:3"), ("1:2", "0:4")])
def test_munmap_of_a_part(series: str, part: str, rest: str) -> None:
    """Head, tail or middle: the whole range stays booked until the last piece goes (S11.4 to S11.6)."""
    _, cut, gone, _ = run(series, MAP, f"munmap a[{part}]", f"munmap a[{rest}]")

    assert (WHOLE, ()) == (book(cut), cut.log)
    assert ([], ()) == (book(gone), gone.log)


@for_each("end", ["exit", "exec", "kill"])
def test_the_end_of_a_process_with_pieces(series: str, end: str) -> None:
    """However the process ends, the pieces free the range once and silently (S11.6)."""
    *_, ended, _ = run(series, MAP, "munmap a[1]", end)

    assert ([], ()) == (book(ended), ended.log)


@for_each("split", ["mprotect a[0:2] r", "madvise a[1:3] random"])
def test_split(series: str, split: str) -> None:
    """Splitting changes nothing in the book, and the pieces free the range together."""
    _, cut, gone, _ = run(series, MAP, split, "munmap a")

    assert (WHOLE, ()) == (book(cut), cut.log)
    assert ([], ()) == (book(gone), gone.log)


def test_mremap_shrink(series: str) -> None:
    """Shrinking keeps the whole range booked (S11.17)."""
    _, shrunk, gone, _ = run(series, MAP, "mremap a 3 pages", "munmap a[0:3]")

    assert (WHOLE, ()) == (book(shrunk), shrunk.log)
    assert [] == book(gone)


def test_mremap_move_whole(series: str) -> None:
    """Moving changes nothing in the book (S11.17)."""
    _, moved, gone, _ = run(series, MAP, "b = mremap a 4 pages maymove fixed", "munmap b")

    assert (WHOLE, ()) == (book(moved), moved.log)
    assert [] == book(gone)


@for_each("part", ["a[0:2]", "a[1:3]", "a[2:4]"])
def test_mremap_move_of_a_part(series: str, part: str) -> None:
    """Moved and remaining pieces share the range until all are gone."""
    _, moved, new, rest, _ = run(
        series, MAP, f"b = mremap {part} 2 pages maymove fixed", "munmap b", "munmap a"
    )

    assert (WHOLE, WHOLE) == (book(moved), book(new))
    assert ([], ()) == (book(rest), moved.log + new.log + rest.log)


def test_fork_shares(series: str) -> None:
    """A child makes no second entry, and the one there lives as long as either (S11.11)."""
    _, forked, gone, child, _ = run(series, MAP, "c = fork", "munmap a", "c: exit")

    assert (WHOLE, WHOLE) == (book(forked), book(gone))
    assert ([], ()) == (book(child), child.log)


def test_fork_of_a_copied_first_page(series: str) -> None:
    """A written first page is no obstacle to fork (S11.13)."""
    _, _, forked, gone, child, _ = run(
        series, "a = mmap bar[0:2] uc private rw", "write a[0] 7", "c = fork", "munmap a", "c: munmap a"
    )

    assert ("ok", ["bar[0:2] uc-"]) == (forked.result, book(forked))
    assert (["bar[0:2] uc-"], []) == (book(gone), book(child))


def test_fork_after_split(series: str) -> None:
    """Every piece of parent and child shares the one range."""
    *_, child, _ = run(
        series, MAP, "mprotect a[0:2] r", "c = fork", "munmap a", "c: munmap a[0:2]", "c: munmap a[2:4]"
    )

    assert ([], ()) == (book(child), child.log)


def test_map_again_in_the_hole_adopts(series: str) -> None:
    """A hole mapped again meets the old range and adopts its mode (S4.8)."""
    *_, again, _ = run(series, MAP, "munmap a[0:2]", "b = mmap bar[0:2] uc shared rw")

    assert ("ok", ["bar[0:4] wc", "bar[0:2] wc"]) == (again.result, book(again))


def test_map_fixed_adopts_from_what_it_replaces(series: str) -> None:
    """A classic mmap is asked while the old range is still booked (S11.14)."""
    _, over, _ = run(series, "a = mmap bar[0:4] uc shared rw", "mmap bar[0:4] wc shared rw over a[0:4]")

    assert ["bar[0:4] uc-"] == book(over)
    assert ["L1 UC- P RW US SPECIAL A"] == [seen.entry for seen in over.ptes or ()]


@for_each("order", [("a", "b"), ("b", "a")])
def test_two_mappings_of_the_same_pages(series: str, order: tuple[str, str]) -> None:
    """Equal mappings have equal entries, each unmap removes one, silently (S11.18)."""
    _, both, one, none, _ = run(
        series,
        *("a = mmap bar[0:2] uc shared rw", "b = mmap bar[0:2] uc shared rw"),
        *(f"munmap {name}" for name in order),
    )

    assert (["bar[0:2] uc-"] * 2, ["bar[0:2] uc-"]) == (book(both), book(one))
    assert ([], ()) == (book(none), one.log + none.log)


def vma_of(kernel: Kernel) -> Vma:
    """A whole mapping of four BAR pages in a fresh process."""
    task = kernel.start_task("demo")
    bar = PciBar(PfnRange(0xF8000, 0xF8010), proc=False, write_combine=True, fallocate_errno=0)
    kernel.call(task, lambda: do_mmap(task.mm, 0x1000, 4, 3, file=bar, shared=True, fixed=False))
    return next(iter(task.mm))


def test_a_zap_keeps_the_range(series: str) -> None:
    """Entries may go and come back: the book does not change (S4.5.5, S11.15)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TrackCtx)
    vma = vma_of(kernel)

    kernel.tracker.zap_page_range_single(vma, vma.start, vma.end)

    assert 1 == len(kernel.book.entries())
    kernel._check()


def test_a_second_whole_remap_is_refused(series: str) -> None:
    """A VMA that has a range already is not remapped whole (S4.6.2)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TrackCtx)
    vma = vma_of(kernel)

    with pytest.raises(ModelledErrno) as refused:
        remap_pfn_range(vma, vma.start, PfnRange(0xF8008, 0xF800C), vma.page_prot)

    assert errno.EINVAL == refused.value.errno
    assert 1 == len(kernel.book.entries())
    kernel._check()


def test_the_count_saturates(series: str) -> None:
    """At the limit of the count a VMA cannot be copied: fork is ENOMEM (S4.5.3)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TrackCtx)
    vma = vma_of(kernel)
    vma.pfnmap.refs = REFCOUNT_MAX

    assert errno.ENOMEM == fork(kernel, kernel.tasks["demo"], "child")
