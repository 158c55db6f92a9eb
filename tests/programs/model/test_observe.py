"""S10, S12.3: the model's state as an observer sees it."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.units import PfnRange
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.dispatch import perform
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.model.observe import Observer
from pfnlab.programs.runs.observation import BookEntry, Step
from pfnlab.programs.runs.places import Places

MAP = "a = mmap bar[0:4] wc shared rw"
every_series = for_each("series", SERIES)


def observe(
    series: str, *ops: str, device: str = "bar: pci, 16 pages", start: int = 0xF8000, ended: int = 0
) -> Step:
    """What is seen once after all of *ops*, of which the last *ended* end then."""
    program = load_text("\n".join(("pfnlab program 1", f"device {device}", *ops, "")))
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    kernel.start_task("main")
    (declared,) = program.devices
    start = 0x10 if declared.kind == "lowmem" else start
    places = Places.of(program, {declared.name: PfnRange(start, start + declared.pages)})
    for op in program.ops:
        perform(kernel, kernel.tasks[op.task], op.call, places)
        kernel._check()
    return Observer(kernel, places).step("look", "main", "ok", None, program.ops[len(program.ops) - ended :])


@every_series
def test_the_book_in_pages_of_the_device(series: str) -> None:
    """Book entries are half-open pages of the device that holds them."""
    assert (BookEntry("bar", 3, 5, "wc"),) == observe(series, "a = mmap bar[3:5] wc shared rw").book


GIANT = ("a = mmap bar[0:262144] driver fault_pud shared rw", "read a[5]")


@for_each("series", [series for series in SERIES if PROFILES[series].huge_faults_ignore_thp])
def test_whoever_looks_takes_leaves_of_a_gigabyte_away(series: str) -> None:
    """Reading smaps splits them, and nothing is put in their place (S7.5)."""
    seen = observe(series, *GIANT, device="bar: pci, 1 GiB", start=0x100000)

    assert ["none@L3"] == [pte.entry for pte in seen.ptes or ()]


def test_nobody_reads_smaps_of_a_kernel_that_stands_still() -> None:
    """While a processor is held the leaf is there, until somebody looks who can."""
    text = ("device bar: pci, 1 GiB", "area a: 262144 pages", "b = mmap bar[0:4] wc shared rw", "t = thread")
    held = ("hold unmap_vmas: munmap b", "t: read a[5]", "release")
    program = load_text("\n".join(("pfnlab program 1", *text, GIANT[0], *held, "")))

    *_, read, released, _ = ModelMachine("7.2").run_one(program).steps

    assert [["L3"], ["none@L3"]] == [
        [pte.entry.split()[0] for pte in step.ptes or () if pte.span.name == "a"] for step in (read, released)
    ]


@every_series
def test_the_book_of_low_memory(series: str) -> None:
    """Low memory is booked write-back."""
    seen = observe(series, "a = mmap low[1:3] devmem shared rw", device="low: lowmem, 4 pages")

    assert (BookEntry("low", 1, 3, "wb"),) == seen.book


@for_each("series", SERIES[:2])
@for_each(("ended", "who"), [(1, "main"), (2, "*")])
def test_the_log_names_tasks_and_pages(series: str, ended: int, who: str) -> None:
    """A line says who and which device pages, or that nobody can tell who (S12.4.4)."""
    seen = observe(series, MAP, "munmap a[0]", ended=ended)

    assert (f"x86/PAT: {who} freeing invalid memtype bar[0:1]",) == seen.log


@every_series
@for_each(
    ("call", "perms", "file"),
    [
        ("mmap bar[2:6] wc shared rw", "rw-s", "wc"),
        ("mmap bar[2:6] uc private r", "r--p", "uc"),
        ("mmap bar[2:6] devmem-sync shared rwx", "rwxs", "mem"),
        ("mmap bar[2:6] proc-wc shared none", "---s", "proc"),
    ],
)
def test_a_vma(series: str, call: str, perms: str, file: str) -> None:
    """A VMA has its area, permissions, file and physical offset (S10.2, S12.3.6)."""
    (vma,) = observe(series, f"a = {call}").vmas or ()

    seen = (vma.task, vma.span, vma.perms, vma.file, vma.offset)
    assert ("main", Span("a", 0, 4), perms, file, Span("bar", 2, 6)) == seen


@every_series
def test_anonymous_memory_has_no_offset(series: str) -> None:
    """Ordinary memory is no part of a device."""
    (vma,) = observe(series, "a = mmap anon[0:2] private rw").vmas or ()

    assert ("anon", None, 0) == (vma.file, vma.offset, vma.rss)


@every_series
def test_special_entries_count_nothing(series: str) -> None:
    """Device pages never count as resident (S10.3)."""
    (vma,) = observe(series, MAP, "write a[0] 7").vmas or ()

    assert (0, 0, 0) == (vma.rss, vma.anonymous, vma.locked)


@every_series
def test_shared_pages_count_fully(series: str) -> None:
    """Pages shared after a fork count whole in each process (S7.5)."""
    seen = observe(series, "a = mmap anon[0:2] private rw", "write a[0] 7", "c = fork")

    assert [("main", 4), ("c", 4)] == [(vma.task, vma.rss) for vma in seen.vmas or ()]


@every_series
def test_entries_as_runs(series: str) -> None:
    """Equal neighbouring entries are one run, in pages of area and device."""
    seen = observe(series, MAP, "mprotect a[2:4] none")

    assert [
        ("a[0:2]", "bar[0:2]", "L1 WC P RW US SPECIAL A"),
        ("a[2:4]", "bar[2:4]", "L1 WC !P RO SPECIAL A"),
    ] == [(str(pte.span), str(pte.target), pte.entry) for pte in seen.ptes or ()]


@every_series
def test_what_is_missing_is_said(series: str) -> None:
    """Empty entries are runs too, with the level at which the walk ends."""
    seen = observe(series, MAP, "munmap a[1:3]")

    assert [("a[0:1]", "bar[0:1]"), ("a[1:3]", "None"), ("a[3:4]", "bar[3:4]")] == [
        (str(pte.span), str(pte.target)) for pte in seen.ptes or ()
    ]
    assert "none@L1" == (seen.ptes or ())[1].entry


@every_series
def test_the_zero_page_is_ram(series: str) -> None:
    """Untouched anonymous memory that was read maps RAM, not a device."""
    seen = observe(series, "a = mmap anon[0:1] private rw", "read a[0]")

    assert [Span("ram", 0, 0)] == [pte.target for pte in seen.ptes or ()]


@every_series
def test_the_log_is_used_up(series: str) -> None:
    """What one step reported, the next does not."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    observer = Observer(kernel, Places({"bar": PfnRange(0xF8000, 0xF8010)}))
    kernel.trace.printk("x86/PAT: anything")

    first, second = (observer.step("look", "main", "ok", None, ()) for _ in range(2))

    assert (("x86/PAT: anything",), ()) == (first.log, second.log)


@every_series
def test_entries_of_other_pages_are_not_seen(series: str) -> None:
    """The book of pages outside every device of the program is left out."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    kernel.book.reserve_pfn_range(0xF900_0000, 0x1000, 0x08, strict=False, who="driver:1")
    observer = Observer(kernel, Places({"bar": PfnRange(0xF8000, 0xF8010)}))

    assert () == observer.step("look", "main", "ok", None, ()).book
    kernel._check()


@for_each(
    ("ops", "log", "level"),
    [
        (
            ("a = mmap bar[0:4] wc shared rw", "munmap a[1]"),
            "x86/PAT: main freeing invalid memtype bar[1:2]",
            "info",
        ),
        (
            ("a = mmap anon[0:4] private rw", "b = mremap a[0:0] 4 pages maymove fixed"),
            "main: attempted to duplicate a private mapping with mremap.  This is not supported.",
            "warning",
        ),
    ],
)
def test_every_line_of_the_log_has_its_level(ops: tuple[str, ...], log: str, level: str) -> None:
    """That with which the kernel prints it."""
    step = observe("6.12", *ops)

    assert (log, level) == (step.log[-1].removeprefix("mmap: "), (step.levels or ())[-1])
    assert len(step.log) == len(step.levels or ())


def test_pages_after_the_end_of_low_memory_are_counted_from_it() -> None:
    """Also where a run of entries begins there, because a child has read the page before."""
    text = "device low: lowmem, 4 pages\na = mmap low[2:5] devmem-sync shared rw\nt1 = fork\nt1: read a[1]\n"
    (run,) = ModelMachine("7.3").run([load_text(f"pfnlab program 1\ntitle t\n{text}")])

    targets = [str(entry.target) for entry in run.steps[2].ptes or () if entry.task == "t1"]
    assert ["low[2:3]", "low[3:4]", "low[4:5]"] == targets[:3]
