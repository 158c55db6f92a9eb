"""S8.1, S6.2: shared anonymous memory, as far as it has rules."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from for_each import for_each
from series_runs import every_series, last, run

from pfnlab.base.errors import Undecided
from pfnlab.programs.runs.observation import PteSeen

MAPPED = "b = mmap anon[0:4] shared rw"


@every_series
def test_a_child_shares_the_pages(series: str) -> None:
    """What it writes its parent reads."""
    assert ("ok", 3) == last(series, MAPPED, "write b[1] 2", "c = fork", "c: write b[1] 3", "read b[1]")


@every_series
def test_a_read_maps_the_neighbours_along(series: str) -> None:
    """Those that the file has already."""
    written = [f"write b[{page}] 1" for page in range(4)]
    assert ("ok", "1111") == last(series, MAPPED, *written, "mincore b")

    steps = run(series, MAPPED, "write b[1] 2", "c = fork", "c: read b[0]", "c: pagemap b")

    pages = ("present+file+exclusive+soft-dirty", "present+file+soft-dirty", "soft-dirty", "soft-dirty")
    assert " ".join(pages) == steps[-1].value


@every_series
def test_a_read_behind_the_end_maps_the_neighbours_along(series: str) -> None:
    """It is SIGBUS, and the pages of its block that the file has are there."""
    grown = ("write b[1] 2", "mremap b 40 pages maymove", "c = fork")

    read = run(series, "area b: 40 pages", MAPPED, *grown, "c: read b[9]")[-1]

    assert ("EFAULT", "SIGBUS code=2") == (read.result, read.value)
    assert ["b[1:2]"] == _present(read.ptes)


@every_series
@pytest.mark.parametrize("access", ["c: write b[9] 1", "c: read b[16]"])
def test_a_store_or_a_block_without_pages_maps_none(series: str, access: str) -> None:
    """Behind the end too."""
    grown = ("write b[1] 2", "mremap b 40 pages maymove", "c = fork")

    step = run(series, "area b: 40 pages", MAPPED, *grown, access)[-1]

    assert ("SIGBUS code=2", []) == (step.value, _present(step.ptes))


def _present(ptes: Sequence[PteSeen] | None) -> list[str]:
    """The pages that are mapped in the child."""
    return [str(seen.span) for seen in ptes or () if seen.task == "c" and seen.target is not None]


@every_series
def test_dirty_pages_are_flushed_before_the_next_vma(series: str) -> None:
    """Nobody may write to a page of a file once the file knows what is in it."""
    steps = run(series, MAPPED, "write b[1] 2", "munmap b")

    order = [event for event in steps[-1].events or () if event.startswith(("clear", "flush", "free_pg"))]
    assert ["clear b[0]", "flush b[1:2]", "free_pgtables"] == order[:3]


@every_series
def test_clean_pages_wait_for_the_end(series: str) -> None:
    """As ordinary memory does."""
    steps = run(series, MAPPED, "read b[1]", "munmap b")

    order = [event for event in steps[-1].events or () if event.startswith(("clear", "flush", "free_pg"))]
    assert ["clear b[0]", "free_pgtables", "flush b[0:2]"] == order


@for_each("series", ["6.12", "6.16"])
def test_an_entry_of_a_dirty_page_is_dirty_from_6_16_on(series: str) -> None:
    """Before it is written through."""
    steps = run(series, MAPPED, "write b[1] 2", "c = fork", "c: read b[1]")

    entries = [seen.entry for seen in steps[-1].ptes or () if seen.task == "c" and "L1 WB" in seen.entry]
    assert ["L1 WB P RW US A" + " D" * (series == "6.16")] == entries


@every_series
def test_it_counts_as_resident_and_not_as_anonymous(series: str) -> None:
    """smaps tells pages of a file from others."""
    asked = run(series, MAPPED, "write b[1] 2", "smaps b")[-1]

    (vma,) = asked.vmas or ()
    assert (4, 0, None, "anon") == (vma.rss, vma.anonymous, vma.offset, vma.file)
    assert f"{vma.span} Rss=4" == asked.value


@every_series
def test_pieces_of_a_file_merge(series: str) -> None:
    """Where offsets and flags go on; those of another file stay apart."""
    cut = run(series, MAPPED, "mprotect b[1] r")[-1]
    whole = run(series, MAPPED, "mprotect b[1] r", "mprotect b[1] rw")[-1]
    two = run(
        series, "area b: 4 pages", *(f"mmap anon[0:2] shared rw over b[{at}]" for at in ("0:2", "2:4"))
    )[-1]

    assert [3, 1, 2] == [len(step.vmas or ()) for step in (cut, whole, two)]


@every_series
def test_a_piece_that_comes_back_merges(series: str) -> None:
    """As memory does that has no pages."""
    back = run(
        series,
        MAPPED,
        "c = mremap b[2:4] 2 pages maymove fixed",
        "mremap c 2 pages maymove fixed over b[2:4]",
    )

    assert 1 == len(back[-1].vmas or ())


@for_each("call", ["read b[4]", "write b[4] 1"])
def test_nothing_is_behind_the_end_of_the_file(call: str) -> None:
    """A mapping that has grown has no pages there, and the tables that were made for the fault stay."""
    grown = ("area b: 5 pages", "mmap anon[0:4] shared rw over b[0:4]", "mremap b[0:4] 5 pages")
    found = run("7.3", *grown, call)[-1]

    assert ("EFAULT", "SIGBUS code=2") == (found.result, found.value)


@for_each(
    ("call", "result"),
    [("mlock b[0:5]", "ENOMEM"), ("mlockall", "ok"), ("madvise b[3:5] populate_read", "EFAULT")],
)
def test_populating_ends_at_the_end_of_the_file(call: str, result: str) -> None:
    """The kernel asks for the page behind it once more, since it had delivered those before."""
    found = run(
        "7.3", "area b: 5 pages", "mmap anon[0:4] shared rw over b[0:4]", "mremap b[0:4] 5 pages", call
    )[-1]

    assert result == found.result
    assert 2 == [*(found.events or ())].count("fault b[4]")


@for_each(
    ("advice", "result"),
    [("free", "EINVAL"), ("wipeonfork", "EINVAL"), ("willneed", "ok"), ("mergeable", "ok")],
)
def test_advice_that_is_for_private_memory(advice: str, result: str) -> None:
    """Refused, or without effect."""
    assert result == last("7.3", MAPPED, "write b[1] 2", f"madvise b {advice}")[0]


@every_series
def test_pages_that_are_removed_are_gone_for_all(series: str) -> None:
    """And zero from then on."""
    steps = run(
        series, MAPPED, "write b[1] 2", "c = fork", "c: read b[1]", "madvise b[1] remove", "c: read b[1]"
    )

    assert (2, 0) == (steps[-3].value, steps[-1].value)


@every_series
def test_a_futex_takes_a_page_that_is_read_only(series: str) -> None:
    """Others may write to it."""
    assert ("ok", 0) == last(series, MAPPED, "mprotect b r", "futex_wake b[1]")


@every_series
def test_locked_memory_is_not_filled_by_mprotect(series: str) -> None:
    """There is nothing to copy."""
    *_, changed = run(series, "mlockall", "b = mmap anon[0:4] shared none", "mprotect b rw")

    assert ["none@L4"] == [seen.entry for seen in changed.ptes or ()]


@for_each("call", ["remap_file_pages b bar[0:4] wc", "madvise b pageout"])
def test_what_has_no_rule_is_undecided(call: str) -> None:
    """It is not guessed."""
    with pytest.raises(Undecided, match="shared anonymous memory"):
        run("7.2", MAPPED, "write b[1] 2", call)
