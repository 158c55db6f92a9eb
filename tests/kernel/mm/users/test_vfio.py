"""S9.4: a device opened through vfio-pci, and what its memory bit does to mappings."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno, Undecided
from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.pgtable import EntryRun
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.fault import Signal, access
from pfnlab.kernel.mm.flags import VM_PAT, VM_READ, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.more.lives import fork
from pfnlab.kernel.mm.more.mprotect import do_mprotect
from pfnlab.kernel.mm.mremap import Remap, do_mremap
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.mm.users.driver import DriverState
from pfnlab.kernel.mm.users.pci import PciBar
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET, REGION_PAGES, VfioDevice
from pfnlab.kernel.mm.zap import zap_vma_ptes
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine, OpenRun

BAR = PfnRange(0xF8000, 0xF8000 + 16384)
AT = 1 << 32
RW = VM_READ | VM_WRITE
LEAF = 512

every_series = for_each("series", SERIES)
REMAPS = [series for series in SERIES if PROFILES[series].vfio_remaps]
INSERTS = [series for series in SERIES if not PROFILES[series].vfio_remaps]
LEAVES = [series for series in SERIES if PROFILES[series].huge_faults_ignore_thp]


def boot(series: str) -> tuple[Kernel, Task, VfioDevice]:
    """A kernel, a process, and the device opened by it."""
    return boot_as(PROFILES[series])


def boot_as(profile: Profile) -> tuple[Kernel, Task, VfioDevice]:
    """The same of another profile."""
    kernel = Kernel(profile, qemu_q35(), TRACKERS[profile.tracker])
    task = kernel.start_task("main")
    return kernel, task, VfioDevice(kernel, BAR, BAR)


def mmap(kernel: Kernel, task: Task, device: VfioDevice, first: int, nr: int, shared: bool = True) -> int:
    """Map *nr* pages of the device from page *first* on; returns the errno."""
    refused, _ = kernel.call(
        task,
        lambda: do_mmap(
            task.mm, AT, nr, RW, file=device, pgoff=BAR_OFFSET + first, shared=shared, fixed=False
        ),
    )
    return refused


def mapped(series: str, nr: int = 8) -> tuple[Kernel, Task, VfioDevice]:
    """The same with the first *nr* pages mapped."""
    kernel, task, device = boot(series)
    assert 0 == mmap(kernel, task, device, 0, nr)
    return kernel, task, device


def book(kernel: Kernel) -> list[tuple[int, int, str]]:
    """The book in pages of the BAR, less what the driver has for itself."""
    entries = [
        (phys_to_pfn(entry.start) - BAR.start, phys_to_pfn(entry.end) - BAR.start, entry.type.short)
        for entry in kernel.book.entries()
    ]
    return [entry for entry in entries if 0 <= entry[0] < BAR.nr and entry[:2] != (0, BAR.nr)]


def signal_of(task: Task, page: int) -> str:
    """The signal a load gets, or the word loaded."""
    try:
        return str(access(task.mm, task.tlb, AT + page))
    except Signal as signal:
        return str(signal)


@every_series
def test_mapping_fills_nothing(series: str) -> None:
    """Entries come with faults; the one thing booked is the driver's own."""
    kernel, task, _ = mapped(series)

    assert ([], []) == (task.mm.tables.runs(AT, AT + 8), book(kernel))


@every_series
def test_private_mappings_are_refused(series: str) -> None:
    """S9.4.1."""
    assert errno.EINVAL == mmap(*boot(series), 0, 8, shared=False)


@every_series
def test_beyond_the_bar_is_refused(series: str) -> None:
    """S9.4.1."""
    assert errno.EINVAL == mmap(*boot(series), BAR.nr - 4, 8)


@every_series
def test_another_region_is_refused(series: str) -> None:
    """An offset in front of the BAR's region, as remap_file_pages can ask for, is none of its pages."""
    assert errno.EINVAL == mmap(*boot(series), -BAR_OFFSET + 16, 1)


def test_without_909290786ea3_a_region_that_is_not_there_stops_the_kernel() -> None:
    """S9.4.1: index 9 is behind the last region, index 8 is one of every device's."""
    kernel, task, device = boot_as(replace(PROFILES["6.1"], vfio_checks_region=False))

    assert errno.EINVAL == mmap(kernel, task, device, 9 * REGION_PAGES - BAR_OFFSET - 1, 1)
    with pytest.raises(Undecided, match="the kernel stops with an oops"):
        mmap(kernel, task, device, 9 * REGION_PAGES - BAR_OFFSET, 1)


@every_series
def test_memory_that_is_off_already_is_zapped_again(series: str) -> None:
    """Whoever writes the command register with the memory bit off looks for entries (6.12 and later)."""
    kernel, _, device = mapped(series)
    device.set_memory(False)
    kernel.trace.take()

    device.set_memory(False)

    events = [event for event, *_ in kernel.trace.take()[0]]
    assert ("clear" in events) is not PROFILES[series].vfio_remaps


@for_each("series", REMAPS)
def test_a_fault_fills_and_books_the_whole_mapping(series: str) -> None:
    """S9.4.2, up to 6.9."""
    kernel, task, _ = mapped(series)

    access(task.mm, task.tlb, AT + 3)

    assert [(0, 8, "uc-")] == book(kernel)
    assert 8 == sum(run.end - run.start for run in task.mm.tables.runs(AT, AT + 8))


@for_each("series", INSERTS)
def test_a_fault_fills_one_page_and_books_nothing(series: str) -> None:
    """S9.4.2, from 6.10 on."""
    kernel, task, _ = mapped(series)

    access(task.mm, task.tlb, AT + 3)

    assert [] == book(kernel)
    assert [AT + 3] == [run.start for run in task.mm.tables.runs(AT, AT + 8)]


@every_series
def test_nothing_of_the_mapping_is_tracked_while_memory_is_off(series: str) -> None:
    """Discussion 000's question: what was booked is given up, access gets SIGBUS, all comes back after."""
    kernel, task, device = mapped(series)
    access(task.mm, task.tlb, AT, 7)
    before = book(kernel)

    kernel.call(task, lambda: device.set_memory(False))

    assert ([], []) == (book(kernel), task.mm.tables.runs(AT, AT + 8))
    assert "SIGBUS code=2" == signal_of(task, 0)
    kernel.call(task, lambda: device.set_memory(True))
    assert "7" == signal_of(task, 0)
    assert before == book(kernel)


@every_series
def test_a_device_asleep_is_not_reached(series: str) -> None:
    """S9.4.8: entries and what was booked go; all comes back when it is awake."""
    kernel, task, device = mapped(series)
    access(task.mm, task.tlb, AT, 7)
    before = book(kernel)

    kernel.call(task, lambda: device.set_power(asleep=True))

    assert ([], []) == (book(kernel), task.mm.tables.runs(AT, AT + 8))
    assert "SIGBUS code=2" == signal_of(task, 0)
    kernel.call(task, lambda: device.set_power(asleep=False))
    assert ("7", before) == (signal_of(task, 0), book(kernel))


@every_series
def test_awake_with_memory_off(series: str) -> None:
    """S9.4.8: the memory bit and the power state are two conditions."""
    kernel, task, device = mapped(series)
    kernel.call(task, lambda: device.set_power(asleep=True))
    kernel.call(task, lambda: device.set_memory(False))

    kernel.call(task, lambda: device.set_power(asleep=False))

    assert "SIGBUS code=2" == signal_of(task, 0)


@for_each("series", ["6.1", "7.3"])
@for_each("state", ["off", "asleep"])
def test_without_abafbc551fdd_a_device_that_is_off_is_reached(series: str, state: str) -> None:
    """S9.4.4a: what is filled stays, and what is not is filled by a fault."""
    kernel, task, device = boot_as(replace(PROFILES[series], vfio_minds_memory=False))
    assert 0 == mmap(kernel, task, device, 0, 8)
    access(task.mm, task.tlb, AT)

    device.set_memory(state != "off")
    device.set_power(asleep=state == "asleep")

    assert task.mm.tables.entry(AT) is not None
    assert not signal_of(task, 5).startswith("SIGBUS")
    assert task.mm.tables.entry(AT + 5) is not None
    kernel._check()


@every_series
def test_a_reset_takes_entries_and_leaves_memory_on(series: str) -> None:
    """S9.4.9."""
    kernel, task, device = mapped(series)
    access(task.mm, task.tlb, AT, 7)

    kernel.call(task, device.reset)

    assert ([], []) == (book(kernel), task.mm.tables.runs(AT, AT + 8))
    assert "7" == signal_of(task, 0)


@every_series
def test_a_reset_leaves_memory_off(series: str) -> None:
    """S9.4.9: the command register is restored."""
    kernel, task, device = mapped(series)
    kernel.call(task, lambda: device.set_memory(False))

    kernel.call(task, device.reset)

    assert "SIGBUS code=2" == signal_of(task, 0)


@every_series
def test_a_reset_wakes(series: str) -> None:
    """S9.4.9."""
    kernel, task, device = mapped(series)
    kernel.call(task, lambda: device.set_power(asleep=True))

    kernel.call(task, device.reset)

    assert "0" == signal_of(task, 0)


@for_each(
    ("change", "series", "reads"),
    [
        (lambda device: device.set_memory(False), "6.1", "0"),
        (lambda device: device.set_memory(False), "6.12", "SIGBUS code=2"),
        (lambda device: device.set_power(asleep=True), "6.1", "7"),
        (lambda device: device.set_power(asleep=True), "6.12", "SIGBUS code=2"),
    ],
)
def test_a_child_while_the_device_is_off(
    change: Callable[[VfioDevice], None], series: str, reads: str
) -> None:
    """S9.4.4, S9.4.8: up to 6.9 only who faulted is known to the driver.

    What does not decode reads as 0; a device that sleeps goes on decoding.
    """
    kernel, task, device = mapped(series)
    access(task.mm, task.tlb, AT, 7)
    fork(kernel, task, "c")

    kernel.call(task, lambda: change(device))

    assert reads == signal_of(kernel.tasks["c"], 0)


@for_each("series", REMAPS)
@for_each(("first", "end", "left"), [(0, 1, (1, 8)), (5, 8, (0, 5)), (3, 5, (0, 3))])
def test_the_new_part_of_a_split_loses_its_entries(
    series: str, first: int, end: int, left: tuple[int, int]
) -> None:
    """S9.4.5: which part is new depends on the side that is cut."""
    _, task, _ = mapped(series)
    access(task.mm, task.tlb, AT)

    do_munmap(task.mm, AT + first, AT + end)

    runs = task.mm.tables.runs(AT, AT + 8)
    assert [left] == [(run.start - AT, run.end - AT) for run in runs]


@for_each("series", REMAPS)
def test_a_moved_mapping_keeps_entries_and_flag(series: str) -> None:
    """S9.4.5: the copy has no entries when it is opened, the kernel warns, and nothing is freed."""
    kernel, task, _ = mapped(series)
    access(task.mm, task.tlb, AT)

    do_mremap(task.mm, Remap(AT, 8, 8, maymove=True, fixed=True, to=AT + 4096))

    assert ["WARNING at arch/x86/mm/pat/memtype.c"] == kernel.trace.log
    moved = task.mm.vma_lookup(AT + 4096)
    assert moved is not None and moved.flags & VM_PAT
    assert [(0, 8, "uc-")] == book(kernel)


@for_each("series", REMAPS)
def test_who_zaps_behind_the_driver_makes_the_fault_endless(series: str) -> None:
    """The driver takes a listed VMA for filled."""
    _, task, _ = mapped(series)
    access(task.mm, task.tlb, AT)
    vma = task.mm.vma_lookup(AT)
    assert vma is not None
    zap_vma_ptes(vma, AT, AT + 8)

    with pytest.raises(Undecided, match="for ever"):
        access(task.mm, task.tlb, AT)


@for_each("series", LEAVES)
def test_a_fault_gives_a_leaf_where_one_fits(series: str) -> None:
    """S6.3.1: inside the VMA, frames aligned; the rest is filled page by page."""
    _, task, _ = mapped(series, LEAF + 8)

    access(task.mm, task.tlb, AT + 3)
    access(task.mm, task.tlb, AT + LEAF)

    runs = task.mm.tables.runs(AT, AT + LEAF + 8)
    assert [(AT, AT + LEAF, 2), (AT + LEAF, AT + LEAF + 1, 1)] == [(r.start, r.end, r.level) for r in runs]


@for_each("series", LEAVES)
def test_no_leaf_for_frames_that_are_not_aligned(series: str) -> None:
    """S6.3.1."""
    kernel, task, device = boot(series)
    assert 0 == mmap(kernel, task, device, 1, 2 * LEAF)

    access(task.mm, task.tlb, AT + 3)

    assert [1] == [run.level for run in task.mm.tables.runs(AT, AT + 2 * LEAF)]


def test_without_09dfc8a5f2ce_a_leaf_maps_the_frames_below() -> None:
    """S9.4.2a: the entry has no room for the low bits of the frame, here 1 page above an aligned one."""
    kernel, task, device = boot_as(replace(PROFILES["7.3"], vfio_checks_leaf_pfn=False))
    assert 0 == mmap(kernel, task, device, LEAF + 1, 2 * LEAF)

    access(task.mm, task.tlb, AT + 3)

    (leaf,) = task.mm.tables.runs(AT, AT + 2 * LEAF)
    assert (AT, AT + LEAF, BAR.start + LEAF, 2) == (leaf.start, leaf.end, leaf.pfn, leaf.level)
    kernel._check()


def test_without_c1d9dac0db16_the_first_page_alone_gets_a_leaf() -> None:
    """S9.4.2a: of another page it is a single entry, whose table keeps the leaf away."""
    kernel, task, device = boot_as(replace(PROFILES["7.3"], vfio_aligns_leaf=False))
    assert 0 == mmap(kernel, task, device, 0, 2 * LEAF)

    for page in (3, 0, LEAF):
        access(task.mm, task.tlb, AT + page)

    assert [1, 1, 2] == [run.level for run in task.mm.tables.runs(AT, AT + 2 * LEAF)]
    kernel._check()


@for_each("series", LEAVES)
def test_a_split_takes_the_leaf_away(series: str) -> None:
    """S6.3.5: all 512 pages, and its translations with it."""
    kernel, task, _ = mapped(series, LEAF)
    access(task.mm, task.tlb, AT + 3)

    do_mprotect(task.mm, AT, AT + 1, VM_READ)

    assert [] == task.mm.tables.runs(AT, AT + LEAF)
    assert [(AT, AT + LEAF, 2)] == list(task.mm.tables.missing(AT, AT + LEAF))
    kernel._check()


@for_each("series", LEAVES)
def test_a_child_gets_the_leaf_as_it_is(series: str) -> None:
    """S5.11.4: dirty, and not accessed."""
    kernel, task, _ = mapped(series, LEAF)
    access(task.mm, task.tlb, AT, 1)

    fork(kernel, task, "c")

    (ours,) = task.mm.tables.runs(AT, AT + LEAF)
    (theirs,) = kernel.tasks["c"].mm.tables.runs(AT, AT + LEAF)
    assert ours.bits ^ theirs.bits == 1 << 5


@for_each("series", LEAVES)
@for_each(("to", "moved"), [(4 * LEAF, 2), (4 * LEAF + 1, None)])
def test_a_leaf_moves_whole_or_not_at_all(series: str, to: int, moved: int | None) -> None:
    """S5.8: where the new place is aligned, too."""
    kernel, task, _ = mapped(series, LEAF)
    access(task.mm, task.tlb, AT)

    do_mremap(task.mm, Remap(AT, LEAF, LEAF, maymove=True, fixed=True, to=AT + to))

    entry: EntryRun | None = task.mm.tables.entry(AT + to)
    assert moved == (entry and entry.level)
    kernel._check()


@for_each("series", LEAVES)
def test_a_leaf_of_a_gibibyte_where_one_fits(series: str) -> None:
    """The largest that fits, as long as nobody looks (S7.5)."""
    kernel, task, _ = boot(series)
    large = PfnRange(1 << 27, (1 << 27) + (1 << 18))
    assert 0 == mmap(kernel, task, VfioDevice(kernel, large, large), 0, large.nr)

    access(task.mm, task.tlb, AT)

    entry = task.mm.tables.entry(AT)
    assert entry is not None and entry.level == 3


@for_each(("series", "mode"), [("6.1", "uc-"), ("6.12", "uc-"), ("6.16", "wc"), ("7.2", "wc")])
def test_over_a_write_combining_mapping(series: str, mode: str) -> None:
    """A revoked mapping keeps its reservation from 6.16 on, and the driver adopts its mode."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    task = kernel.start_task("main")
    bar = PciBar(BAR, proc=False, write_combine=True, fallocate_errno=0)
    do_mmap(task.mm, AT + 4096, 8, RW, file=bar, shared=True, fixed=False)

    assert 0 == mmap(kernel, task, VfioDevice(kernel, BAR, BAR), 0, 8)

    assert [] == task.mm.tables.runs(AT + 4096, AT + 4104)
    assert CacheMode.from_short(mode) == kernel.book.lookup(BAR.start << 12)


@every_series
def test_the_last_reference_gives_the_bar_back(series: str) -> None:
    """S9.4.6: closing the descriptor first changes nothing."""
    kernel, task, device = mapped(series)
    access(task.mm, task.tlb, AT)

    device.close()
    assert kernel.platform.iomem_is_exclusive(BAR.start << 12)
    kernel.call(task, lambda: do_munmap(task.mm, AT, AT + 8))

    assert ([], False) == (kernel.book.entries(), kernel.platform.iomem_is_exclusive(BAR.start << 12))


@every_series
def test_two_mappings_that_end_together_give_the_bar_back_once(series: str) -> None:
    """S9.4.6: the last of several references of one system call, so the kernel says nothing."""
    kernel, task, device = mapped(series)
    device.close()

    kernel.call(task, lambda: do_munmap(task.mm, AT + 3, AT + 5))
    kernel.call(task, lambda: do_munmap(task.mm, AT, AT + 8))

    assert ([], []) == (kernel.book.entries(), kernel.trace.log)


HELD = """pfnlab program 1
device bar: pci, 16 pages
a = mmap bar[0:8] vfio shared rw
t = thread
s = thread
write a[3] 7
"""


def said(machine: str, *ops: str) -> list[tuple[str, int | str | None]]:
    """Result and value of *ops* behind :data:`HELD`, who was held first, invariants checked."""
    program = load_text("\n".join((HELD.rstrip(), *ops, "")))
    opened = OpenRun(ModelMachine(machine), program, check=True)
    opened.go_on(program)
    opened.end()
    return [(step.result, step.value) for step in opened.steps[-1 - len(ops) : -1]]


@for_each("series", ["6.12", "7.3"])
def test_a_fault_waits_while_memory_is_switched_off(series: str) -> None:
    """The device's memory_lock is held around the zap too (S9.4.7)."""
    steps = said(series, "hold flush_tlb_mm_range: memory_disable bar", "t: read a[4]", "release")

    assert [("held", None), ("waits", "memory_lock")] == steps[:2]
    assert ("ok", "main ok; t EFAULT SIGBUS code=2") == steps[2]


@for_each("call", ["vfio_reset bar", "d3 bar"])
def test_a_fault_waits_while_the_device_is_changed(call: str) -> None:
    """S9.4.7: a reset and a change of the power state have the lock as a change of the memory bit has."""
    steps = said("7.3", f"hold flush_tlb_mm_range: {call}", "t: read a[4]", "release")

    assert [("held", None), ("waits", "memory_lock")] == steps[:2]


@for_each("series", ["6.12", "7.3"])
def test_switching_memory_off_waits_for_a_fault_and_the_next_fault_behind_it(series: str) -> None:
    """A reader waits behind a writer that waits."""
    held = "hold vmf_insert_pfn_prot: read a[5]"

    steps = said(series, held, "t: memory_disable bar", "s: read a[4]", "release")

    assert [("waits", "memory_lock")] * 2 == steps[1:3]
    assert ("ok", "main ok 0; t ok; s EFAULT SIGBUS code=2") == steps[3]


LEAF_MEANWHILE = """pfnlab program 1
thp always
device bar: pci, 512 pages
a = mmap bar[0:512] vfio shared rw
t = thread
hold vmf_insert_pfn_prot: {held}
t: read a[0]
release
"""


def test_a_fault_that_finds_a_leaf_is_repeated() -> None:
    """S5.5.2b: the log says VM_FAULT_OOM, and the access gets what it asks for."""
    program = load_text(LEAF_MEANWHILE.format(held="read a[5]"))

    step = ModelMachine("6.12.28").run_one(program, check=True).steps[-2]

    assert ("main ok 0", ("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF",)) == (
        step.value,
        step.log,
    )


def test_a_system_call_that_finds_a_leaf_fails() -> None:
    """S5.5.2b: a copy from the page is EFAULT and not repeated."""
    program = load_text(LEAF_MEANWHILE.format(held="pipe_write a[5]"))

    step = ModelMachine("6.12.28").run_one(program, check=True).steps[-2]

    assert ("main EFAULT", ()) == (step.value, step.log)


def test_up_to_6_9_entries_go_before_the_lock_is_taken() -> None:
    """Switching memory on again need not wait for the flush."""
    off = "hold flush_tlb_mm_range: memory_disable bar"

    assert ("ok", None) == said("6.1", off, "t: memory_enable bar", "release")[1]


@for_each("call", ["memory_disable bar", "d3 bar", "vfio_reset bar"])
def test_up_to_6_9_a_fault_races_with_those_who_take_entries_away(call: str) -> None:
    """S9.4.7: vma_lock is given up after each process, and 6.1 was seen to let the fault in, or not."""
    ops = f"hold flush_tlb_mm_range: {call}", "t: read a[4]", "release"

    reason = ModelMachine("6.1").run([load_text("\n".join((HELD.rstrip(), *ops, "")))])[0].undecided

    assert reason is not None and reason.startswith("the model has no rule for who has vma_lock")


def test_up_to_6_9_two_faults_in_a_mapping_fill_it_once() -> None:
    """S9.4.7: the second one finds it filled."""
    fresh = "munmap a", "b = mmap bar[0:8] vfio shared rw"

    steps = said("6.1", *fresh, "hold memtype_reserve: read b[1]", "t: read b[2]", "release")

    assert [("waits", "vma_lock"), ("ok", "main ok 0; t ok 0")] == steps[3:]


def test_without_6a45ece4c9af_the_second_fault_stops_the_kernel() -> None:
    """S9.4.2: it remaps what the first has filled."""
    ops = "munmap a", "b = mmap bar[0:8] vfio shared rw", "hold memtype_reserve: read b[1]", "t: read b[2]"
    program = load_text("\n".join((HELD.rstrip(), *ops, "release", "")))

    reason = ModelMachine("6.1,without=6a45ece4c9af").run([program])[0].undecided

    assert reason is not None and reason.startswith("the kernel stops with BUG: remap_pfn_range")


def test_a_mapping_goes_while_another_lock_is_held() -> None:
    """A wait for mmap_lock is one as ever, for the last mapping of a closed device too."""
    steps = said("7.2", "vfio_close bar", "hold change_protection: mprotect a r", "t: munmap a", "release")

    assert ("waits", "mmap_lock") == steps[2]


def test_a_device_is_not_opened_while_a_processor_is_held() -> None:
    """The agent of a guest does it, and would wait."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap anon[0:4] private rw\nt = thread\n"
        "write a[0] 1\nhold unmap_vmas: munmap a\nt: memory_disable bar\nrelease\n"
    )

    reason = ModelMachine("7.2").run([program])[0].undecided

    assert reason is not None and "opening a vfio-pci device" in reason


@every_series
def test_without_a_descriptor(series: str) -> None:
    """EBADF."""
    _, _, device = boot(series)
    device.close()

    for refused in (device.close, lambda: device.set_memory(False)):
        with pytest.raises(ModelledErrno) as caught:
            refused()
        assert errno.EBADF == caught.value.errno


@for_each("series", REMAPS + INSERTS[:1])
def test_a_claimed_bar_is_busy(series: str) -> None:
    """Another driver was there first."""
    kernel, task, device = boot(series)
    DriverState().request_mem_region(kernel, PfnRange(BAR.start + 4, BAR.start + 8))

    assert errno.EBUSY == mmap(kernel, task, device, 0, 8)


@every_series
def test_the_last_mappings_close_the_device_once(series: str) -> None:
    """Two that go in one system call: what the driver gives back was there to be given."""
    kernel, task, device = mapped(series)
    kernel.call(
        task,
        lambda: do_mmap(task.mm, AT + 64, 8, RW, file=device, pgoff=BAR_OFFSET, shared=True, fixed=False),
    )
    device.close()
    kernel.trace.take()

    kernel.call(task, lambda: do_munmap(task.mm, AT, AT + 128))

    _, log = kernel.trace.take()
    assert ([], []) == (log, kernel.book.entries())
