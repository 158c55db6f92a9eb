"""exact: what a VMA covers is reserved, and nothing else."""

from __future__ import annotations

from contextlib import suppress

import pytest
from drawing import drawn
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from tracker_runs import DRIVER, MAP, book, log, run

from pfnlab.base.errors import ModelledErrno, Undecided
from pfnlab.base.units import PfnRange, pages_of, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgprot import pgprot_set_cachemode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.fault import fault_in
from pfnlab.kernel.mm.flags import VM_PFNMAP, VM_READ, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.remap import remap_pfn_range
from pfnlab.kernel.mm.space import TASK_PAGES
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.vma import MappedFile, Vma
from pfnlab.kernel.mm.zap import zap_page_range_single
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers.exact import CountedFrames, Exact
from pfnlab.programs.lang.device_ops import (
    DriverCall,
    ReleaseMemRegion,
    RequestMemRegion,
    UnmapMappingRange,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import Mmap, Mremap, Op, Program, RemapFilePages
from pfnlab.programs.model.dispatch import perform
from pfnlab.programs.model.model_machine import place
from pfnlab.programs.runs.places import Places

SPEC = "7.2,tracker=exact"
#: Its last pages are RAM, all others are not as far as the book goes.
HOLE = "hole: isa, 0x70 pages"
BAR = 0xF8000


@for_each(
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


def test_each_run_of_frames_is_one_operation_on_the_book() -> None:
    """Of the last VMA of a range, in the order of frames: each from where what is left begins."""
    cuts = ("c = fork", "c: munmap a[1]", "c: munmap a[3]")

    *_, freed, _ = run(SPEC, "a = mmap bar[0:5] wc shared rw", *cuts, "munmap a")

    assert ["bar[0:1] wc", "bar[2:3] wc", "bar[4:5] wc"] == book(freed)
    assert ["untrack bar[0]", "erase bar[0]", "untrack bar[2]", "erase bar[2]"] == [
        event for event in freed.events or () if event.startswith(("untrack", "erase"))
    ]


def test_a_page_covers_what_was_inserted_last() -> None:
    """A handler that inserts another frame than was remapped there before a zap leaves one part a page."""
    mapped = "a = mmap bar[0:4] driver ram asis shared rw"

    *_, read, rest, _ = steps = run(SPEC, mapped, "zap_vma_ptes a", "read a[1]", "munmap a[0]")

    assert (["bar[1:2] uc-"], ["bar[1:2] uc-"], []) == (book(read), book(rest), log(steps))


def test_a_range_with_ram_in_it_leaves_nothing_to_free() -> None:
    """The book has no entry for it, so none is looked for when a part without RAM is left or goes."""
    mapped = "a = mmap hole[0:0x70] driver remap asis shared r"

    *_, last, _ = steps = run(SPEC, mapped, "munmap a[0x60:0x70]", "munmap a[0:0x60]", device=HOLE)

    assert ([], []) == (book(last), [line for line in log(steps) if "invalid" in line])


def test_ram_that_was_inserted_is_not_remembered() -> None:
    """Pages of RAM that were inserted one by one do not keep a remap of all of them away."""
    mapped = "a = mmap hole[0x68:0x6a] driver fault asis shared r"
    inserted = ("read a[0]", "read a[1]", "zap_vma_ptes a")

    *_, remapped, _ = run(SPEC, mapped, *inserted, "remap_pfn_range a[0:2] asis", device=HOLE)

    assert "ok" == remapped.result


def test_a_child_counts() -> None:
    """What the parent unmaps stays reserved for the child, without an entry of its own."""
    _, forked, parent, child, rest, _ = run(
        SPEC, MAP, "c = fork", "munmap a[0:2]", "c: munmap a[1:3]", "c: munmap a[0]"
    )

    assert (["bar[0:4] wc"], ["bar[0:4] wc"]) == (book(forked), book(parent))
    assert ["bar[0:1] wc", "bar[2:4] wc"] == book(child)
    assert ["bar[2:4] wc"] == book(rest)


@for_each("fail", ["fail __pte_alloc 1 in copy_page_range", "fail vm_area_dup 1", "fail vm_area_dup 2"])
def test_a_fork_that_fails(fail: str) -> None:
    """Half a child leaves nothing behind."""
    _, _, failed, gone, _ = run(SPEC, MAP, "mprotect a[0] r", f"{fail}: c = fork", "munmap a[0:2]")

    assert ("ENOMEM", ["bar[0:4] wc"], ["bar[2:4] wc"]) == (failed.result, book(failed), book(gone))


def test_what_a_handler_may_fill_stays_reserved() -> None:
    """Zapped entries may come back, with the mode they had (discussion 000)."""
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


@for_each("mapped", [MAP, "a = mmap bar[0:4] devmem private rw"])
def test_a_claim_leaves_nothing(mapped: str) -> None:
    """What was revoked cannot come back, so it does not decide the mode of whoever claimed it (G09)."""
    _, claimed, _ = run(SPEC, mapped, "request_mem_region bar[0:4]")

    assert [] == book(claimed)


def test_a_part_that_is_zapped() -> None:
    """The book has what is left, and ends with it."""
    _, zapped, gone, *_ = steps = run(SPEC, MAP, "zap_vma_ptes a[1]", "munmap a")

    assert (["bar[0:1] wc", "bar[2:4] wc"], [], []) == (book(zapped), book(gone), log(steps))


@for_each(
    ("cut", "left"),
    [
        ("munmap a[0]", ["bar[2:4] wc"]),
        ("munmap a[0:2]", ["bar[2:4] wc"]),
        ("munmap a[2]", ["bar[0:1] wc", "bar[3:4] wc"]),
        ("mprotect a[1] r", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("mremap a[0:4] 3 pages", ["bar[0:1] wc", "bar[2:3] wc"]),
        ("mremap a[0:4] 4 pages maymove fixed over a[8:12]", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("mremap a[1] 1 pages maymove fixed over a[8]", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("zap_vma_ptes a[0:3]", ["bar[3:4] wc"]),
        ("zap_vma_ptes a[0:4]", []),
    ],
)
def test_what_was_zapped_stays_away(cut: str, left: list[str]) -> None:
    """Cut, protected, moved or zapped again afterwards: nobody covers that page any more."""
    steps = run(SPEC, "area a: 12 pages", MAP, "zap_vma_ptes a[1]", cut, "munmap a[0:12]")

    assert (left, [], []) == (book(steps[2]), book(steps[3]), log(steps))


def test_an_empty_mapping_moves() -> None:
    """A VMA without any entry takes nothing along."""
    _, _, moved, gone, *_ = steps = run(
        SPEC, MAP, "zap_vma_ptes a", "b = mremap a 4 pages maymove fixed", "munmap b"
    )

    assert ("ok", [], [], []) == (moved.result, book(moved), book(gone), log(steps))


@for_each(
    ("move", "result"),
    [("a 4 pages maymove fixed dontunmap", "EINVAL"), ("a[0:0] 4 pages maymove fixed", "EFAULT")],
)
def test_no_vma_without_entries_by_mremap(move: str, result: str) -> None:
    """Neither what moved away nor a second mapping of it covers anything: both are refused (S5.8)."""
    _, refused, _ = run(SPEC, MAP, f"b = mremap {move}")

    assert (result, ["bar[0:4] wc"]) == (refused.result, book(refused))


def test_a_child_keeps_what_its_parent_lost() -> None:
    """Each process covers what it has entries for."""
    *_, parent, child, rest, _ = run(
        SPEC, MAP, "c = fork", "zap_vma_ptes a[0:2]", "c: zap_vma_ptes a[1:3]", "c: exit"
    )

    assert ["bar[0:4] wc"] == book(parent)
    assert ["bar[0:1] wc", "bar[2:4] wc"] == book(child)
    assert ["bar[2:4] wc"] == book(rest)


def test_a_child_gets_no_more_than_there_is() -> None:
    """Forked after a zap it covers the rest."""
    _, _, forked, gone, _ = run(SPEC, MAP, "zap_vma_ptes a[1]", "c = fork", "munmap a")

    assert [["bar[0:1] wc", "bar[2:4] wc"]] * 2 == [book(forked), book(gone)]


def test_a_copied_page_covers() -> None:
    """The device may be revoked and the copy kept: the page still stands for its frame."""
    _, written, zapped, _ = run(
        SPEC, "a = mmap bar[0:4] devmem private rw", "write a[1] 7", "zap_vma_ptes a[2:4]"
    )

    assert [["bar[0:4] uc-"], ["bar[0:2] uc-"]] == [book(written), book(zapped)]


def test_a_copied_page_that_is_zapped() -> None:
    """Neither the copy nor the frame comes back."""
    _, _, zapped, read, _ = run(
        SPEC, "a = mmap bar[0:4] devmem private rw", "write a[1] 7", "zap_vma_ptes a[0:2]", "read a[1]"
    )

    assert (["bar[2:4] uc-"], "EFAULT") == (book(zapped), read.result)


def test_a_copied_page_that_is_spared() -> None:
    """A zap that leaves copies alone takes the frames around them only."""
    kernel, vma = mapped_privately()
    mm = vma.mm

    fault_in(vma, vma.start + 1, True)
    zap_page_range_single(vma, vma.start, vma.end, even_cows=False)

    assert {BAR + 1} == reserved(kernel)
    assert [vma.start + 1] == [run.start for run in mm.tables.runs(vma.start, vma.end)]
    kernel._check()


def test_what_was_given_up_is_reserved_anew() -> None:
    """remap_pfn_range over it maps nothing that is not in the book, with the mode asked for now."""
    kernel, vma = mapped_privately()
    before = kernel.book.entries()[0].type

    zap_page_range_single(vma, vma.start, vma.end)
    prot = pgprot_set_cachemode(vma.page_prot, CacheMode.WC, kernel.platform.pat)
    remap_pfn_range(vma, vma.start, PfnRange(BAR, BAR + 4), prot)

    assert (CacheMode.UC_MINUS, [CacheMode.WC]) == (before, [one.type for one in kernel.book.entries()])
    assert {BAR, BAR + 1, BAR + 2, BAR + 3} == reserved(kernel)
    kernel._check()


def test_a_part_given_up_is_reserved_anew() -> None:
    """Beside what the VMA covers still, and all of it goes with the VMA."""
    kernel, vma = mapped_shared()

    zap_page_range_single(vma, vma.start + 1, vma.start + 3)
    remap_pfn_range(vma, vma.start + 1, PfnRange(BAR + 1, BAR + 3), vma.page_prot)

    assert {BAR, BAR + 1, BAR + 2, BAR + 3} == reserved(kernel)
    kernel._check()
    do_munmap(vma.mm, vma.start, vma.end)
    assert set() == reserved(kernel)


def test_a_remap_that_fails_after_a_zap() -> None:
    """What it was about to cover goes again."""
    kernel, vma = mapped_shared()
    zap_page_range_single(vma, vma.start, vma.end)
    vma.mm.tables.free_tables(0, TASK_PAGES)

    kernel.failures.force("__pte_alloc", 1)
    with pytest.raises(ModelledErrno):
        remap_pfn_range(vma, vma.start, PfnRange(BAR, BAR + 4), vma.page_prot)

    assert set() == reserved(kernel)
    kernel._check()


def mapped_privately() -> tuple[Kernel, Vma]:
    """A private mapping of four BAR pages by /dev/mem, and its kernel."""
    return mapped_by(DevMem(sync=True, mmap_prepare=False), BAR, shared=False)


def mapped_shared() -> tuple[Kernel, Vma]:
    """A shared mapping of four BAR pages by a resource file, and its kernel."""
    bar = PciBar(PfnRange(BAR, BAR + 16), proc=False, write_combine=True, fallocate_errno=0)
    return mapped_by(bar, 0, shared=True)


def mapped_by(file: MappedFile, pgoff: int, *, shared: bool) -> tuple[Kernel, Vma]:
    """Four pages of *file* in a fresh process."""
    kernel = Kernel(PROFILES["7.2"], qemu_q35(), Exact)
    mm = kernel.start_task("main").mm
    do_mmap(mm, 0x1000, 4, VM_READ | VM_WRITE, file=file, pgoff=pgoff, shared=shared, fixed=False)
    return kernel, next(iter(mm))


CLAIM = "request_mem_region bar[0:4]"


def test_a_claim_that_has_not_flushed() -> None:
    """Until no processor remembers the entries the reservation stays."""
    *_, held, released, _ = run(
        SPEC, MAP, "t = thread", "read a[0]", f"hold flush_tlb_mm_range: {CLAIM}", "release"
    )

    assert (["bar[0:4] wc"], []) == (book(held), book(released))


@for_each("place", ["flush_tlb_mm_range", "tlb_finish_mmu", "pfnmap_untrack", "memtype_erase"])
@for_each(
    "beside",
    [
        "munmap a[0]",
        "munmap a",
        "mprotect a[1:3] r",
        "b = mremap a 4 pages maymove fixed",
        "b = mremap a[1:3] 2 pages maymove fixed",
        "c = fork",
    ],
)
def test_a_vma_is_copied_while_its_entries_go(place: str, beside: str) -> None:
    """Who copies it gets what it still covers, and no entry: when all is done nobody covers anything."""
    steps = run(SPEC, MAP, "t = thread", f"hold {place}: {CLAIM}", f"t: {beside}", "release")

    assert ("held", [], []) == (steps[2].result, book(steps[4]), log(steps))


@for_each("place", ["pfnmap_untrack", "memtype_erase"])
def test_two_let_go_at_once(place: str) -> None:
    """Whoever comes second finds the book as the first left it."""
    *before, waits, released, _ = run(
        *(SPEC, MAP, "c = fork", "c: munmap a[0]", "munmap a[1]"),
        *(f"hold {place}: munmap a[0]", "c: munmap a[1]", "release"),
    )

    assert ("waits", ["bar[2:4] wc"], []) == (waits.result, book(released), log((*before, waits, released)))


def covered(kernel: Kernel) -> set[int]:
    """The frames of every page with an entry that a file of user space was mapped to, copied pages too."""
    vmas = [vma for task in kernel.processes() for vma in task.mm if vma.flags & VM_PFNMAP]
    return {
        vma.file.base_pfn(vma) + vpn - vma.start
        for vma in vmas
        if vma.file and vma.file.base_pfn
        for run in vma.mm.tables.runs(vma.start, vma.end)
        for vpn in range(run.start, run.end)
    }


def reserved(kernel: Kernel) -> set[int]:
    """The frames in the book."""
    return {pfn for e in kernel.book.entries() for pfn in range(phys_to_pfn(e.start), pages_of(e.end))}


@pytest.mark.parametrize("series", ["6.1", "7.2", "7.3"])
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_the_book_is_what_is_mapped(series: str, seed: int) -> None:
    """After every step of any program on a BAR, the book has the frames that VMAs cover, and no other."""
    follow(series, drawn(seed))


@pytest.mark.parametrize("series", ["6.1", "7.2", "7.3"])
@settings(max_examples=120)
@given(seed=st.integers(0, 2**32))
def test_the_book_is_what_is_left_of_it(series: str, seed: int) -> None:
    """The same where entries are zapped and ranges claimed."""
    follow(series, drawn(seed, driver=True))


def follow(series: str, program: Program) -> None:
    """Run what of *program* neither maps by the driver nor reserves for it; look after every step."""
    platform, devices, _ = place(program)
    kernel = Kernel(PROFILES[series], platform, Exact)
    kernel.start_task("main")
    places = Places.of(program, devices)
    # In the ISA hole and in RAM beside it nothing is reserved (S1.7.5, S2.10.2).
    unbooked = {device.name for device in program.devices if device.kind == "isa"}
    for op in program.ops:
        task = kernel.tasks.get(op.task)
        source = op.call.source.name if isinstance(op.call, Mmap | RemapFilePages) else ""
        if task is not None and is_followed(op) and source not in unbooked:
            with suppress(Undecided):
                perform(kernel, task, op.call, places)
        kernel._check()
        assert covered(kernel) == reserved(kernel), op


def is_followed(op: Op) -> bool:
    """Whether it leaves alone what is not compared: what a handler may fill, and what a driver books."""
    if isinstance(op.call, DriverCall):
        return isinstance(op.call, ZapVmaPtes | UnmapMappingRange | RequestMemRegion | ReleaseMemRegion)
    return not isinstance(op.call, Mmap) or op.call.via != "driver"


def test_moves_are_among_the_programs() -> None:
    """The properties above have seen mremap."""
    assert any(isinstance(op.call, Mremap) for seed in range(20) for op in drawn(seed).ops)


def test_zaps_and_claims_are_among_the_programs() -> None:
    """The second has seen entries go."""
    programs = [drawn(seed, driver=True) for seed in range(20)]
    ops = [op for program in programs for op in program.ops]

    assert {ZapVmaPtes, RequestMemRegion} <= {type(op.call) for op in ops}


def test_counts_are_alike_in_every_order() -> None:
    """A state of the search does not show which part was counted first."""
    whole = CountedFrames(PfnRange(0, 6), 0)
    whole.count(PfnRange(0, 6), 1)
    whole.count(PfnRange(0, 2), -1)
    tail = CountedFrames(PfnRange(0, 6), 0)
    tail.count(PfnRange(2, 6), 1)

    assert list(whole.edges.items()) == list(tail.edges.items())


def test_a_private_mapping_of_ram_may_be_narrowed() -> None:
    """Each call moves vm_pgoff; nothing of RAM is reserved that could be lost."""
    *_, end = run(SPEC, "a = mmap bar[0:16] driver narrowed wt private rw")

    assert [] == book(end)


def test_a_reserved_part_outside_its_private_vma_is_noticed() -> None:
    """Frames of a device are in the book, so vm_pgoff must still find them."""
    kernel, vma = mapped_privately()
    vma.pgoff += 1

    with pytest.raises(AssertionError, match="CoveredPart"):
        kernel._check()
