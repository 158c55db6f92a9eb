"""no_partial: a tracked mapping goes as a whole or not at all (discussion 003)."""

from __future__ import annotations

from for_each import for_each
from tracker_runs import DRIVER, MAP, book, run

WHOLE = ["bar[0:4] wc"]
SPEC = "7.2,tracker=no_partial"


@for_each(
    "part",
    [
        *("munmap a[0]", "munmap a[1]", "munmap a[3]"),
        *("mprotect a[0:2] r", "madvise a[1] random", "mremap a 3 pages", "mseal a[0:2]"),
        "b = mremap a[0:2] 2 pages maymove fixed",
        "mmap bar[8:9] wc shared rw over a[1]",
    ],
)
def test_a_part_is_refused(part: str) -> None:
    """Unmapping, moving, covering or protecting a part is EINVAL and changes nothing."""
    before, refused, *_ = run(SPEC, MAP, part)

    assert ("EINVAL", before.vmas, before.ptes) == (refused.result, refused.vmas, refused.ptes)
    assert WHOLE == book(refused)


@for_each("whole", ["munmap a", "exit", "b = mremap a 4 pages maymove fixed", "mprotect a r", "c = fork"])
def test_the_whole_is_not(whole: str) -> None:
    """What works on all of it works, and nothing is left at the end."""
    *_, done, end = run(SPEC, MAP, whole)

    assert ("ok", []) == (done.result, book(end))


def test_a_driver_may_zap_all_or_nothing() -> None:
    """A zap of one page is refused; one of all untracks, exactly."""
    _, one, every, _ = run(SPEC, DRIVER, "zap_vma_ptes a[1]", "zap_vma_ptes a")

    assert ("EINVAL", ["bar[0:4] uc-"]) == (one.result, book(one))
    assert ("ok", []) == (every.result, book(every))


def test_a_revocation_of_a_part_is_refused() -> None:
    """Its price: a driver cannot claim part of what somebody has mapped."""
    _, claimed, whole, _ = run(SPEC, MAP, "request_mem_region bar[2:4]", "request_mem_region bar[0:4]")

    assert ("EBUSY", WHOLE) == (claimed.result, book(claimed))
    assert ("ok", []) == (whole.result, book(whole))


def test_what_is_not_tracked_may_be_cut() -> None:
    """A mapping filled in part has no reservation to protect."""
    _, cut, _ = run(SPEC, "a = mmap bar[0:4] driver part[0:2] asis shared rw", "munmap a[1]")

    assert "ok" == cut.result
