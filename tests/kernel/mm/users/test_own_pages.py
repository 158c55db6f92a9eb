"""S5.7.3: the driver's own pages, mapped as pages that are counted."""

from __future__ import annotations

from for_each import for_each
from series_runs import every_series, run, run_to_end

from pfnlab.programs.lang.device_ops import INSERTED
from pfnlab.programs.runs.observation import Step

every_way = for_each("how", INSERTED)


def mapped(how: str, sharing: str = "shared") -> str:
    """The line that maps four pages."""
    return f"a = mmap bar[0:4] driver {how} {sharing} rw"


def values(steps: tuple[Step, ...]) -> list[int | str | None]:
    """What the loads and the readers of some steps answer."""
    return [step.value for step in steps if step.value is not None]


@every_series
@every_way
def test_pages_are_counted(series: str, how: str) -> None:
    """They are in Rss as pages of a file, and nothing is booked for them."""
    (step,) = run(series, mapped(how))

    assert [(16, 0)] == [(vma.rss, vma.anonymous) for vma in step.vmas or ()]
    assert () == step.book


@every_series
@every_way
def test_the_vma_is_mixed_and_nothing_else(series: str, how: str) -> None:
    """Neither VM_IO nor VM_DONTEXPAND comes with vm_insert_page."""
    (step,) = run(series, mapped(how))

    (vma,) = step.vmas or ()
    assert ["mm"] == [code for code in vma.flags.split() if code in ("mm", "io", "de", "dd", "pf")]


@every_way
def test_every_mapping_shows_the_same_page(how: str) -> None:
    """Mapped twice, or as a frame by remap_pfn_range, it has one content."""
    steps = run(
        "7.2",
        mapped(how),
        "write a[1] 7",
        "b = mmap bar[8:12] driver ram shared rw",
        "read b[1]",
        "write b[1] 8",
        "read a[1]",
    )

    assert [7, 8] == values(steps)


@every_way
def test_a_content_from_before_is_there(how: str) -> None:
    """A store through the frame is found where the page is mapped as a page later."""
    steps = run("7.2", "b = mmap bar[8:12] driver ram shared rw", "write b[1] 8", mapped(how), "read a[1]")

    assert [8] == values(steps)


@every_series
def test_a_page_that_was_zapped_comes_back(series: str) -> None:
    """The fault handler inserts the page that was there."""
    *_, read = run(series, mapped("insert_page"), "write a[3] 7", "unmap_mapping_range bar[0:4]", "read a[3]")

    assert 7 == read.value
    assert [4] == [vma.rss for vma in read.vmas or ()]


@for_each(("how", "result"), [("insert_page", "EINVAL"), ("insert_pages", "EINVAL"), ("map_pages", "ENXIO")])
def test_there_are_sixteen(how: str, result: str) -> None:
    """A larger mapping is refused."""
    steps = run_to_end("7.2", f"a = mmap bar[0:17] driver {how} shared rw", pages=32)

    assert result == steps[0].result


def test_behind_the_last_page_is_a_signal() -> None:
    """A move may make a mapping larger than the driver has pages."""
    steps = run_to_end(
        "7.2",
        "a = mmap bar[0:16] driver insert_page shared rw",
        "b = mremap a 18 pages maymove fixed",
        "read b[15]",
        "read b[16]",
        "madvise b populate_read",
        "mlock b",
        pages=32,
    )

    assert [0, "SIGBUS code=2"] == [step.value for step in steps[2:4]]
    assert ["EFAULT", "ENOMEM"] == [step.result for step in steps[4:6]]


def test_remap_file_pages_counts_from_the_first_offset() -> None:
    """The file's pages are the driver's, whatever part of it a VMA shows."""
    steps = run(
        "7.2", mapped("insert_page"), "write a[2] 7", "remap_file_pages a[0] bar[2] devmem", "read a[0]"
    )

    assert [7] == values(steps)


def test_remap_file_pages_before_the_first_offset() -> None:
    """There is no page."""
    *_, step = run(
        "7.2", "a = mmap bar[4:8] driver insert_page shared rw", "remap_file_pages a[0] bar[3] devmem"
    )

    assert "EINVAL" == step.result


@every_series
def test_a_write_copies_the_page_of_a_private_mapping(series: str) -> None:
    """It is no anonymous page, which a sole user could have for itself."""
    steps = run(series, mapped("insert_page", "private"), "write a[0] 7", "read a[0]", "zap_vma_ptes a[0]")

    assert [(16, 4)] == [(vma.rss, vma.anonymous) for vma in steps[1].vmas or ()]
    assert [7] == values(steps)


@every_series
def test_what_was_copied_stays_where_copies_do(series: str) -> None:
    """The driver's pages go with keep_cows, a copy does not."""
    *_, step = run(
        series, mapped("insert_page", "private"), "write a[0] 7", "unmap_mapping_range bar[0:4] keep_cows"
    )

    assert [(4, 4)] == [(vma.rss, vma.anonymous) for vma in step.vmas or ()]


@every_series
@for_each("words", ["populate", "locked"])
def test_populating_copies_all(series: str, words: str) -> None:
    """A mixed map without VM_IO is faulted in, as by writes where it is private and writable."""
    (step,) = run(series, f"{mapped('insert_page', 'private')} {words}")

    assert [(16, 16, False)] == [
        (vma.rss, vma.anonymous, "lo" in vma.flags.split()) for vma in step.vmas or ()
    ]


@every_series
def test_mlockall_populates_what_it_does_not_lock(series: str) -> None:
    """A later mapping is to be locked, so it is filled; that it is special shows only then."""
    *_, step = run(series, "mlockall", mapped("insert_pages", "private"))

    assert [(16, 16)] == [(vma.rss, vma.anonymous) for vma in step.vmas or ()]


@every_series
def test_a_child_has_the_pages_too(series: str) -> None:
    """Fork copies the entries of a mixed map, and each page has one mapping more."""
    *_, pages, _, after = run(
        series, mapped("insert_page"), "c = fork", "pagemap a[0]", "c: exit", "pagemap a[0]"
    )

    assert "present+file+soft-dirty" == pages.value
    assert "present+file+exclusive+soft-dirty" == after.value


@for_each(("series", "result"), [("6.1", "ok"), ("6.12", "ok"), ("7.2", "EINVAL"), ("7.3", "EINVAL")])
def test_advice_that_minded_vm_io_minds_special_vmas(series: str, result: str) -> None:
    """MADV_DOFORK is refused since 7.2, and MADV_DONTFORK is not."""
    *_, step = run(series, mapped("insert_page"), "madvise a dontfork", "madvise a dofork")

    assert result == step.result


@every_series
def test_walkers_take_the_page(series: str) -> None:
    """A pipe and another process get it; a futex does not, for it is in no file."""
    *_, piped, woken, told = run(
        series, mapped("insert_page"), "vmsplice a[0]", "futex_wake a[0]", "process_vm_readv a[0]"
    )

    assert ["ok", "EFAULT", "ok"] == [step.result for step in (piped, woken, told)]


@for_each(("series", "result"), [("6.1", "ok"), ("6.12", "EFAULT"), ("7.2", "EFAULT"), ("7.3", "ok")])
def test_a_page_in_no_file_is_not_looked_up_fast(series: str, result: str) -> None:
    """So the VMA is asked, which forbids to read it; a copy is found at once."""
    *_, page, _, copy = run(
        series,
        "a = mmap bar[0:4] driver insert_page private w",
        "vmsplice a[0]",
        "write a[1] 7",
        "vmsplice a[1]",
    )

    assert [result, "ok"] == [page.result, copy.result]


@every_series
def test_numa_maps_counts_it_as_mapped(series: str) -> None:
    """A copy of it is anonymous."""
    *_, step = run(series, mapped("insert_page", "private"), "write a[0] 7", "numa_maps a")

    assert "a[0] anon=1 dirty=1 mapped=4 N0=4" == step.value


@every_series
def test_nobody_remaps_it(series: str) -> None:
    """remap_pfn_range in a mapping of pages is refused by the driver."""
    *_, step = run(series, mapped("insert_page"), "madvise a dontneed", "remap_pfn_range a")

    assert "EINVAL" == step.result


@for_each("series", ["7.1", "7.2"])
def test_an_access_does_not_go_by_frames(series: str) -> None:
    """generic_access_phys wants VM_IO or VM_PFNMAP, so it warns of no RAM where a read is not allowed."""
    *_, step = run(series, mapped("insert_page"), "mprotect a none", "mem_read a[0]")

    assert ("EIO", ()) == (step.result, step.log)


@every_series
def test_it_cannot_grow_in_place(series: str) -> None:
    """A special VMA does not merge with what it should grow by; where it moves it may grow."""
    *_, place, moved = run(
        series, mapped("insert_page"), "mremap a 5 pages maymove", "b = mremap a 5 pages maymove fixed"
    )

    assert ["ENOMEM", "ok"] == [place.result, moved.result]


def test_no_page_table_is_no_memory() -> None:
    """The mapping fails, and what was inserted goes."""
    steps = run(
        "7.2", "fail __pte_alloc 1: a = mmap bar[0:4] driver insert_page shared rw", mapped("insert_page")
    )

    assert ["ENOMEM", "ok"] == [step.result for step in steps]
