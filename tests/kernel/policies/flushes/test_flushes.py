"""When each placement forces a flush, and if a revocation can return too early (discussion 004, S8.3)."""

from __future__ import annotations

import pytest
from drawing import drawn
from for_each import for_each
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

#: An area filled by an ordinary page and two PFN mappings, everything touched.
ORDINARY = "a = mmap anon[0:1] private rw"
FIRST = "mmap bar[0:1] driver remap wc shared rw over a[1:2]"
SECOND = "mmap bar[1:2] driver remap wc shared rw over a[2:3]"
#: What keeps the page table, so that freeing it forces nothing.
BEHIND = "mmap bar[8:9] driver remap wc shared rw over a[7:8]"

TOUCHED = (ORDINARY, FIRST, SECOND, BEHIND, "write a[0] 7", "write a[1] 7", "write a[2] 7")

#: Placements that flush before any PFN VMA is unlinked, whatever stands in front of it.
RIGHT = ("end_vma", "free_vmas", "fullmm", "in_loop")


def run(flush: str, *ops: str, series: str = "7.2") -> tuple[Step, ...]:
    """The steps of a program on a BAR of 16 pages and its end."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", "area a: 8 pages", *ops, ""))
    return ModelMachine(f"{series},flush={flush}").run_one(load_text(text), check=True).steps


def order(step: Step) -> list[str]:
    """Where a step flushed among clearing, freeing and unlinking."""
    words = ("clear", "flush", "free_pgtables", "unlink", "finish")
    return [event for event in step.events or () if event.split()[0] in words]


def flushed_before_unlink(flush: str, *munmap: str) -> bool:
    """Whether everything cleared was flushed before the first PFN VMA was unlinked."""
    events = order(run(flush, *TOUCHED, *munmap)[len(TOUCHED)])
    unlinked = next(at for at, event in enumerate(events) if event.startswith("unlink"))
    return any(event.startswith("flush") for event in events[:unlinked])


@for_each(
    ("flush", "count"),
    [
        ("none", 1),
        ("end_vma", 2),
        ("first_vma", 1),
        ("free_vmas", 1),
        ("in_loop", 1),
        ("outside_loop", 1),
        ("fullmm", 1),
    ],
)
def test_flushes_of_two_pfn_vmas(flush: str, count: int) -> None:
    """One munmap over two PFN VMAs: a flush each with end_vma, one with all others (B03)."""
    assert count == run(flush, *TOUCHED, "munmap a[1:3]")[len(TOUCHED)].flushes


#: How often one munmap over four PFN VMAs flushes, by the pages from one to the next.
APART = {
    "end_vma": {1: 5, 100: 5, 513: 5, 514: 5, 2048: 5},
    "free_vmas": {1: 2, 100: 2, 513: 2, 514: 2, 2048: 2},
    "in_loop": {1: 2, 100: 2, 513: 2, 514: 5, 2048: 5},
    "outside_loop": {1: 2, 100: 2, 513: 2, 514: 2, 2048: 2},
    "none": {1: 1, 100: 1, 513: 1, 514: 1, 2048: 1},
}


@for_each("series", ["6.1", "7.2"])
@for_each("flush", APART)
def test_flushes_by_distance(flush: str, series: str) -> None:
    """The loop frees page tables by groups at most 2 MiB apart, so in_loop flushes for each (S8.2.4)."""
    counts = {}
    for apart in APART[flush]:
        over = (f"over a[{place}]" for place in range(0, 4 * apart, apart))
        maps = [f"mmap bar[{page}] driver remap wc shared rw {place}" for page, place in enumerate(over)]
        text = "\n".join(
            (
                *("pfnlab program 1", "device bar: pci, 16 pages", f"area a: {3 * apart + 1} pages"),
                *(maps[0].replace("mmap", "a = mmap").replace(" over a[0]", ""), *maps[1:]),
                *(f"munmap a[0:{3 * apart + 1}]", ""),
            )
        )
        steps = ModelMachine(f"{series},flush={flush}").run_one(load_text(text), check=True).steps
        counts[apart] = steps[-2].flushes

    assert APART[flush] == counts


@for_each("flush", FLUSHES)
def test_a_pfn_vma_alone_is_flushed_before_it_is_unlinked(flush: str) -> None:
    """Every placement does it, but none."""
    assert (flush != "none") == flushed_before_unlink(flush, "munmap a[1:3]")


@for_each("flush", FLUSHES)
def test_behind_an_ordinary_vma(flush: str) -> None:
    """Who looks at the first VMA only misses the others: B02, and discussion 004's first try."""
    assert (flush in RIGHT) == flushed_before_unlink(flush, "munmap a[0:3]")


@for_each(("flush", "at"), [("in_loop", 1), ("free_vmas", 0)])
def test_in_the_loop_the_flush_comes_as_late_as_it_may(flush: str, at: int) -> None:
    """A file of ordinary memory is unlinked before in_loop flushes; its pages are counted."""
    shmem = (ORDINARY.replace("private", "shared"), *TOUCHED[1:4], *TOUCHED[5:], "munmap a[0:3]")

    events = order(run(flush, *shmem, series="6.1")[len(shmem) - 1])

    assert ["unlink a[0]", "unlink a[1]", "unlink a[2]"] == [one for one in events if "unlink" in one]
    behind = events[events.index("free_pgtables") + 1 :]
    assert "flush a[1:3]" == behind[at]


@for_each("flush", FLUSHES)
def test_at_exit(flush: str) -> None:
    """A dying address space flushes once, at its end; fullmm before it unlinks as well."""
    events = order(run(flush, *TOUCHED, "exit")[len(TOUCHED)])
    before = events.index("finish")

    assert (flush == "fullmm") == any(event.startswith("flush") for event in events[:before])


RACE = (
    *TOUCHED,
    "t = thread",
    "s = thread",
    "s: read a[1]",
    "hold tlb_finish_mmu: munmap a[0:3]",
    "t: unmap_mapping_range bar[0:2]",
    "s: read a[1]",
    "release",
)


@for_each("flush", FLUSHES)
def test_a_revoked_frame_is_reached(flush: str) -> None:
    """Held before the last flush, munmap has unlinked: a revocation returns, a thread reads on (B01)."""
    steps = run(flush, *RACE)
    revoked, read = steps[-4], steps[-3]

    assert "ok" == revoked.result
    assert (flush not in RIGHT) == (("ok", 7) == (read.result, read.value))


@pytest.mark.parametrize("flush", FLUSHES)
@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_no_operation_leaves_translations_behind(flush: str, seed: int) -> None:
    """Wherever flushes are forced, at the end of an operation all is flushed, and results are the same."""
    program = drawn(seed, driver=True)
    try:
        landed = ModelMachine("7.2").run_one(program).steps
    except Undecided:
        reject()

    steps = ModelMachine(f"7.2,flush={flush}").run_one(program, check=True).steps

    assert [step.result for step in landed] == [step.result for step in steps]


def test_the_first_vma_is_asked_before_free_pgtables() -> None:
    """The stable repair flushes in unmap_region, between unmap_vmas and free_pgtables (S8.1.5)."""
    munmap = run("first_vma", "a = mmap bar[0:2] wc shared rw", "munmap a")[1]

    assert ["clear", "flush", "free_pgtables"] == [event.split()[0] for event in order(munmap)][:3]


def test_files_in_front_leave_before_the_flush_in_the_loop() -> None:
    """A batch of free_pgtables is of one file: those in front are unlinked when the next begins (S8.2.4)."""
    shared = ("a = mmap anon[0:1] shared rw", "mmap anon[0:1] shared rw over a[1:2]")
    ops = (*shared, "mmap bar[0:1] wc shared rw over a[2:3]", "munmap a[0:3]")

    events = order(run("in_loop", *ops)[len(ops) - 1])

    behind = events[events.index("free_pgtables") + 1 :]
    assert ["unlink a[0]", "flush a[2:3]", "unlink a[1]", "unlink a[2]"] == behind[:4]


@for_each(("flush", "count"), [("free_vmas", 1), ("fullmm", 2)])
@for_each("mapping", ["c: a = mmap bar[0:2] driver fault wc shared rw", "c: look"])
def test_a_dying_address_space_has_a_pfn_vma(mapping: str, flush: str, count: int) -> None:
    """The program's own [vvar] is one, so fullmm flushes at every end of a process (S8.2.8)."""
    ops = ("c = fork", mapping, "c: exit")

    assert count == run(flush, *ops)[2].flushes
