"""A driver's operations on its own mappings, and the resources it claims."""

from __future__ import annotations

import errno

import pytest
from for_each import for_each

from pfnlab.base.errors import ModelledErrno
from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.users.driver import DriverState
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

BAR = PfnRange(0xF8000, 0xF8200)
LEAVES = [series for series in SERIES if PROFILES[series].huge_faults_ignore_thp]

every_series = for_each("series", SERIES)
leaves = for_each("series", LEAVES)


def run(series: str, *ops: str, device: str = "bar: pci, 1024 pages") -> tuple[Step, ...]:
    """The steps of a program and its end, invariants checked after each."""
    text = "\n".join(("pfnlab program 1", f"device {device}", *ops, ""))
    return ModelMachine(series).run_one(load_text(text), check=True).steps


def entries(step: Step) -> list[str]:
    """The entries that are there, as `a[0:4] L1 WC`."""
    return [f"{seen.span} {' '.join(seen.entry.split()[:2])}" for seen in step.ptes or () if seen.target]


def kernel_of(series: str = "7.2") -> Kernel:
    """A kernel that has just booted."""
    return Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])


@every_series
def test_entries_a_driver_fills_by_itself_are_nobodys_business(series: str) -> None:
    """
    Write-combining beside uncached: nothing is booked, nothing is looked up, nothing is said.
    """
    other, mine, _ = run(
        series, "b = mmap bar[0:4] uc shared rw", "a = mmap bar[0:4] driver apply wc shared rw"
    )

    assert ["bar[0:4] uc-"] == [str(entry) for entry in mine.book]
    assert other.book == mine.book
    assert ["b[0:4] L1 UC-", "a[0:4] L1 WC"] == entries(mine)
    assert () == mine.log


@every_series
def test_what_a_driver_filled_by_itself_comes_back_as_the_book_says(series: str) -> None:
    """
    The fault handler asks the book, where the entry it replaces was never asked about.
    """
    *_, back, _ = run(series, "a = mmap bar[0:2] driver apply wc shared rw", "zap_vma_ptes a[1]", "read a[1]")

    assert ["a[0:1] L1 WC", "a[1:2] L1 UC-"] == entries(back)


@every_series
def test_a_fault_in_a_private_mapping_is_refused(series: str) -> None:
    """
    Inserting there would stop the kernel, so the driver answers with a signal.
    """
    *_, touched, _ = run(
        series, "a = mmap bar[0:2] driver remap private rw", "zap_vma_ptes a[1]", "read a[1]"
    )

    assert "SIGBUS code=2" == touched.value


@leaves
def test_a_leaf_where_one_fits(series: str) -> None:
    """
    One fault fills 2 MiB, in the mode of its first page.
    """
    *_, read, _ = run(
        series,
        "b = mmap bar[0:1] wc shared rw",
        "a = mmap bar[0:1024] driver fault_pmd shared rw",
        "read a[5]",
        "read a[600]",
    )

    assert ["b[0:1] L1 WC", "a[0:512] L2 WC", "a[512:1024] L2 UC-"] == entries(read)


@leaves
def test_a_leaf_has_no_room_for_write_through(series: str) -> None:
    """
    Its bit of the PAT says there that the entry is a leaf (S5.6.2); a page has it.
    """
    *_, read, _ = run(
        series,
        "ioremap bar[0:512] wt",
        "a = mmap bar[0:512] driver fault_pmd shared rw",
        "read a[5]",
        "b = mmap bar[0:1] driver fault shared rw",
        "read b[0]",
    )

    assert ["a[0:512] L2 UC", "b[0:1] L1 WT"] == entries(read)


@leaves
@for_each(("mapping", "page"), [("bar[0:511]", 5), ("bar[1:1024]", 600), ("bar[256:1024]", 700)])
def test_a_page_where_no_leaf_fits(series: str, mapping: str, page: int) -> None:
    """
    The leaf would stick out of the mapping, or the frames are not aligned as the addresses are.
    """
    *_, read, _ = run(series, f"a = mmap {mapping} driver fault_pmd shared rw", f"read a[{page}]")

    assert [f"a[{page}:{page + 1}] L1 UC-"] == entries(read)


@leaves
def test_a_zap_of_a_part_flushes_the_leaf_at_once(series: str) -> None:
    """
    It is split away by the walk, before the gather is finished (S6.3.3, S8.1.10).
    """
    *_, zapped, _ = run(
        series, "a = mmap bar[0:1024] driver fault_pmd shared rw", "read a[5]", "unmap_mapping_range bar[7]"
    )

    assert ("clear a[7]", "flush a[0:512]", "finish") == (zapped.events or ())[-3:]
    assert [] == entries(zapped)


@for_each("series", [series for series in SERIES if series not in LEAVES and series != "6.1"])
def test_no_leaf_where_huge_pages_are_off(series: str) -> None:
    """
    A machine that small has transparent_hugepage=never, which these series obey.
    """
    *_, read, _ = run(series, "a = mmap bar[0:1024] driver fault_pmd shared rw", "read a[5]")

    assert ["a[5:6] L1 UC-"] == entries(read)


@for_each("series", [series for series in SERIES if PROFILES[series].huge_pfnmap])
@for_each(
    ("thp", "advice", "level"),
    [
        ("always", "normal", 2),
        ("always", "hugepage", 2),
        ("always", "nohugepage", 1),
        ("madvise", "normal", 1),
        ("madvise", "hugepage", 2),
        ("madvise", "nohugepage", 1),
        ("never", "normal", 1),
        ("never", "hugepage", 1),
    ],
)
def test_a_leaf_where_the_setting_allows_it(series: str, thp: str, advice: str, level: int) -> None:
    """
    A kernel that ignores the setting minds the advice against leaves all the same (S6.2.2).
    """
    if series in LEAVES and advice != "nohugepage":
        level = 2
    text = (
        f"pfnlab program 1\nthp {thp}\ndevice bar: pci, 1024 pages\n"
        f"a = mmap bar[0:1024] driver fault_pmd shared rw\nmadvise a {advice}\nread a[5]\n"
    )

    *_, read, _ = ModelMachine(series).run_one(load_text(text), check=True).steps

    where = "a[0:512]" if level == 2 else "a[5:6]"
    assert [f"{where} L{level} UC-"] == entries(read)


def test_no_leaves_before_6_12() -> None:
    """
    The driver says so when it is asked to map.
    """
    mapped, _ = run("6.1", "a = mmap bar[0:1024] driver fault_pmd shared rw")

    assert "EOPNOTSUPP" == mapped.result


def test_the_newest_of_a_kind_goes_first() -> None:
    """
    Each kind of mapping is undone on its own.
    """
    kernel, driver = kernel_of(), DriverState()
    first, second = PfnRange(BAR.start, BAR.start + 1), PfnRange(BAR.start + 1, BAR.start + 2)
    driver.memremap(kernel, first, CacheMode.WC)
    driver.memremap(kernel, second, CacheMode.WC)
    driver.ioremap(kernel, first, CacheMode.WC)

    driver.let_go(kernel, "memremap")

    assert [first.start, first.start] == [entry.start >> 12 for entry in kernel.book.entries()]


@for_each("kind", ["ioremap", "memremap", "io_mapping", "memremap_pages"])
def test_nothing_can_be_undone_twice(kind: str) -> None:
    """
    ENOENT when the driver holds none.
    """
    with pytest.raises(ModelledErrno) as refused:
        DriverState().let_go(kernel_of(), kind)

    assert errno.ENOENT == refused.value.errno


def test_struct_pages_are_there_once() -> None:
    """
    A second time is refused with a warning, each time.
    """
    kernel, driver = kernel_of(), DriverState()
    driver.memremap_pages(kernel, BAR, p2pdma=False)

    for _ in range(2):
        with pytest.raises(ModelledErrno) as refused:
            driver.memremap_pages(kernel, BAR, p2pdma=True)

    assert errno.ENOMEM == refused.value.errno
    assert ["Conflicting mapping in same section", "WARNING at mm/memremap.c"] * 2 == kernel.trace.take()[1]
    assert 1 == len(kernel.book.entries())


def test_a_leaf_needs_no_mmap_lock() -> None:
    """
    The VMA's own lock is enough (S8.3.9); a single entry needs mmap_lock, and its tables are made before.
    """
    steps = run(
        "7.2",
        "a = mmap bar[0:1024] driver fault_pmd wc shared rw",
        "b = mmap bar[0:4] driver remap wc shared rw",
        "t = thread",
        "hold change_protection: mprotect b r",
        "t: read a[3]",
        "release",
    )

    assert ("ok", 0) == (steps[4].result, steps[4].value)


def test_struct_pages_around_others_hide_them() -> None:
    """
    The kernel looks at both ends for others; its failure then takes them off the list by frame (S4.9.1).
    """
    kernel, driver = kernel_of(), DriverState()
    inner, outer = PfnRange(BAR.start, BAR.end), PfnRange(BAR.start - 512, BAR.end + 512)
    driver.memremap_pages(kernel, inner, p2pdma=False)

    errors = []
    for pfns in (outer, inner):
        with pytest.raises(ModelledErrno) as refused:
            driver.memremap_pages(kernel, pfns, p2pdma=False)
        errors.append(refused.value.errno)
    driver.let_go(kernel, "memremap_pages")
    driver.memremap_pages(kernel, outer, p2pdma=False)
    with pytest.raises(ModelledErrno) as found:
        driver.memremap_pages(kernel, PfnRange(outer.start, inner.end), p2pdma=False)

    assert [errno.EEXIST] * 2 + [errno.ENOMEM] == [*errors, found.value.errno]
    assert 1 == kernel.trace.take()[1].count("WARNING at arch/x86/mm/init_64.c")


@for_each(("machine", "result"), [("6.1", "ok"), ("6.15", "ok"), ("6.16", "EINVAL"), ("7.3", "EINVAL")])
def test_a_second_buffer_of_a_narrowed_vma(machine: str, result: str) -> None:
    """Each call sees a VMA it covers, and a VMA has one context (N06): so are hfi1 and comedi refused."""
    (mapped, *_) = run(machine, "a = mmap bar[0:2] driver narrowed shared rw")

    assert result == mapped.result


@for_each("how", ["ram", "narrowed", "buffer"])
def test_more_than_the_driver_has(how: str) -> None:
    """The driver has 16 pages of ordinary memory."""
    (mapped, *_) = run("6.1", f"a = mmap bar[0:17] driver {how} shared rw", device="bar: pci, 32 pages")

    assert "EINVAL" == mapped.result


@every_series
def test_frames_that_move_between_mmap_and_fault(series: str) -> None:
    """The mmap shows the frames that the offset names, a fault those four pages away."""
    mapped, _, read, _ = run(
        series, "a = mmap bar[8:12] driver fault_moved wc shared rw", "zap_vma_ptes a[0:2]", "read a[0]"
    )

    assert [["bar[8:12]"], ["bar[12:13]", "bar[10:12]"]] == [
        [str(seen.target) for seen in step.ptes or () if seen.target] for step in (mapped, read)
    ]


def gibibyte(machine: str, *ops: str, mode: str = "wc") -> tuple[Step, ...]:
    """The steps of *ops* beside a leaf of 1 GiB that the first of them may fill, while nobody reads smaps."""
    head = (
        f"a = mmap bar[0:262144] driver fault_pud {mode} shared rw",
        "b = mmap anon[0:4] private rw populate",
        "c = fork",
        "hold unmap_vmas: c: munmap b",
    )
    return run(machine, *head, *ops, "release", device="bar: pci, 1 GiB")[len(head) : -2]


@for_each(
    ("machine", "mode"),
    [
        ("6.12", "WC"),
        ("6.16.1,huge_faults_ignore_thp=on", "WC"),
        ("6.16.2,huge_faults_ignore_thp=on", "UC-"),
        ("7.2", "UC-"),
        ("7.3", "UC-"),
    ],
)
def test_the_mode_of_a_gibibyte(machine: str, mode: str) -> None:
    """S5.6.2: what was looked up for it is forgotten until 6.17, and until stable releases took that over."""
    (read,) = gibibyte(machine, "read a[5]")

    assert f"a[0:262144] L3 {mode}" == entries(read)[0]


@for_each(("machine", "mode"), [("6.12", "UC"), ("7.2", "UC-"), ("7.3", "UC-")])
def test_a_gibibyte_is_not_write_through(machine: str, mode: str) -> None:
    """S5.6.2: it has no room for the bit; where nobody looks its mode up, the bits left are UC."""
    (read,) = gibibyte(machine, "read a[5]", mode="wt")

    assert f"a[0:262144] L3 {mode}" == entries(read)[0]


@leaves
def test_a_gibibyte_goes_where_numa_maps_is_read(series: str) -> None:
    """S7.5.3: the walk splits the leaf, and nothing takes its place."""
    _, walked = gibibyte(series, "read a[5]", "numa_maps a")

    assert not [entry for entry in entries(walked) if entry.startswith("a[")]
    assert 1 == walked.flushes


@leaves
def test_a_gibibyte_is_flushed_twice_whatever_mprotect_changes(series: str) -> None:
    """S6.3.9: leaving the state without permissions needs no flush, and the leaf is flushed all the same."""
    _, taken, given = gibibyte(series, "read a[5]", "mprotect a none", "mprotect a rw")

    assert [2, 2] == [taken.flushes, given.flushes]


@leaves
@for_each("walker", ["mincore", "pagemap", "move_pages"])
def test_a_gibibyte_stays_where_others_look(series: str, walker: str) -> None:
    """S7.5.3: they have a use for it, or no way in."""
    read, walked = gibibyte(series, "read a[5]", f"{walker} a[0:4]")

    assert entries(read) == entries(walked)


@for_each("series", SERIES)
def test_a_claim_in_the_hole_revokes_nothing(series: str) -> None:
    """/dev/mem may map what lies below 1 MiB whoever has it (S9.1.5)."""
    steps = run(
        series,
        "a = mmap hole[8:16] devmem shared r",
        "request_mem_region hole[8:16]",
        "read a[0]",
        device="hole: isa, 16 pages",
    )

    assert ["ok"] * 3 == [step.result for step in steps[:3]]


def test_what_somebody_has_cannot_be_claimed() -> None:
    """RAM is busy (S9.1.6)."""
    steps = run("7.2", "request_mem_region hole[0:4]", device="hole: isa, 16 pages")

    assert "EBUSY" == steps[0].result


def test_nothing_answers_at_the_top() -> None:
    """A store to the last page of physical address space is lost."""
    steps = run(
        "7.2",
        "a = mmap last driver remap wc shared rw",
        "write a[3] 7",
        "read a[3]",
        device="last: top, 4 pages",
    )

    assert ("ok", 0) == (steps[2].result, steps[2].value)


FAULT_REMAP = "a = mmap bar[0:8] driver fault_remap wc shared rw"


@every_series
def test_the_first_fault_remaps_all(series: str) -> None:
    """
    And reserves it, for the VMA is mapped as a whole.
    """
    _, read, *_ = run(series, FAULT_REMAP, "read a[3]")

    assert ["a[0:8] L1 WC"] == entries(read)
    assert ["bar[0:8] wc"] == [str(entry) for entry in read.book]


@every_series
def test_a_handler_cannot_remap_what_is_tracked(series: str) -> None:
    """
    From 6.16 on the context of the first time is still there: the access is SIGBUS.
    """
    *_, again, _ = run(series, FAULT_REMAP, "read a[3]", "unmap_mapping_range bar[0:8]", "read a[0]")

    refused = series not in ("6.1", "6.12")
    assert (again.result, again.value) == (("EFAULT", "SIGBUS code=2") if refused else ("ok", 0))


@every_series
def test_a_handler_spares_entries_that_are_there(series: str) -> None:
    """
    The kernel would stop over them.
    """
    *_, again, _ = run(series, FAULT_REMAP, "read a[3]", "zap_vma_ptes a[0]", "read a[0]")

    assert again.value == "SIGBUS code=2"


@for_each(
    ("series", "warnings"),
    [("6.1", 0), ("6.8", 0), ("6.9", 2), ("6.12", 2), ("6.16", 1), ("7.1", 1), ("7.2", 0)],
)
def test_flags_that_a_handler_sets_are_asserted(series: str, warnings: int) -> None:
    """
    From 6.9 to 7.1 each of VM_PAT and the flags of frames warns, for mmap_lock is held for reading only.
    """
    mapped, read, *_ = run(series, FAULT_REMAP, "read a[3]")

    assert mapped.log == ()
    assert read.log == ("WARNING at include/linux/rwsem.h",) * warnings


def test_the_lock_of_a_handlers_vma_is_taken_until_a_writer_comes() -> None:
    """
    A fault does not try it a second time then, until mprotect gave mmap_lock back.
    """
    lines = (
        "unmap_mapping_range bar[0:8]",
        "read a[0]",
        "mprotect a r",
        "unmap_mapping_range bar[0:8]",
        "read a[0]",
    )
    _, first, _, second, _, _, third, _ = run("6.12", FAULT_REMAP, "read a[3]", *lines)

    assert [
        sum(event.startswith("fault ") for event in step.events or ()) for step in (first, second, third)
    ] == [2, 1, 2]


@every_series
def test_a_handler_remaps_a_private_mapping(series: str) -> None:
    """
    As a whole and read-only, so that a write copies the page.
    """
    _, write, _ = run(series, "a = mmap bar[0:4] driver fault_remap wc private rw", "write a[1] 7")

    assert ["a[0:1] L1 WC", "a[1:2] L1 WC", "a[2:4] L1 WC"] == entries(write)
    assert ["bar[0:4] wc"] == [str(entry) for entry in write.book]


@every_series
def test_iomap_memory_is_a_remap(series: str) -> None:
    """
    What it leaves is what remap_pfn_range leaves.
    """
    lines = ("read a[0]", "munmap a[0]", "munmap a[1:4]")
    mapped = run(series, "a = mmap bar[0:4] driver iomap_memory wc shared rw", *lines)
    remapped = run(series, "a = mmap bar[0:4] driver remap wc shared rw", *lines)

    assert [step.events for step in remapped] == [step.events for step in mapped]
    assert [step.ptes for step in remapped] == [step.ptes for step in mapped]


@for_each(("series", "faults"), [("6.1", 2), ("6.12", 4), ("7.2", 4)])
def test_a_first_write_asks_the_driver(series: str, faults: int) -> None:
    """
    Where the VMA's own lock is tried first, it does not suffice for the handler, nor for pfn_mkwrite.
    """
    _, first, second, _ = run(
        series, "a = mmap bar[0:4] driver fault_mkwrite shared rw", "write a[0] 7", "write a[0] 8"
    )

    assert faults == sum(event.startswith("fault ") for event in first.events or ())
    assert () == second.events


@for_each(("sharing", "faults"), [("shared", 1), ("private", 2)])
def test_an_insertion_for_a_write_needs_no_second_fault(sharing: str, faults: int) -> None:
    """
    It fills an entry that may be written, in a shared mapping alone.
    """
    _, write, _ = run("6.1", f"a = mmap bar[0:4] driver mixed_mkwrite {sharing} rw", "write a[0] 7")

    assert faults <= sum(event.startswith("fault ") for event in write.events or ())
    assert (faults > 1) is any(event.startswith("wp_fault ") for event in write.events or ())
