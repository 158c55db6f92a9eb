"""S5.10.5: munmap, and what the end of a process shares with it."""

from __future__ import annotations

import errno
from functools import partial

from for_each import for_each
from series_runs import SHARED, every_series, spans
from series_runs import run_to_end as run

from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.processors import Call, Operation
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.policies.profiles import PROFILES, SERIES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run


@for_each("cut", ["munmap a[261632:262144]", "munmap a[0]", "mprotect a[7] r", "mremap a 3 pages"])
def test_a_leaf_of_a_gigabyte_goes_where_its_vma_is_cut(cut: str) -> None:
    """With cut_keeps_gigabyte off a leaf lies across no two VMAs, whatever the border."""
    lines = ("device bar: pci, 1 GiB", "a = mmap bar[0:262144] driver fault_pud shared rw", "read a[0]", cut)
    program = load_text("\n".join(("pfnlab program 1", *lines, "")))
    model = ModelMachine("7.3,cut_keeps_gigabyte=off", LookLevel.MEMORY)

    *_, gone, _ = model.run_one(program, check=True).steps

    assert ("ok", []) == (gone.result, [seen for seen in gone.ptes or () if seen.target])


@for_each(("tables", "flushes"), [(506, 2), (508, 3), (512, 3)])
def test_page_tables_are_freed_in_batches(tables: int, flushes: int) -> None:
    """From 6.16 on, every 509 of them are flushed, PMD and PUD tables too; before, they wait for the end."""
    mapped = f"a = mmap bar[0:{tables * 512}] wc shared rw"
    text = f"pfnlab program 1\ndevice bar: pci, 1 GiB\n\n{mapped}\nmunmap a\n"

    for series, expected in (("6.12", 2), ("6.16", flushes), ("7.2", flushes)):
        _, gone, _ = ModelMachine(series).run_one(load_text(text), check=True).steps
        assert expected == gone.flushes


def _ended(series: str, tables: int, *more: str) -> Run:
    """A process ends with so many page tables of a device, and two above them."""
    mapped = f"a = mmap bar[0:{tables * 512}] wc shared rw"
    text = "\n".join(("pfnlab program 1", "device bar: pci, 2 GiB", mapped, *more, ""))
    (run,) = ModelMachine(series).run([load_text(text)])
    return run


@for_each(
    ("series", "tables", "flushes"),
    [*(("7.3", *case) for case in [(490, 1), (507, 2), (990, 2), (1015, 3)]), ("6.12", 504, 1)],
)
def test_the_end_flushes_full_batches_too(series: str, tables: int, flushes: int) -> None:
    """Where the tables of the process's own memory cannot decide how many batches are full."""
    assert flushes == _ended(series, tables).steps[-1].flushes


@for_each("tables", [491, 498, 504, 506, 1000])
def test_own_page_tables_decide_near_a_full_batch(tables: int) -> None:
    """How many there are depends on the machine, and the model does not guess (S8.1.11)."""
    unfinished = _ended("7.3", tables).unfinished

    assert unfinished is not None
    assert "the page tables of the process's own memory decide" in str(unfinished)


@for_each(("threads", "decided"), [((), True), (("t = thread",), False)])
def test_the_stack_of_a_thread_has_page_tables(threads: tuple[str, ...], decided: bool) -> None:
    """A thread more makes the answer uncertain earlier."""
    assert decided == (_ended("7.3", 487, *threads).unfinished is None)


def test_page_tables_go_before_vmas_far_away_are_unlinked() -> None:
    """free_pgtables works on groups of VMAs less than 2 MiB apart: a full batch is flushed between two."""
    mapped = "a = mmap bar[0:259585] wc shared rw\nb = mmap bar[0] wc shared rw\n"
    text = f"pfnlab program 1\ndevice bar: pci, 1 GiB\n\n{mapped}"

    events = ModelMachine("7.2").run_one(load_text(text), check=True).steps[-1].events or ()

    assert ("unlink a[0]", "flush all", "unlink b[0]") == events[4:7]


def map_devmem(kernel: Kernel, task: Task, at: int) -> None:
    """Map four device pages at virtual page *at*."""
    file = DevMem(False, False)
    assert (0, None) == kernel.call(
        task, lambda: do_mmap(task.mm, at, 4, 3, file=file, pgoff=0xF8000, shared=True, fixed=False)
    )


@every_series
@for_each(
    ("part", "left"),
    [("a[0:3]", ["a[3:8]"]), ("a[5:8]", ["a[0:5]"]), ("a[3:5]", ["a[0:3]", "a[5:8]"]), ("a", [])],
)
def test_any_range(series: str, part: str, left: list[str]) -> None:
    """Any page range may go, and what is left keeps its frames."""
    _, gone, _ = run(series, SHARED, f"munmap {part}")

    assert ("ok", left) == (gone.result, spans(gone))
    assert [span.replace("a", "bar") for span in left] == [
        str(seen.target) for seen in gone.ptes or () if seen.target
    ]


@every_series
def test_a_hole(series: str) -> None:
    """Unmapping nothing is a success."""
    *_, again, _ = run(series, SHARED, "munmap a[2:4]", "munmap a[2:4]")

    assert ("ok", ["a[0:2]", "a[4:8]"], ()) == (again.result, spans(again), again.log)


@every_series
def test_offsets_of_the_pieces(series: str) -> None:
    """The upper piece starts as far into the file as it lay in the mapping (S5.3.1)."""
    *_, cut, _ = run(series, SHARED, "munmap a[3:5]")

    assert ["bar[0:3]", "bar[5:8]"] == [str(vma.offset) for vma in cut.vmas or ()]


@every_series
def test_tables_stay_while_a_vma_needs_them(series: str) -> None:
    """A cleared entry beside a living VMA is empty, not without a table (S12.3.5)."""
    *_, cut, _ = run(series, SHARED, "munmap a[3:5]")

    assert ["none@L1"] == [seen.entry for seen in cut.ptes or () if not seen.target]


@every_series
def test_tables_go_with_the_last_vma(series: str) -> None:
    """No VMA left in the span of a table: the table is freed (S12.3.5)."""
    *_, gone, _ = run(series, SHARED, "munmap a")

    assert {"none@L1", "none@L2"}.isdisjoint(seen.entry for seen in gone.ptes or ())


@every_series
def test_an_empty_range(series: str) -> None:
    """A length of zero is EINVAL (S5.10.5)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    task = kernel.start_task("demo")

    assert (errno.EINVAL, None) == kernel.call(task, lambda: do_munmap(task.mm, 4, 4))
    kernel._check()


@every_series
def test_a_copied_page_is_mapped_once_less(series: str) -> None:
    """When one sharer of a copied page unmaps it, the other owns it and writes without a copy (S6.4.3)."""
    *_, gone, written, value, _ = run(
        series,
        *("a = mmap anon[0:1] private rw", "write a[0] 7", "c = fork"),
        *("munmap a", "c: write a[0] 8", "c: read a[0]"),
    )

    assert ("ok", "ok", 8) == (gone.result, written.result, value.value)


@every_series
def test_order_of_the_steps(series: str) -> None:
    """Entries are cleared, VMAs unlinked and only then freed (S8.2)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    task = kernel.start_task("demo")
    for at in (0x1000, 0x2000):
        map_devmem(kernel, task, at)

    kernel.trace.take()
    kernel.call(task, lambda: do_munmap(task.mm, 0x1000, 0x3000))

    events = [event.name for event in kernel.trace.take()[0]]
    assert ["clear", "clear", "unlink", "unlink", "free", "free"] == [
        name for name in events if name in ("clear", "unlink", "free")
    ]
    kernel._check()


@for_each(("series", "booked"), [(s, s not in SERIES[:2]) for s in SERIES])
def test_when_the_reservation_goes(series: str, booked: bool) -> None:
    """With VM_PAT it goes before the entries are cleared, with the context after unlinking (S8.2)."""
    kernel = Kernel(PROFILES[series], qemu_q35(), TRACKERS[PROFILES[series].tracker])
    task = kernel.start_task("demo")
    map_devmem(kernel, task, 0x1000)

    body = partial(do_munmap, task.mm, 0x1000, 0x1004)
    kernel.processors.begin(Operation("demo", body, hold=Call("unlink", at_return=True)))
    seen = bool(kernel.book.entries())
    kernel.processors.release()

    assert (booked, False) == (seen, bool(kernel.book.entries()))
    kernel._check()


def test_an_exit_holds_mmap_lock() -> None:
    """A part of a leaf of 1 GiB that goes at exit is asserted to be locked, and is (S6.3.8)."""
    lines = ("device bar: pci, 1 GiB", "a = mmap bar[0:262144] driver fault_pud shared rw", "read a[0]")
    text = "\n".join(("pfnlab program 1", *lines, "madvise a[0:1536] dontfork", ""))
    steps = ModelMachine("6.12", LookLevel.MEMORY).run_one(load_text(text)).steps

    assert () == steps[-1].log
