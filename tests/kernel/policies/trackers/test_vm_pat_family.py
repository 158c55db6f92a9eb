"""The proposed variants of VM_PAT: each mends one thing and leaves another (discussions 000, 003)."""

from __future__ import annotations

import pytest
from tracker_runs import DRIVER, MAP, book, log, run

FAMILY = ("vm_pat", "unmap_only", "base_pfn", "driver_hook", "vm_pgoff")
#: Those that know their pfn without an entry, whoever maps.
KNOWING = ("base_pfn", "vm_pgoff")
WHOLE = ["bar[0:4] wc"]
DRIVEN = ["bar[0:4] uc-"]


def test_a_zapped_page_forgets_the_mapping_with_vm_pat() -> None:
    """A08: the whole reservation goes with one page."""
    _, zapped, *_ = run("6.1,tracker=vm_pat", DRIVER.replace("asis", "wc"), "zap_vma_ptes a[2]")

    assert [] == book(zapped)


@pytest.mark.parametrize("tracker", FAMILY[1:])
def test_a_zapped_page_is_no_reason_to_forget(tracker: str) -> None:
    """Discussion 000: only an unmap untracks, and it frees what was reserved."""
    _, zapped, gone, _ = run(
        f"6.1,tracker={tracker}", DRIVER.replace("asis", "wc"), "zap_vma_ptes a[2]", "munmap a"
    )

    assert (WHOLE, []) == (book(zapped), book(gone))
    assert () == gone.log


def test_without_its_first_entry_a_mapping_is_lost() -> None:
    """A09: the pfn was in the entry that was zapped."""
    *_, gone, _ = run("6.1,tracker=unmap_only", DRIVER, "zap_vma_ptes a[0]", "munmap a")

    assert DRIVEN == book(gone)
    assert ("WARNING at arch/x86/mm/pat/memtype.c",) == gone.log


@pytest.mark.parametrize("tracker", KNOWING)
def test_a_stored_pfn_needs_no_entry(tracker: str) -> None:
    """Discussion 003: stored in the VMA, the pfn survives any zap."""
    *_, gone, _ = run(f"6.1,tracker={tracker}", DRIVER, "zap_vma_ptes a", "munmap a")

    assert ([], ()) == (book(gone), gone.log)


def test_a_driver_outside_the_tree_has_no_hook() -> None:
    """Discussion 003: "nothing to fix it from an upstream patch with that solution"."""
    *_, gone, _ = run("6.1,tracker=driver_hook", DRIVER, "zap_vma_ptes a[0]", "munmap a")

    assert (DRIVEN, ("WARNING at arch/x86/mm/pat/memtype.c",)) == (book(gone), gone.log)


def test_the_same_zap_of_a_driver_with_the_hook() -> None:
    """The hook is what makes the difference: the PCI files have it."""
    *_, gone, _ = run("6.1,tracker=driver_hook", MAP, "zap_vma_ptes a[0]", "munmap a")

    assert ([], ()) == (book(gone), gone.log)


#: vfio-pci's memory switched off and on under a mapping.
OFF_AND_ON = (
    *("a = mmap bar[0:4] vfio shared rw", "read a[0]", "memory_disable bar", "memory_enable bar"),
    *("read a[0]", "munmap a"),
)
OF_THE_DRIVER = "bar[0:16] uc-"


@pytest.mark.parametrize("tracker", FAMILY[1:])
def test_a_fault_that_remaps_books_once_more(tracker: str) -> None:
    """On 6.1 each first fault behind a zap calls remap_pfn_range, whose reservation was not given up."""
    steps = run(f"6.1,tracker={tracker}", *OFF_AND_ON)

    assert [OF_THE_DRIVER, "bar[0:4] uc-", "bar[0:4] uc-"] == book(steps[4])
    assert ["bar[0:4] uc-"] == book(steps[-1])


@pytest.mark.parametrize("machine", ["6.1", *(f"6.12,tracker={tracker}" for tracker in FAMILY)])
def test_memory_off_and_on_leaves_nothing(machine: str) -> None:
    """6.1 as it is gives up before it books again; from 6.12 on a fault books nothing."""
    assert [] == book(run(machine, *OFF_AND_ON)[-1])


def test_a_driver_with_the_hook_is_asked() -> None:
    """A revocation empties a sysfs mapping, and its pfn is known still."""
    revoked = ("a = mmap bar[4:8] wc shared rw", "request_mem_region bar[4:8]", "munmap a")

    *_, lost, _ = run("6.1,tracker=unmap_only", *revoked)
    *_, gone, _ = run("6.1,tracker=driver_hook", *revoked)

    assert (["bar[4:8] wc"], []) == (book(lost), book(gone))


@pytest.mark.parametrize("tracker", FAMILY)
def test_the_book_is_not_split(tracker: str) -> None:
    """A06: whoever knows the pfn, the first page alone is "freeing invalid memtype", and leaks."""
    steps = run(f"6.1,tracker={tracker}", MAP, "munmap a[0]", "munmap a")

    assert ["bar[0:1] wc"] == book(steps[-2])
    assert ["x86/PAT: main freeing invalid memtype bar[0:1]"] == log(steps)


@pytest.mark.parametrize("tracker", KNOWING)
def test_a_stored_pfn_follows_splits_and_moves(tracker: str) -> None:
    """Each piece frees its own range: from the end backwards nothing is left."""
    steps = run(
        f"6.1,tracker={tracker}",
        *(MAP, "mprotect a[2:4] r", "b = mremap a[2:4] 2 pages maymove fixed", "munmap b", "munmap a"),
    )

    assert ([], []) == (book(steps[-2]), log(steps))


@pytest.mark.parametrize("tracker", KNOWING)
def test_a_stored_pfn_of_a_part_that_moves(tracker: str) -> None:
    """What is moved begins at a later frame; what stays has lost its flag, as on kernels (A12)."""
    steps = run(f"6.1,tracker={tracker}", MAP, "b = mremap a[2:4] 2 pages maymove fixed", "munmap b")

    assert (["bar[0:2] wc"], []) == (book(steps[-2]), log(steps))


def test_the_mode_of_a_vma_is_not_what_was_granted() -> None:
    """Discussion 003: "the pgprot part should be easy": zapped, with an adopted mode, it cannot be forked."""
    adopted = ("b = mmap bar[0:4] wc shared rw", DRIVER.replace("asis", "uc-"), "zap_vma_ptes a[0]")

    *_, forked, _ = run("6.1,tracker=base_pfn", *adopted, "c = fork")
    *_, shared, _ = run("6.1,tracker=track_ctx", *adopted, "c = fork")

    assert ("ENOMEM", "ok") == (forked.result, shared.result)


#: A driver that maps other frames than its offset says, here RAM.
ELSEWHERE = "a = mmap bar[0:4] driver ram shared rw"


@pytest.mark.parametrize("tracker", FAMILY)
def test_who_takes_the_offset_for_the_pfn_hides_the_mapping(tracker: str) -> None:
    """Discussion 003, "But I think that might break OOT users": a revocation looks for the file's offset."""
    *_, revoked, _ = run(f"6.12,tracker={tracker}", ELSEWHERE, "unmap_mapping_range bar[0:4]")

    assert (tracker == "vm_pgoff") is any(pte.table_entry.maps for pte in revoked.ptes or ())


def test_an_offset_that_is_the_pfn_stays_what_it_was() -> None:
    """The PCI files and the driver's device have their frame there, so their mappings are found."""
    *_, revoked, _ = run("6.12,tracker=vm_pgoff", DRIVER, "unmap_mapping_range bar[0:4]")

    assert not any(pte.table_entry.maps for pte in revoked.ptes or ())


def test_a_part_that_is_remapped_leaves_the_offset_alone() -> None:
    """Only what is reserved as a whole needs to be found again."""
    *_, revoked, _ = run(
        "6.12,tracker=vm_pgoff",
        "a = mmap bar[0:4] driver part[1:3] shared rw",
        "unmap_mapping_range bar[1:3]",
    )

    assert not any(pte.table_entry.maps for pte in revoked.ptes or ())
