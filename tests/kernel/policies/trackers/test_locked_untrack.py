"""locked_untrack: mmap_lock around an untracking that has it not, as Pei Li's first try of 2024 has it."""

from __future__ import annotations

import pytest
from for_each import for_each
from tracker_runs import DRIVER, MAP, book, run

from pfnlab.kernel.mm.processors import WaitsForeverError

_ASSERTION = "WARNING at include/linux/rwsem.h"


@for_each(("tracker", "warns"), [("vm_pat", True), ("locked_untrack", False)])
def test_a_revocation_has_the_lock(tracker: str, warns: bool) -> None:
    """The assertion of 6.10 is silent."""
    _, revoked, _ = run(f"6.10,tracker={tracker}", DRIVER, "unmap_mapping_range bar[0:16]")

    assert warns is any(_ASSERTION in line for line in map(str, revoked.log))


@for_each("gone", ["munmap a", "exit", "zap_vma_ptes a"])
def test_what_is_untracked_is_free(gone: str) -> None:
    """As with vm_pat, whoever has the lock already."""
    *_, end = run("6.10,tracker=locked_untrack", DRIVER, gone)

    assert [] == book(end)


def test_a_failing_remap_waits_for_itself() -> None:
    """It zaps in mmap, which holds mmap_lock for writing."""
    with pytest.raises(WaitsForeverError, match="mmap_lock"):
        run("6.12,tracker=locked_untrack", "fail __pte_alloc 1: " + MAP)
