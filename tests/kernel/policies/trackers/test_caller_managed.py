"""caller_managed: the driver reserves, for as long as its file has mappings (discussion 003)."""

from __future__ import annotations

from tracker_runs import MAP, book, run

SPEC = "7.2,tracker=caller_managed"
WHOLE = ["bar[0:4] wc"]


def test_a_file_reserves_a_range_once() -> None:
    """A second mapping of what the file has already makes no entry; another file does."""
    _, again, other, _ = run(
        SPEC, MAP, "b = mmap bar[1:3] wc shared rw", "d = mmap bar[1:3] proc-wc shared rw"
    )

    assert WHOLE == book(again)
    assert [*WHOLE, "bar[1:3] wc"] == book(other)


def test_a_range_outlives_its_mapping_with_the_file() -> None:
    """It stays reserved while any other mapping of the file lives, and goes with the last."""
    *_, one, none, _ = run(SPEC, MAP, "b = mmap bar[8:9] wc shared rw", "munmap a", "munmap b")

    assert ([*WHOLE, "bar[8:9] wc"], []) == (book(one), book(none))


def test_pieces_and_children_count() -> None:
    """Splits and forks are VMAs of the file like others."""
    *_, parent, child, _ = run(
        SPEC, MAP, "munmap a[1]", "c = fork", "munmap a", "c: munmap a[0]", "c: munmap a[2:4]"
    )

    assert (WHOLE, []) == (book(parent), book(child))


def test_a_part_is_reserved_too() -> None:
    """A driver knows what it maps, however much of the VMA it is."""
    mapped, _ = run(SPEC, "a = mmap bar[0:4] driver part[1:3] wc shared rw")

    assert ["bar[1:3] wc"] == book(mapped)
