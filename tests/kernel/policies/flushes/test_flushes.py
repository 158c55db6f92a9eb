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
RIGHT = tuple(name for name in FLUSHES if name not in ("none", "first_vma", "gather_draft"))

#: Those that flush at the end of each VMA.
AT_THE_END = ("end_vma", "force_v1", "force_respin_a", "force_respin_b")


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


@for_each("flush", FLUSHES)
def test_flushes_of_two_pfn_vmas(flush: str) -> None:
    """One munmap over two PFN VMAs: a flush each at their ends, one with all others (B03)."""
    counted = run(flush, *TOUCHED, "munmap a[1:3]")[len(TOUCHED)].flushes

    assert (2 if flush in AT_THE_END else 1) == counted


#: How often one munmap of four mappings flushes: side by side, 2 and 8 MiB apart, 8 MiB apart and revoked.
OF_FOUR = {
    **dict.fromkeys(AT_THE_END, (5, 5, 5, 1)),
    **dict.fromkeys(("first_vma", "any_vma", "free_vmas", "fullmm"), (2, 2, 2, 1)),
    **dict.fromkeys(("gather_v1", "gather_v2", "gather_v2_junk", "gather_v3", "gather_v5"), (2, 2, 2, 1)),
    "gather_draft": (2, 2, 2, 1),
    "gather_v4": (2, 2, 2, 2),
    "none": (1, 1, 1, 1),
}


def of_four(flush: str, apart: int, *between: str) -> int | None:
    """The flushes of a munmap of four mappings of four pages, with so many pages from one to the next."""
    maps = [
        f"mmap bar[{page}:{page + 4}] driver remap wc shared rw over a[{place}:{place + 4}]"
        for page, place in zip(range(0, 16, 4), range(0, 4 * apart, apart), strict=True)
    ]
    end = 3 * apart + 4
    text = "\n".join(
        (
            *("pfnlab program 1", "device bar: pci, 16 pages", f"area a: {end} pages"),
            *(*maps, *between, f"munmap a[0:{end}]", ""),
        )
    )
    program = load_text(text)
    return ModelMachine(f"7.2,flush={flush}").run_one(program, check=True).steps[len(program.ops) - 1].flushes


@for_each("flush", OF_FOUR)
def test_flushes_of_four_mappings(flush: str) -> None:
    """As posted, one flush serves all; in the loop, tables of emptied mappings cost one more."""
    counted = [of_four(flush, apart) for apart in (4, 512, 2048)]

    counted.append(of_four(flush, 2048, "unmap_mapping_range bar[0:16]"))

    assert OF_FOUR[flush] == tuple(counted)


#: How often one munmap over four PFN VMAs flushes, by the pages from one to the next.
APART = {
    "end_vma": {1: 5, 100: 5, 513: 5, 514: 5, 2048: 5},
    "free_vmas": {1: 2, 100: 2, 513: 2, 514: 2, 2048: 2},
    "gather_v4": {1: 2, 100: 2, 513: 2, 514: 2, 2048: 2},
    "gather_draft": {1: 2, 100: 2, 513: 2, 514: 2, 2048: 2},
    "none": {1: 1, 100: 1, 513: 1, 514: 1, 2048: 1},
}


@for_each("series", ["6.1", "7.2"])
@for_each("flush", APART)
def test_flushes_by_distance(flush: str, series: str) -> None:
    """As posted, tables that the loop frees between two groups force no flush (S8.2.4)."""
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


@for_each(("flush", "at"), [("gather_v4", 1), ("free_vmas", 0)])
def test_in_the_loop_the_flush_comes_as_late_as_it_may(flush: str, at: int) -> None:
    """A file of ordinary memory is unlinked before gather_v4 flushes; its pages are counted."""
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

    events = order(run("gather_v4", *ops)[len(ops) - 1])

    behind = events[events.index("free_pgtables") + 1 :]
    assert ["unlink a[0]", "flush a[2:3]", "unlink a[1]", "unlink a[2]"] == behind[:4]


@for_each(("flush", "count"), [("free_vmas", 1), ("fullmm", 2)])
@for_each("mapping", ["c: a = mmap bar[0:2] driver fault wc shared rw", "c: look"])
def test_a_dying_address_space_has_a_pfn_vma(mapping: str, flush: str, count: int) -> None:
    """The program's own [vvar] is one, so fullmm flushes at every end of a process (S8.2.8)."""
    ops = ("c = fork", mapping, "c: exit")

    assert count == run(flush, *ops)[2].flushes


#: A PFN VMA, then what hides it, or flushes for another reason.
FRONT = "a = mmap bar[0:1] driver remap wc shared rw"
BEHIND_IT = "mmap anon[0:1] private rw over a[1:2]"


@for_each("flush", FLUSHES)
def test_in_front_of_an_ordinary_vma(flush: str) -> None:
    """A flag that is assigned for each VMA is that of the last one when free_pgtables asks for it."""
    ops = (FRONT, BEHIND_IT, "read a[0]", "write a[1] 7", "munmap a[0:2]")

    events = order(run(flush, *ops)[len(ops) - 1])

    before = events[: next(at for at, event in enumerate(events) if event.startswith("unlink"))]
    assert (flush not in ("none", "gather_v1")) == any(event.startswith("flush") for event in before)


@for_each("flush", FLUSHES)
def test_a_mixed_map(flush: str) -> None:
    """The first two versions of 2022 force nothing for it."""
    ops = ("a = mmap bar[0:1] driver mixed wc shared rw", "read a[0]", "munmap a")

    events = order(run(flush, *ops)[2])

    before = events[: events.index("unlink a[0]")]
    forced = flush not in ("none", "force_v1", "force_respin_a")
    assert forced == any(event.startswith("flush") for event in before)


#: Pages of shared memory that were written are flushed as soon as they are cleared (S8.1.9).
WRITTEN = "mmap anon[0:1] shared rw over a[1:2]"
THIRD = "mmap anon[0:1] private rw over a[2:3]"


@for_each(("flush", "count"), [("gather_v2", 3), ("free_vmas", 3), ("gather_v3", 2), ("gather_v5", 2)])
def test_a_flush_for_another_reason(flush: str, count: int) -> None:
    """It took the PFN VMA's entries with it: who keeps the flag flushes ordinary memory early, once more."""
    ops = (FRONT, WRITTEN, THIRD, "read a[0]", "write a[1] 7", "write a[2] 7", "munmap a[0:3]")

    counted = run(flush, *ops)[len(ops) - 1].flushes

    assert count == counted


@for_each(("flush", "count"), [("gather_v2", 1), ("gather_v2_junk", 2), ("free_vmas", 1)])
def test_a_flag_that_nobody_has_set(flush: str, count: int) -> None:
    """Found set on the stack, it costs a flush where no PFN VMA is."""
    ops = ("a = mmap anon[0:1] private rw", "write a[0] 7", "munmap a")

    assert count == run(flush, *ops)[2].flushes
