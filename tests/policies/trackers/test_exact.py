"""exact: what a VMA covers is reserved, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_runs import DRIVER, MAP, book, log, run

from pfnlab.errors import Undecided
from pfnlab.hw.platform import qemu_q35
from pfnlab.mm.flags import VM_PFNMAP
from pfnlab.mm.kernel import Kernel
from pfnlab.policies.profiles import PROFILES
from pfnlab.policies.trackers.exact import Exact
from pfnlab.programs.dispatch import perform
from pfnlab.programs.generate import generate
from pfnlab.programs.ops import Mremap
from pfnlab.programs.places import Places
from pfnlab.units import PfnRange, pages_of, phys_to_pfn

SPEC = "7.2,tracker=exact"
BAR = 0xF8000


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("munmap a[0]", ["bar[1:4] wc"]),
        ("munmap a[1]", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("mremap a 3 pages", ["bar[0:3] wc"]),
        ("mprotect a[1] r", ["bar[0:4] wc"]),
        ("b = mremap a[1:3] 2 pages maymove fixed", ["bar[0:4] wc"]),
        ("mmap bar[8] wc shared rw over a[1]", ["bar[0:1] wc", "bar[2:4] wc", "bar[8:9] wc"]),
    ],
)
def test_the_book_follows(cut: str, left: list[str]) -> None:
    """Cut anywhere, shrunk, protected, moved in part or covered: the book has what is mapped."""
    steps = run(SPEC, MAP, cut)

    assert (left, [], []) == (book(steps[1]), book(steps[2]), log(steps))


def test_a_child_counts() -> None:
    """What the parent unmaps stays reserved for the child, without an entry of its own."""
    _, forked, parent, child, rest, _ = run(
        SPEC, MAP, "c = fork", "munmap a[0:2]", "c: munmap a[1:3]", "c: munmap a[0]"
    )

    assert (["bar[0:4] wc"], ["bar[0:4] wc"]) == (book(forked), book(parent))
    assert ["bar[0:1] wc", "bar[2:4] wc"] == book(child)
    assert ["bar[2:4] wc"] == book(rest)


@pytest.mark.parametrize(
    "fail", ["fail __pte_alloc 1 in copy_page_range", "fail vm_area_dup 1", "fail vm_area_dup 2"]
)
def test_a_fork_that_fails(fail: str) -> None:
    """Half a child leaves nothing behind."""
    _, _, failed, gone, _ = run(SPEC, MAP, "mprotect a[0] r", f"{fail}: c = fork", "munmap a[0:2]")

    assert ("ENOMEM", ["bar[0:4] wc"], ["bar[2:4] wc"]) == (failed.result, book(failed), book(gone))


def test_what_is_zapped_stays_reserved() -> None:
    """Entries may come back, with the mode they had (seed 000)."""
    _, zapped, read, _ = run(SPEC, DRIVER.replace("asis", "wc"), "zap_vma_ptes a", "read a[1]")

    assert ["bar[0:4] wc"] == book(zapped)
    assert "WC" in next(seen.entry for seen in read.ptes or () if seen.target is not None)


def test_an_inserted_page_is_reserved() -> None:
    """Nobody can map it otherwise while it is there, unlike on any kernel."""
    fault = ("a = mmap bar[0:4] driver fault asis shared rw", "read a[1]", "b = mmap bar[0:4] wc shared rw")

    _, read, mapped, _ = run(SPEC, *fault)
    _, _, alias, _ = run("7.2", *fault)

    assert ["bar[1:2] uc-"] == book(read)
    assert ["bar[0:4] uc-", "bar[1:2] uc-"] == book(mapped)
    assert ["bar[0:4] wc"] == book(alias)


def test_an_inserted_page_gets_the_mode_of_the_book() -> None:
    """As on kernels what the handler asks for is ignored (S4.3)."""
    _, read, _ = run(SPEC, "a = mmap bar[0:4] driver fault_prot shared rw", "read a[1]")

    assert ["bar[1:2] uc-"] == book(read)


def test_a_private_mapping_of_ram() -> None:
    """Its offset becomes its first frame, and its pieces are counted by that."""
    *_, cut, _ = run(SPEC, "a = mmap bar[0:4] driver ram asis private rw", "munmap a[0]")

    assert ("ok", ()) == (cut.result, cut.book)
    assert ["ram a[1:4]"] == [one.replace("phys", "ram") for one in cut.tracked or ()]


def test_a_part_is_reserved() -> None:
    """Two calls that fill one VMA have a range each."""
    mapped, gone, _ = run(SPEC, "a = mmap bar[0:4] driver halves wc shared rw", "munmap a[1:3]")

    assert ["bar[0:2] wc", "bar[2:4] wc"] == book(mapped)
    assert ["bar[0:1] wc", "bar[3:4] wc"] == book(gone)


def test_a_living_mapping_is_filled_again() -> None:
    """Emptied and remapped with the same frames: nothing new to reserve (N06 is EINVAL on kernels)."""
    *_, again, gone, _ = run(SPEC, DRIVER, "zap_vma_ptes a", "remap_pfn_range a wc", "munmap a")

    assert ("ok", ["bar[0:4] uc-"], []) == (again.result, book(again), book(gone))


def covered(kernel: Kernel) -> set[int]:
    """The frames of every VMA that a file of user space was mapped to."""
    vmas = [vma for task in kernel.processes() for vma in task.mm if vma.flags & VM_PFNMAP]
    first = [(vma.file.base_pfn(vma), vma.nr) for vma in vmas if vma.file and vma.file.base_pfn]
    return {pfn + page for pfn, nr in first for page in range(nr)}


def reserved(kernel: Kernel) -> set[int]:
    """The frames in the book."""
    return {pfn for e in kernel.book.entries() for pfn in range(phys_to_pfn(e.start), pages_of(e.end))}


@pytest.mark.parametrize("series", ["6.1", "7.2", "7.3"])
@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_book_is_what_is_mapped(series: str, seed: int) -> None:
    """After every step of any program on a BAR, the book has the frames that VMAs cover, and no other."""
    program = generate(seed, 16)
    kernel = Kernel(PROFILES[series], qemu_q35(), Exact)
    kernel.start_task("main")
    starts = {device.name: 0x10 if device.kind == "lowmem" else BAR for device in program.devices}
    devices = {one.name: PfnRange(starts[one.name], starts[one.name] + one.pages) for one in program.devices}
    places = Places.of(program, devices)
    for op in program.ops:
        task = kernel.tasks.get(op.task)
        if task is not None:
            with suppress(Undecided):
                perform(kernel, task, op.call, places)
        kernel._check()
        assert covered(kernel) == reserved(kernel), op


def test_moves_are_among_the_programs() -> None:
    """The property above has seen mremap."""
    assert any(isinstance(op.call, Mremap) for seed in range(20) for op in generate(seed, 16).ops)
