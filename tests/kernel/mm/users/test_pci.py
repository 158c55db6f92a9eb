"""S9.2, S9.3: BARs through sysfs and /proc, on the machine of the worked examples (S11)."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from for_each import for_each
from s11_machine import boot, lines, s11_machine

from pfnlab.base.errors import ModelledErrno, Undecided
from pfnlab.base.units import PAGE_SIZE, PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.mm.flags import VM_READ, VM_WRITE
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.memtype_interval import MemtypeEntry
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.mm.users.driver import DriverState
from pfnlab.kernel.mm.users.pci import PciBar, PciDevice, found_again, plugged, unplugged
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine

BAR = PfnRange(0xFD000, 0xFD010)
RW = VM_READ | VM_WRITE

every_series = for_each("series", SERIES)


def resource0(
    kernel: Kernel, task: Task, nr: int, *, wc: bool, at: int = 0x1000, pgoff: int = 0, proc: bool = False
) -> int:
    """Map *nr* pages of the BAR, shared; returns the errno."""
    file = PciBar(BAR, proc, wc, errno.EFBIG)
    refused, _ = kernel.call(
        task, lambda: do_mmap(task.mm, at, nr, RW, file=file, pgoff=pgoff, shared=True, fixed=False)
    )
    kernel._check()
    return refused


@every_series
def test_vector_1(series: str) -> None:
    """Four pages of resource0_wc: one line, entries PWT and special (S11.1)."""
    kernel, task = boot(series)

    assert 0 == resource0(kernel, task, 4, wc=True)

    assert ["[mem 0x00000000fd000000-0x00000000fd004000] write-combining"] == lines(kernel)
    entry = task.mm.tables.entry(0x1003)
    assert entry is not None
    assert (0xFD003, 0x08, 1 << 9) == (entry.pfn, entry.bits & 0x98, entry.bits & (1 << 9))


@every_series
def test_vector_3(series: str) -> None:
    """UC- asked for over write-combining gets write-combining (S11.3)."""
    kernel, task = boot(series)
    resource0(kernel, task, 4, wc=True)

    assert 0 == resource0(kernel, task, 2, wc=False, at=0x2000)

    assert [
        "[mem 0x00000000fd000000-0x00000000fd002000] write-combining",
        "[mem 0x00000000fd000000-0x00000000fd004000] write-combining",
    ] == sorted(lines(kernel))
    entry = task.mm.tables.entry(0x2000)
    assert entry is not None and 0x08 == entry.bits & 0x98


@for_each("series", SERIES[:2])
def test_vector_4_message(series: str) -> None:
    """The old tracker's complaint in full (S11.4)."""
    kernel, task = boot(series)
    resource0(kernel, task, 4, wc=True)

    kernel.call(task, lambda: do_munmap(task.mm, 0x1000, 0x1001))

    assert ["x86/PAT: demo:100 freeing invalid memtype [mem 0xfd000000-0xfd000fff]"] == kernel.trace.log
    kernel._check()


@every_series
def test_vector_7(series: str) -> None:
    """A BAR across two modes is EINVAL, with two lines (S11.7)."""
    kernel, task = boot(series)
    kernel.book.reserve(0xFD00_0000, 0xFD00_1000, CacheMode.WC, who="driver:1")
    kernel.book.reserve(0xFD00_1000, 0xFD00_2000, CacheMode.UC_MINUS, who="driver:1")

    assert errno.EINVAL == resource0(kernel, task, 2, wc=False)

    assert [
        "x86/PAT: demo:100 conflicting memory types fd000000-fd002000 write-combining<->uncached-minus",
        "x86/PAT: memtype_reserve failed [mem 0xfd000000-0xfd001fff], "
        "track uncached-minus, req uncached-minus",
    ] == kernel.trace.log


@every_series
def test_vector_8(series: str) -> None:
    """UC- over write-back is too weak: EINVAL, and no entry remains of it (S11.8)."""
    kernel, task = boot(series)
    kernel.book.load([MemtypeEntry(0xFD00_0000, 0xFD00_1000, CacheMode.WB)])

    assert errno.EINVAL == resource0(kernel, task, 1, wc=False)

    assert ["[mem 0x00000000fd000000-0x00000000fd001000] write-back"] == lines(kernel)
    assert [
        "x86/PAT: demo:100 map pfn expected mapping type uncached-minus for [mem 0xfd000000-0xfd000fff], "
        "got write-back"
    ] == kernel.trace.log


@every_series
@for_each(("proc", "pgoff", "result"), [(False, 13, errno.EINVAL), (True, 0xFD00D, errno.ENODEV)])
def test_past_the_bar(series: str, proc: bool, pgoff: int, result: int) -> None:
    """Four pages from the thirteenth do not fit a BAR of sixteen (S9.2.2, S9.3)."""
    kernel, task = boot(series)

    assert result == resource0(kernel, task, 4, wc=False, pgoff=pgoff, proc=proc)


@every_series
def test_offset_is_physical(series: str) -> None:
    """The driver adds the BAR's start to vm_pgoff (S10.2)."""
    kernel, task = boot(series)

    resource0(kernel, task, 2, wc=False, pgoff=3)

    assert [0xFD003] == [vma.pgoff for vma in task.mm]


@every_series
@for_each(("first", "result"), [(0xFD00_0000, errno.EINVAL), (0xFD00_8000, 0)])
def test_a_claimed_bar(series: str, first: int, result: int) -> None:
    """Only a claim on the first byte of the BAR stops a mapping (S9.2.6)."""
    claimed = s11_machine().phys.with_resource(Resource(first, first + PAGE_SIZE, "driver", busy=True))
    kernel, task = boot(series, phys=claimed)

    assert result == resource0(kernel, task, 2, wc=False)


@every_series
def test_a_device_that_is_removed_has_no_files(series: str) -> None:
    """Neither to be opened nor to be removed once more, until it is found again."""
    kernel, _ = boot(series)
    device = PciDevice(BAR)
    device.open()

    device.remove(kernel)

    for again in (device.open, lambda: device.remove(kernel)):
        with pytest.raises(ModelledErrno) as refused:
            again()
        assert errno.ENOENT == refused.value.errno
    found_again(kernel, BAR).open()


@for_each(("proc", "answer"), [(True, errno.EIO), (False, 0)])
def test_the_hook_of_a_file_that_was_removed(proc: bool, answer: int) -> None:
    """/proc has one, and does not call it any more."""
    kernel, _ = boot("7.2")
    device = PciDevice(BAR)
    file = PciBar(BAR, proc, True, errno.EFBIG, device=device)
    before = file.placement_errno

    device.remove(kernel)

    assert (0, answer) == (before, file.placement_errno)


def test_an_empty_slot_keeps_nothing() -> None:
    """Loads give 0 and stores are lost; the next device has memory of its own."""
    kernel, _ = boot("7.2")
    kernel.store(BAR.start, 7)
    unplugged(kernel, BAR)
    kernel.store(BAR.start, 8)
    empty = kernel.load(BAR.start)

    plugged(kernel, BAR)

    assert (0, 0) == (empty, kernel.load(BAR.start))


def test_what_a_claim_does_to_a_device_that_goes_is_not_known() -> None:
    """The model refuses, and does not guess."""
    kernel, _ = boot("7.2")
    kernel.driver = DriverState()
    kernel.driver.request_mem_region(kernel, BAR)

    with pytest.raises(Undecided, match="while a driver claims pages"):
        PciDevice(BAR).remove(kernel)
    with pytest.raises(Undecided, match="while a driver claims pages"):
        found_again(kernel, BAR)


@for_each(("proc", "answer"), [(True, errno.EIO), (False, errno.ENODEV)])
def test_a_file_that_was_removed_maps_nothing_more(proc: bool, answer: int) -> None:
    """Who has it open still (remap_file_pages) is refused, by /proc before there is a place."""
    kernel, task = boot("7.2")
    device = PciDevice(BAR)
    file = PciBar(BAR, proc, True, errno.EFBIG, device=device)
    device.remove(kernel)

    refused, _ = kernel.call(
        task,
        lambda: do_mmap(task.mm, 0x1000, 4, RW, file=file, pgoff=BAR.start * proc, shared=True, fixed=True),
    )

    assert answer == refused


@for_each(("proc", "there"), [(True, True), (False, False)])
def test_who_reads_for_a_debugger(proc: bool, there: bool) -> None:
    """The wrapper in sysfs does not ask a file that was removed, and /proc has none (S7.6.3)."""
    kernel, _ = boot("7.2")
    device = PciDevice(BAR)
    file = PciBar(BAR, proc, True, errno.EFBIG, device=device)
    before = file.has_access

    device.remove(kernel)

    assert (True, there) == (before, file.has_access)


@every_series
def test_a_driver_that_is_bound_has_all_of_the_bar(series: str) -> None:
    """PCI files are refused, and what they mapped is gone; unbound, they map again (S9.9.1, S9.9.2)."""
    kernel, task = boot(series)
    device = PciDevice(BAR)
    resource0(kernel, task, 4, wc=True)

    device.bind(kernel)
    bound = resource0(kernel, task, 2, wc=True, at=0x2000), entries(task)
    device.unbind(kernel)

    assert (errno.EINVAL, 0) == bound
    assert (0, 2) == (resource0(kernel, task, 2, wc=True, at=0x2000), entries(task))


def entries(task: Task) -> int:
    """How many pages it has entries for."""
    return sum(run.end - run.start for run in task.mm.tables.entries)


def refused(call: Callable[[Kernel], None], kernel: Kernel) -> int:
    """The errno of a call, 0 for none."""
    try:
        call(kernel)
    except ModelledErrno as error:
        return error.errno
    return 0


def test_bound_twice_and_unbound_twice() -> None:
    """EBUSY while it is bound, ENODEV while it is not (S9.9.1, S9.9.2)."""
    kernel, _ = boot("7.2")
    device = PciDevice(BAR)

    answers = [
        refused(call, kernel)
        for call in (device.unbind, device.bind, device.bind, device.unbind, device.unbind)
    ]

    assert [errno.ENODEV, 0, errno.EBUSY, 0, errno.ENODEV] == answers


def test_a_bar_has_one_claim() -> None:
    """Whoever comes second is refused, and leaves nothing behind."""
    kernel, _ = boot("7.2")
    device, driver, part = PciDevice(BAR), DriverState(), PfnRange(BAR.start + 2, BAR.start + 4)
    driver.request_mem_region(kernel, part)
    claimed = refused(device.bind, kernel), refused(device.unbind, kernel)
    driver.release_mem_region(kernel)
    device.bind(kernel)

    with pytest.raises(ModelledErrno) as answer:
        driver.request_mem_region(kernel, part)

    assert (errno.EBUSY, errno.ENODEV, errno.EBUSY) == (*claimed, answer.value.errno)
    assert None is driver.resource


def test_a_device_that_goes_takes_the_claim_along() -> None:
    """Its driver's remove is called, and the next device has none (S9.9.3)."""
    kernel, _ = boot("7.2")
    device = PciDevice(BAR)
    device.bind(kernel)

    device.remove(kernel)

    assert errno.ENODEV == refused(device.bind, kernel)
    assert 0 == refused(found_again(kernel, BAR).bind, kernel)


MOVED = PfnRange(0xFE000, 0xFE010)


def test_a_device_that_comes_to_another_address_takes_its_memory_along() -> None:
    """Nothing answers at the old one, until it is back there (S9.2.8)."""
    kernel, _ = boot("7.2")
    kernel.undecoded = (MOVED,)
    kernel.store(BAR.start + 1, 7)

    found_again(kernel, MOVED, BAR)
    kernel.store(BAR.start + 1, 9)
    away = kernel.load(BAR.start + 1), kernel.load(MOVED.start + 1)
    found_again(kernel, BAR, MOVED)

    assert (0, 7) == away
    assert (7, 0) == (kernel.load(BAR.start + 1), kernel.load(MOVED.start + 1))


@every_series
def test_the_files_of_a_device_that_has_moved(series: str) -> None:
    """They show the new frames, and /proc/bus/pci knows no other addresses (S9.2.8)."""
    text = (
        "pfnlab program 1\ndevice bar: pci, 16 pages\nremove bar\nrescan_moved bar\n"
        "a = mmap bar[2:4] wc shared rw\nb = mmap moved[2:4] proc-uc shared rw\n"
        "c = mmap bar[2:4] proc-uc shared rw\n"
    )

    steps = ModelMachine(series).run_one(load_text(text), check=True).steps[2:5]

    assert ["ok", "ok", "ENODEV"] == [step.result for step in steps]
    assert steps[1].book is not None
    assert [Span("moved", 2, 4)] * 2 == [entry.span for entry in steps[1].book]


def test_a_driver_claims_the_place_the_device_has() -> None:
    """The old address is nobody's (S9.2.8)."""
    kernel, _ = boot("7.2")
    device = found_again(kernel, MOVED, BAR)
    device.bind(kernel)

    DriverState().request_mem_region(kernel, BAR)
    with pytest.raises(ModelledErrno):
        DriverState().request_mem_region(kernel, MOVED)


HELD = (
    "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:4] wc shared rw\n"
    "t = thread\nwrite a[0] 7\nhold flush_tlb_mm_range: bind bar\n"
)


@for_each(("beside", "told"), [("bind", "EBUSY"), ("unbind", "ok")])
@every_series
def test_a_probe_holds_the_lock_of_the_device(series: str, beside: str, told: str) -> None:
    """Who unbinds meanwhile waits until it is bound (S9.9.4)."""
    program = load_text(f"{HELD}t: {beside} bar\nrelease\n")

    steps = ModelMachine(series).run_one(program, check=True).steps[-3:-1]

    assert [("waits", "device_lock"), ("ok", f"main ok; t {told}")] == [
        (step.result, step.value) for step in steps
    ]
