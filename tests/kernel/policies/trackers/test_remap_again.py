"""remap_again: a VMA that was zapped may be remapped as a whole (N06)."""

from __future__ import annotations

import pytest
from tracker_runs import DRIVER, book, log, run

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.flags import VM_READ, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.space import TASK_PAGES
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.zap import zap_page_range_single
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers.remap_again import RemapAgain

SPEC = "7.3,tracker=remap_again"
ZAP, AGAIN = "zap_vma_ptes a", "remap_pfn_range a wc"
FIRST = "a = mmap bar[0:4] driver fault wc shared rw", AGAIN
WHOLE = ["bar[0:4] wc"]


def test_a_zapped_mapping_is_filled_again() -> None:
    """Where track_ctx says EINVAL; one reservation is left, and it goes with the VMA."""
    *_, again, unmapped, _ = run(SPEC, *FIRST, ZAP, AGAIN, "munmap a")
    *_, refused, _, _ = run("7.3", *FIRST, ZAP, AGAIN, "munmap a")

    assert ("ok", "EINVAL") == (again.result, refused.result)
    assert (WHOLE, ["bar[0:4] x1 a[0:4]"], []) == (book(again), list(again.tracked or ()), book(unmapped))


def test_the_range_is_reserved_all_the_time() -> None:
    """The new reservation is made before the old one goes, behind the entries."""
    *_, again, _ = run(SPEC, *FIRST, ZAP, AGAIN)

    assert ["remap", "track", "reserve", "untrack", "erase"] == [
        event.split()[0] for event in again.events or ()
    ]


def test_a_child_keeps_what_it_shares() -> None:
    """The parent has a context of its own from then on, and neither outlives its task."""
    *_, forked, _, again, child, parent, _ = run(
        SPEC, *FIRST, "c = fork", ZAP, AGAIN, "c: munmap a", "munmap a"
    )

    assert ["bar[0:4] x2 a[0:4] c:a[0:4]"] == list(forked.tracked or ())
    assert ["bar[0:4] x1 a[0:4]", "bar[0:4] x1 c:a[0:4]"] == sorted(again.tracked or ())
    assert (WHOLE * 2, WHOLE, []) == (book(again), book(child), book(parent))


def test_a_piece_is_reserved_for_itself() -> None:
    """A piece of a split VMA is whole too; what its context was for stays with the others."""
    *_, again, rest, last, _ = run(
        *(SPEC, *FIRST, "munmap a[1]", "zap_vma_ptes a[2:4]", "remap_pfn_range a[2:4] wc"),
        *("munmap a[0]", "munmap a[2:4]"),
    )

    assert ("ok", ["bar[0:4] wc", "bar[2:4] wc"]) == (again.result, book(again))
    assert (["bar[2:4] wc"], []) == (book(rest), book(last))


@pytest.mark.parametrize(("first", "second"), [("wc", "uc-"), ("uc-", "wc"), ("asis", "wc"), ("wc", "asis")])
def test_another_mode_meets_the_old_one(first: str, second: str) -> None:
    """As a second mapping of the range would: the old mode, or EINVAL, as the rules say."""
    prepared = f"a = mmap bar[0:4] driver fault {first} shared rw", f"remap_pfn_range a {first}"
    *_, again, _ = run(SPEC, *prepared, ZAP, f"remap_pfn_range a {second}")
    *_, other, _ = run("7.3", *prepared, f"b = mmap bar[0:4] driver remap {second} shared rw")

    assert other.result == again.result
    assert {entry.mode for entry in other.book} == {entry.mode for entry in again.book}


def test_another_range_takes_the_place_of_the_first() -> None:
    """The driver's RAM first, then its device; refused, it changes nothing."""
    *_, zapped, refused, _, _, again, _ = run(
        SPEC,
        *("ioremap bar[0:2] wc", "ioremap bar[2:4] uc-", "a = mmap bar[0:4] driver ram asis shared rw"),
        *(ZAP, AGAIN, "iounmap", "iounmap", AGAIN),
    )

    assert ("EINVAL", zapped.book, zapped.tracked) == (refused.result, refused.book, refused.tracked)
    assert ("ok", WHOLE, ("bar[0:4] x1 a[0:4]",)) == (again.result, book(again), again.tracked)


def test_what_cannot_be_filled_changes_nothing() -> None:
    """Where the new range is reserved and a page table is missing, it is freed and the old one stays."""
    kernel = Kernel(PROFILES["7.3"], qemu_q35(), RemapAgain)
    mm, pfns = kernel.start_task("demo").mm, PfnRange(0xF8000, 0xF8004)
    bar = PciBar(PfnRange(0xF8000, 0xF8010), proc=False, write_combine=True, fallocate_errno=0)
    do_mmap(mm, 0x1000, 4, VM_READ | VM_WRITE, file=bar, shared=True, fixed=False)
    vma = mm.vma_lookup(0x1000)
    assert vma is not None
    zap_page_range_single(vma, vma.start, vma.end)
    mm.tables.free_tables(0, TASK_PAGES)
    before = kernel.tracker.tracked([vma]), kernel.book.entries()

    kernel.failures.force("__pte_alloc", 1)
    with pytest.raises(ModelledErrno, match="ENOMEM"):
        remap_pfn_range(vma, vma.start, pfns, vma.page_prot)

    assert before == (kernel.tracker.tracked([vma]), kernel.book.entries())
    kernel._check()


def test_a_part_is_only_looked_up() -> None:
    """It leaves the context as it is."""
    *_, part, _ = run(SPEC, *FIRST, ZAP, "remap_pfn_range a[0:2] wc")

    assert ("ok", ["bar[0:4] x1 a[0:4]"]) == (part.result, list(part.tracked or ()))


def test_entries_that_are_there_are_no_matter() -> None:
    """The driver asks for them; remap_pfn_range would stop the kernel."""
    *_, again, _ = run(SPEC, DRIVER, "remap_pfn_range a asis")

    assert "EBUSY" == again.result


def test_nothing_is_freed_in_vain() -> None:
    """Nor left behind, however often it is done."""
    steps = run(SPEC, *FIRST, *[ZAP, AGAIN] * 3, "munmap a[1:3]", "c = fork", "munmap a[0]", "munmap a[3]")

    assert ([], []) == (log(steps), book(steps[-1]))
