"""S6.2 to S6.5: what touching a PFN mapping does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from for_each import for_each
from series_runs import PRIVATE, SHARED, entries, every_series
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.hw.bits import PAGE_ACCESSED
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.fault import Signal, access
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.areas import area_starts
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Op, Write
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.execution import SequentialExecution
from pfnlab.programs.model.model_machine import ModelMachine, place
from pfnlab.programs.runs.places import Places


@every_series
def test_memory_that_may_only_be_executed_is_kept_by_its_key(series: str) -> None:
    """No access, no fault, nothing populated: SIGSEGV with code 4; with other protection the key is gone."""
    mapped = "a = mmap bar[0:2] devmem-sync private x"

    touched = run(series, mapped, "read a[0]", "mprotect a rx", "read a[0]", "mprotect a x")
    _, kept, _, let, again, _ = touched
    *_, anonymous, locked, _ = run(series, "b = mmap anon[0:2] private x populate", "mlock b")

    assert ("SIGSEGV code=4", 0, 1) == (kept.value, let.value, again.flushes)
    assert ("ok", [], "ENOMEM") == (anonymous.result, entries(anonymous), locked.result)


@every_series
def test_an_access_that_met_a_key_is_refused_whatever_comes_meanwhile(series: str) -> None:
    """The processor has said so, though the VMA allows it once the fault has its lock (S6.2.1)."""
    mapped = ("a = mmap bar[0:2] devmem-sync private x", "t = thread")

    *_, released, again, _ = run(
        series, *mapped, "hold change_protection: mprotect a r", "t: read a[0]", "release", "t: read a[0]"
    )

    assert "main ok; t EFAULT SIGSEGV code=4" == released.value
    assert "ok" == again.result


@every_series
def test_nothing_mapped(series: str) -> None:
    """Where no VMA is, the signal is SIGSEGV with code 1."""
    *_, touched, _ = run(series, SHARED, "munmap a", "read a[0]")

    assert ("EFAULT", "SIGSEGV code=1") == (touched.result, touched.value)


@every_series
@for_each(("prot", "touch"), [("none", "read a[0]"), ("none", "write a[0] 7"), ("r", "write a[0] 7")])
def test_not_allowed(series: str, prot: str, touch: str) -> None:
    """What the VMA forbids is SIGSEGV with code 2."""
    *_, touched, _ = run(series, f"a = mmap bar[0:8] wc shared {prot}", touch)

    assert ("EFAULT", "SIGSEGV code=2") == (touched.result, touched.value)


@every_series
def test_an_empty_entry(series: str) -> None:
    """These drivers have no fault handler: an empty entry is SIGBUS with code 2 (S6.2.3)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    task = kernel.start_task("demo")
    file = DevMem(False, False)
    kernel.call(
        task, lambda: do_mmap(task.mm, 0x1000, 4, 3, file=file, pgoff=0xF8000, shared=True, fixed=False)
    )
    task.mm.tables.clear(0x1001, 0x1002)

    with pytest.raises(Signal) as signal:
        access(task.mm, task.tlb, 0x1001)

    assert Signal("SIGBUS", 2) == signal.value
    kernel._check()


@every_series
def test_a_device_page_keeps_its_value(series: str) -> None:
    """What was stored is read back, through another mapping too; untouched pages are 0."""
    *_, other, untouched, _ = run(
        series, SHARED, "b = mmap bar[0:8] wc shared rw", "write a[3] 7", "read b[3]", "read b[4]"
    )

    assert (7, 0) == (other.value, untouched.value)


@every_series
def test_a_shared_write_makes_dirty(series: str) -> None:
    """A shared entry stays special, and becomes dirty."""
    _, written, _ = run(series, SHARED, "write a[3] 7")

    assert "L1 WC P RW US SPECIAL A D" == dict(entries(written))["a[3:4]"]


@every_series
@for_each(("via", "mode"), [("uc", "UC-"), ("wc", "WC"), ("devmem", "WB"), ("devmem-sync", "UC-")])
def test_a_private_write_copies(series: str, via: str, mode: str) -> None:
    """The copy is ordinary memory in the mode of vm_page_prot, not of the old entry (S6.4.4, S11.13)."""
    _, written, _ = run(series, f"a = mmap bar[0:2] {via} private rw", "write a[0] 7")

    assert f"L1 {mode} P RW US A D" == dict(entries(written))["a[0:1]"]
    assert "ram[0:0]" == str((written.ptes or ())[0].target)


@for_each("via", ["uc", "wc", "devmem", "devmem-sync", "proc-wc"])
def test_a_copy_may_be_cached_whatever_the_device_is(via: str) -> None:
    """With copied_keeps_mode off a copy is write-back, also when it is protected, moved and copied again."""
    *_, copied, _ = run(
        "7.3,copied_keeps_mode=off",
        *(f"a = mmap bar[0:2] {via} private rw", "write a[0] 7", "mprotect a r", "mprotect a rw"),
        *("b = mremap a 2 pages maymove fixed", "c = fork", "c: write b[0] 8"),
    )

    ordinary = [seen.entry for seen in copied.ptes or () if str(seen.target) == "ram[0:0]"]
    assert ["L1 WB P RO US A", "L1 WB P RW US A D"] == ordinary


def test_frames_keep_their_mode_where_copies_do_not() -> None:
    """Only what is copied is write-back: the page beside it shows the device."""
    _, written, _ = run("7.3,copied_keeps_mode=off", "a = mmap bar[0:2] wc private rw", "write a[0] 7")

    assert {"a[0:1]": "L1 WB P RW US A D", "a[1:2]": "L1 WC P RO US SPECIAL A"} == dict(entries(written))


@every_series
def test_a_private_write_stays_private(series: str) -> None:
    """The device page does not change."""
    *_, mine, device, _ = run(
        series,
        PRIVATE,
        "b = mmap bar[0:8] wc shared rw",
        "write b[0] 5",
        "write a[0] 7",
        "read a[0]",
        "read b[0]",
    )

    assert (7, 5) == (mine.value, device.value)


@every_series
def test_a_copy_holds_what_the_device_held(series: str) -> None:
    """A private page first reads through, and only after a write is cut off."""
    _, _, _, before, _, _, after, _ = run(
        series,
        *(PRIVATE, "b = mmap bar[0:8] wc shared rw", "write b[0] 5", "read a[0]", "write a[0] 7"),
        *("write b[0] 6", "read a[0]"),
    )

    assert (5, 7) == (before.value, after.value)


@for_each(("series", "rss"), [(s, 0 if s == "6.1" else 4) for s in SERIES])
def test_copies_in_smaps(series: str, rss: int) -> None:
    """smaps counts copied pages of PFN mappings from 6.12 on (S7.5)."""
    _, written, _ = run(series, PRIVATE, "write a[0] 7")

    assert [(rss, rss)] == [(vma.rss, vma.anonymous) for vma in written.vmas or ()]


@every_series
def test_shared_copies_after_fork(series: str) -> None:
    """A page copied before the fork is shared read-only, and copied again by whoever writes."""
    *_, child, parent, _ = run(
        series,
        *("a = mmap bar[0:2] wc private rw", "write a[1] 7", "c = fork", "c: write a[1] 8"),
        *("c: read a[1]", "read a[1]"),
    )

    assert (8, 7) == (child.value, parent.value)


@every_series
def test_reading_ordinary_memory_first(series: str) -> None:
    """Untouched anonymous memory reads zero and counts nothing."""
    _, value, _ = run(series, "a = mmap anon[0:2] private rw", "read a[0]")

    assert (0, 0) == (value.value, (value.vmas or ())[0].rss)


@every_series
def test_writing_ordinary_memory_after_reading(series: str) -> None:
    """The zero page is copied on the first write."""
    *_, value, _ = run(series, "a = mmap anon[0:2] private rw", "read a[0]", "write a[0] 7", "read a[0]")

    assert (7, 4) == (value.value, (value.vmas or ())[0].rss)


@every_series
def test_populated_ordinary_memory(series: str) -> None:
    """MAP_POPULATE fills anonymous memory, unless nobody may touch it."""
    filled, empty, _ = run(
        series, "a = mmap anon[0:2] private rw populate", "b = mmap anon[0:2] private none populate"
    )

    assert [8] == [vma.rss for vma in filled.vmas or ()]
    assert [8, 0] == [vma.rss for vma in empty.vmas or ()]


def test_a_huge_page_of_ordinary_memory_has_no_rule() -> None:
    """Where the setting allows one and it fits; a smaller mapping is filled page by page (S6.2.5)."""
    header = "pfnlab program 1\nthp {}\ndevice bar: pci, 16 pages\n"
    text = f"{header}a = mmap anon[0:{{}}] private rw\nwrite a[3] 1\n"
    machine = ModelMachine("7.2")

    with pytest.raises(Undecided, match="huge pages of ordinary memory"):
        machine.run_one(load_text(text.format("always", 512)))
    runs = [machine.run_one(load_text(text.format(*case))) for case in (("madvise", 512), ("always", 511))]
    assert [["a[3:4]"]] * 2 == [[span for span, _ in entries(run.steps[1])] for run in runs]


@for_each(("copied", "waits_for"), [(False, "mmap_lock"), (True, "IPI")])
def test_a_copy_needs_no_mmap_lock_where_a_page_was_copied_before(copied: bool, waits_for: str) -> None:
    """A first copy needs a reverse map and waits for mmap_lock; another needs the VMA's own lock (S8.3.9)."""
    first = ("write a[0] 1",) if copied else ()
    held = ("b = mmap bar[4:6] wc shared rw", "t = thread", "hold flush_tlb_mm_range: mprotect b r")

    step = run("6.12", PRIVATE, *first, *held, "t: write a[1] 1", "release")[-3]

    assert ("waits", waits_for) == (step.result, step.value)


@for_each(("series", "waits_for"), [("6.1", "mmap_lock"), ("6.12", "IPI"), ("7.3", "IPI")])
def test_a_first_copy_gives_mmap_lock_back_before_it_flushes(series: str, waits_for: str) -> None:
    """It needs it only for the reverse map, so munmap waits for the flush alone (S8.3.9b)."""
    beside = ("b = mmap bar[4:6] wc shared rw", "t = thread", "t: read b[0]")

    step = run(series, PRIVATE, *beside, "hold flush_tlb_mm_range: write a[1] 1", "t: munmap b", "release")[
        -3
    ]

    assert ("waits", waits_for) == (step.result, step.value)


BESIDE = ("b = mmap anon[0:16] private rw", "t = thread", "write b[15] 1")


@for_each(
    ("held", "touched", "result"),
    [
        ("hold change_protection: mprotect b[4:8] r", "write b[12] 5", "waits"),
        ("hold change_protection: mprotect b[4:8] r", "write b[2] 5", "waits"),
        ("hold unmap_vmas: mmap anon[0:4] private r over b[4:8]", "write b[5] 5", "waits"),
        ("hold move_page_tables: mremap b[4:8] 4 pages maymove fixed over b[10:14]", "write b[2] 5", "waits"),
        ("hold copy_page_range 2: c = fork", "write b[12] 5", "waits"),
        ("hold copy_page_range: c = fork", "write b[12] 5", "ok"),
        ("hold change_protection: mprotect a r", "write b[12] 5", "ok"),
        ("hold change_protection: mprotect a r", "read b[12]", "ok"),
        # munmap keeps mmap_lock for reading alone.
        ("hold unmap_vmas: munmap b[4:8]", "write b[12] 5", "ok"),
    ],
)
def test_a_fault_waits_for_a_writer_of_its_vma(held: str, touched: str, result: str) -> None:
    """A VMA that is not changed is locked by nobody (S8.3.9a)."""
    step = run("7.2", PRIVATE, *BESIDE, held, f"t: {touched}", "release")[-3]

    assert result == step.result


def test_a_first_page_that_waits_has_its_tables() -> None:
    """They are made before the fault finds that it needs mmap_lock (S8.3.9b)."""
    ops = ("b = mmap anon[0:4] private rw", "t = thread", "hold change_protection: mprotect a r")

    steps = {
        series: run(series, PRIVATE, *ops, "t: write b[1] 1", "release")[-3] for series in ("6.1", "7.2")
    }

    tables = {
        series: [seen.entry for seen in step.ptes or () if seen.span.name == "b"]
        for series, step in steps.items()
    }
    assert {"6.1": ["none@L3"], "7.2": ["none@L1"]} == tables


@for_each("how", ["fault", "fault_pmd", "fault_pud"])
def test_a_store_that_finds_the_entry_already_filled_needs_no_handler(how: str) -> None:
    """Both faults waited for mmap_lock; the second finds what the first one filled (S6.2.4)."""
    program = load_text(
        f"pfnlab program 1\ndevice bar: pci, 1 GiB\na = mmap bar driver {how} shared r\nt = thread\n"
        "s = thread\nhold change_protection: mprotect a rw\nt: write a[0] 7\ns: write a[0] 8\nrelease\n"
    )

    released = ModelMachine("7.3").run_one(program).steps[-2]

    assert ("ok", "main ok; t ok; s ok") == (released.result, released.value)


@for_each(
    ("mapped", "marked"),
    [("bar driver fault_pud", True), ("bar[0:512] driver fault_pmd", False), ("bar[0:16] wc", False)],
    ids=["a leaf of 1 GiB", "a leaf of 2 MiB", "a page"],
)
@for_each("emulated", [True, False])
def test_the_emulator_marks_a_leaf_of_a_gigabyte_that_refuses_a_store(
    emulated: bool, mapped: str, marked: bool
) -> None:
    """It is marked before it is seen whether it allows the store (S12.1.5); others need not do so."""
    lines = (
        "device bar: pci, 1 GiB",
        f"a = mmap {mapped} shared rw",
        "read a[0]",
        "mprotect a r",
        "c = fork",
    )
    program = load_text("\n".join(("pfnlab program 1", *lines, "")))
    platform, devices, _ = place(program)
    kernel = ModelMachine("7.3").boot(replace(platform, marks_refused_gigabytes=emulated), devices)
    kernel.start_task("main")
    running = SequentialExecution(kernel, Places.of(program, devices))
    for op in program.ops:
        running.step(op)

    result = running.step(Op(Write(Span("a", 0, 1), 1), "c"))

    entry = kernel.tasks["c"].mm.tables.entry(area_starts(program)["a"])
    assert entry is not None
    assert ("EFAULT", marked and emulated) == (result.result, bool(entry.bits & PAGE_ACCESSED))
