"""S5.7.8: counted pages and frames of the device by turns, in one mixed map."""

from __future__ import annotations

from series_runs import entries, every_series, run, run_to_end

from pfnlab.programs.runs.observation import Step

#: Over two page tables, with a counted page in the first and a frame in the second.
ACROSS = "mmap bar[0:2] driver mixed_pages wc shared rw over a[511:513]"


def flushes(step: Step) -> list[str]:
    """Where a step flushed, and where it unlinked."""
    return [event for event in step.events or () if event.split()[0] in ("flush", "unlink")]


@every_series
def test_nothing_is_mapped_at_first(series: str) -> None:
    """The VMA is a mixed map like that of frames alone."""
    (step,) = run(series, "a = mmap bar[0:4] driver mixed_pages wc shared rw")

    (vma,) = step.vmas or ()
    assert ({"mm", "io"}, 0) == ({"mm", "io", "pf"} & set(vma.flags.split()), vma.rss)


@every_series
def test_every_second_page_is_counted(series: str) -> None:
    """It is in Rss, and its entry is not special; those between are frames of the device."""
    reads = (f"read a[{page}]" for page in range(4))

    *_, last = run(series, "a = mmap bar[0:4] driver mixed_pages shared rw", *reads)

    (vma,) = last.vmas or ()
    assert 8 == vma.rss
    assert [("a[0:1]", False), ("a[1:2]", True), ("a[2:3]", False), ("a[3:4]", True)] == [
        (span, "SPECIAL" in entry) for span, entry in entries(last)
    ]


@every_series
def test_a_munmap_flushes_in_the_middle(series: str) -> None:
    """The table of a written page is flushed before the next one is cleared (S8.1.9)."""
    ops = (ACROSS, "write a[511] 7", "read a[512]", "munmap a[511:513]")

    *_, munmap, _ = run_to_end(series, *ops, area=1024)

    assert ["flush a[511:512]", "flush a[512:513]", "unlink a[511]"] == flushes(munmap)[:3]


@every_series
def test_a_page_that_was_only_read_is_flushed_with_the_rest(series: str) -> None:
    """Nothing has to be told of it."""
    ops = (ACROSS, "read a[511]", "read a[512]", "munmap a[511:513]")

    *_, munmap, _ = run_to_end(series, *ops, area=1024)

    assert ["flush a[511:513]", "unlink a[511]"] == flushes(munmap)[:2]


@every_series
def test_a_revocation_takes_both(series: str) -> None:
    """Of a shared mapping, by the offsets of the file; a fault fills them again."""
    ops = ("a = mmap bar[0:2] driver mixed_pages shared rw", "write a[0] 7", "write a[1] 8")

    *_, revoked, page, frame = run(series, *ops, "unmap_mapping_range bar[0:2]", "read a[0]", "read a[1]")

    assert [] == entries(revoked)
    assert (7, 8) == (page.value, frame.value)


@every_series
def test_there_are_sixteen_pages(series: str) -> None:
    """As of the other ways that map the driver's own."""
    (step, _) = run_to_end(series, "a = mmap bar[0:17] driver mixed_pages shared rw", pages=32)

    assert "EINVAL" == step.result
