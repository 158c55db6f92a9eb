"""S5.14: limits on the memory of a process."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import SHARED, every_series, last, run, run_to_end, spans

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES

FULL = "setrlimit as +0 pages"
NO_DATA = "setrlimit data +0 pages"
ANON = "b = mmap anon[0:4] private rw"
OK, REFUSED = ("ok", None), ("ENOMEM", None)


@every_series
@for_each(
    ("mapping", "pages"),
    [
        ("bar[0:4] wc shared rw", 4),
        ("bar[0:4] wc private r", 4),
        ("bar[0:4] uc shared none", 4),
        ("anon[0:4] private rw", 4),
        ("anon[0:4] shared rw", 4),
    ],
)
def test_every_mapping_counts_for_address_space(series: str, mapping: str, pages: int) -> None:
    """Whatever is mapped, whoever may access it (S5.14.2)."""
    assert OK == last(series, f"setrlimit as +{pages} pages", f"b = mmap {mapping}")
    assert REFUSED == last(series, f"setrlimit as +{pages - 1} pages", f"b = mmap {mapping}")


@every_series
@for_each(
    ("mapping", "counts"),
    [
        ("bar[0:4] wc private rw", True),
        ("anon[0:4] private rw", True),
        ("bar[0:4] wc private r", False),
        ("bar[0:4] wc shared rw", False),
        ("anon[0:4] shared rw", False),
    ],
)
def test_private_writable_mappings_are_data(series: str, mapping: str, counts: bool) -> None:
    """Those of a device too (S5.14.2)."""
    assert (REFUSED if counts else OK) == last(series, NO_DATA, f"b = mmap {mapping}")


@every_series
def test_a_refused_mapping_reserves_nothing(series: str) -> None:
    """Its file is not asked (S5.14.2)."""
    assert () == run(series, FULL, SHARED)[-1].book


@every_series
def test_what_goes_gives_room(series: str) -> None:
    """As many pages as it had."""
    assert OK == last(series, SHARED, FULL, "munmap a[0:4]", "b = mmap bar[0:4] wc shared rw")
    assert REFUSED == last(series, SHARED, FULL, "munmap a[0:4]", "b = mmap bar[0:5] wc shared rw")


@every_series
def test_a_limit_goes(series: str) -> None:
    """With any number of pages."""
    assert OK == last(series, FULL, NO_DATA, "setrlimit as unlimited", "setrlimit data unlimited", ANON)


@every_series
def test_the_first_refusal_of_data_is_logged(series: str) -> None:
    """Once (S5.14.2)."""
    first, second = run(series, NO_DATA, ANON, ANON)[1:]

    assert (1, 0) == (len(first.log), len(second.log))
    assert "VmData N exceed data ulimit N" in first.log[0]


@every_series
def test_the_whole_size_is_tried_first_on_the_oldest(series: str) -> None:
    """The line is logged though there is room (S5.14.3)."""
    step = run(series, ANON, NO_DATA, "mmap anon[0:4] private rw over b[0:4]")[-1]

    assert ("ok", series == "6.1") == (step.result, bool(step.log))


@every_series
def test_a_mapping_over_others_pays_the_difference(series: str) -> None:
    """In pages of any kind, so it may pass the limit on data (S5.14.3)."""
    assert OK == last(series, SHARED, FULL, "mmap bar[8:12] uc shared rw over a[2:6]")
    assert OK == last(series, SHARED, NO_DATA, "mmap anon[0:4] private rw over a[4:8]")
    steps = run_to_end(series, SHARED, NO_DATA, "mmap anon[0:4] private rw over a[6:10]", area=16)
    assert "ENOMEM" == steps[-2].result


@every_series
def test_a_refused_mapping_over_others_cuts_them(series: str) -> None:
    """But on 6.1 (S5.14.3)."""
    steps = run_to_end(series, SHARED, FULL, "mmap bar[8:14] uc shared rw over a[4:10]", area=16)

    assert "ENOMEM" == steps[-2].result
    assert (["a[0:8]"] if series == "6.1" else ["a[0:4]", "a[4:8]"]) == spans(steps[-2])


@every_series
@for_each(
    ("call", "result"),
    [
        ("mremap b 5 pages", "ENOMEM"),
        ("mremap b 5 pages maymove", "ENOMEM"),
        ("c = mremap b 4 pages maymove fixed", "ok"),
        ("c = mremap b 4 pages maymove fixed dontunmap", "ENOMEM"),
        ("mremap b 3 pages", "ok"),
    ],
)
def test_mremap_pays_what_it_grows_by(series: str, call: str, result: str) -> None:
    """And for a copy whose source stays (S5.14.4)."""
    assert result == run(series, "area b: 8 pages", ANON, FULL, call)[-1].result


@every_series
def test_a_destination_gives_room_where_it_goes_first(series: str) -> None:
    """It is looked at first from 6.17 on (S5.14.4)."""
    late = SERIES.index(series) >= SERIES.index("6.17")
    step = run(series, SHARED, ANON, FULL, "mremap b 5 pages maymove fixed over a[0:5]")[-1]

    assert ("ENOMEM" if late else "ok") == step.result


@every_series
def test_mprotect_makes_data(series: str) -> None:
    """Of memory that was none (S5.14.5)."""
    private = ("b = mmap bar[0:4] wc private r", NO_DATA)

    assert REFUSED == last(series, *private, "mprotect b rw")
    assert OK == last(series, *private, "mprotect b none")
    assert OK == last(series, ANON, NO_DATA, "mprotect b rwx")


@every_series
def test_a_full_address_space_hides_the_limit_on_data(series: str) -> None:
    """From mprotect (S5.14.5)."""
    assert OK == last(series, "b = mmap bar[0:4] wc private r", NO_DATA, FULL, "mprotect b rw")


@every_series
def test_a_child_has_the_limit_and_its_own_pages(series: str) -> None:
    """A fork never meets it (S5.14.1, S5.14.5)."""
    forked = (SHARED, FULL, "t = fork", "t: munmap a[0:4]")

    assert OK == last(series, *forked, "t: b = mmap bar[0:4] wc shared rw")
    assert REFUSED == last(series, *forked, "b = mmap bar[0:4] wc shared rw")


@every_series
@for_each("call", ["mlock b", "mlockall", "c = mmap anon[0:4] private rw locked"])
def test_locked_memory_is_not_limited(series: str, call: str) -> None:
    """For a task with CAP_IPC_LOCK (S5.14.1)."""
    assert OK == last(series, "setrlimit memlock +0 pages", ANON, call)


@for_each("limit", [FULL, NO_DATA])
@for_each("call", ["t = thread", "exec"])
def test_memory_of_the_program_itself_is_undecided(limit: str, call: str) -> None:
    """How much that is says nobody (S5.14.6)."""
    with pytest.raises(Undecided, match="whose memory is limited"):
        run(SERIES[-1], limit, call)
