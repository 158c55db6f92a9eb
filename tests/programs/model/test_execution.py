"""Programs whose tasks run side by side, on the model, and those that it refuses."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Undecided, Why
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.execution import refuse_unknown
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

OLD, NEW = SERIES[:2], SERIES[2:]
SETUP = """pfnlab program 1
device  bar: pci, 16 pages
area    a: 8 pages
mmap bar[0:4] driver remap wc shared rw over a[0:4]
mmap bar[4:8] driver remap wc shared rw over a[4:8]
t = thread
s = thread
write a[0] 7
s: read a[0]
"""


def run(machine: str, *lines: str) -> list[Step]:
    """The steps of *lines* after the set-up, without the end; invariants checked wherever nothing is held."""
    program = parse(SETUP + "".join(f"{line}\n" for line in lines))
    return list(ModelMachine(machine).run_one(program, check=True).steps[6:-1])


def said(step: Step) -> tuple[str, int | str | None]:
    """Result and value."""
    return step.result, step.value


every_series = for_each("series", SERIES)
HOLD = "hold flush_tlb_mm_range: munmap a[0:4]"


@every_series
def test_held_says_so(series: str):
    """A step whose processor stands is `held`."""
    held, _ = run(series, HOLD, "release")

    assert ("held", None) == said(held)


@every_series
def test_stale_translation(series: str):
    """Cleared and not flushed: the thread that read before still reads (S8.3)."""
    held, read, _ = run(series, HOLD, "s: read a[0]", "release")

    assert not any(run.target and run.target.name == "bar" and run.span.start == 0 for run in held.ptes or ())
    assert ("ok", 7) == said(read)


@every_series
def test_revocation_waits(series: str):
    """unmap_mapping_range cannot return before the held processor has flushed (S8.1.8)."""
    *_, revoked, _ = run(series, HOLD, "t: unmap_mapping_range bar[0:4]", "release")

    assert ("waits", "IPI") == said(revoked)


@every_series
def test_flushes_while_held(series: str):
    """The flush that waits is counted; outside of what is held nothing is."""
    held, revoked, released = run(series, HOLD, "t: unmap_mapping_range bar[0:4]", "release")

    assert (0, 1, None) == (held.flushes, revoked.flushes, released.flushes)


@for_each("series", OLD)
@for_each(("meanwhile", "who"), [("t: read a[4]", "main"), ("t: munmap b[4:5]", "*")])
def test_a_release_names_a_task_where_it_ends_one_operation(series: str, meanwhile: str, who: str):
    """Who frees what of several that go on is a matter of timing (S12.4.4)."""
    lines = ("b = mmap bar[8:16] wc shared rw", "hold unmap_vmas: munmap b[0:2]", meanwhile, "release")

    *_, released = run(series, *lines)

    assert f"x86/PAT: {who} freeing invalid memtype bar[8:10]" in released.log


@every_series
def test_release_says_what_became_of_them(series: str):
    """The held operation comes first, then those that waited."""
    *_, released = run(series, HOLD, "t: unmap_mapping_range bar[0:4]", "release")

    assert ("ok", "main ok; t ok") == said(released)


@every_series
def test_who_waits_is_busy(series: str):
    """A task that waits does nothing else; the line is left out."""
    *_, busy, _ = run(series, HOLD, "t: munmap a[4:8]", "t: munmap a[4:8]", "release")

    assert ("busy", None) == said(busy)


@every_series
def test_after_unlinking(series: str):
    """Once the VMA is unlinked nobody waits, and nobody reads any more: the rule of S8.3."""
    lines = (
        "hold unlink return: munmap a[0:4]",
        "t: unmap_mapping_range bar[0:4]",
        "s: read a[0]",
        "release",
    )
    _, revoked, read, _ = run(series, *lines)

    assert (("ok", None), ("EFAULT", "SIGSEGV code=1")) == (said(revoked), said(read))


@every_series
def test_without_a_forced_flush(series: str):
    """Before 5.19 unmap_mapping_range returned while the device could still be read (S8.3)."""
    lines = (
        "hold tlb_finish_mmu: munmap a[0:4]",
        "t: unmap_mapping_range bar[0:4]",
        "s: read a[0]",
        "release",
    )
    _, revoked, read, _ = run(f"{series},flush=none", *lines)

    assert (("ok", None), ("ok", 7)) == (said(revoked), said(read))


@every_series
def test_flush_left_out(series: str):
    """With the one flush left out by force the device is read after munmap has returned."""
    lines = ("skip flush_tlb_mm_range: hold tlb_finish_mmu: munmap a[0:4]", "s: read a[0]")
    program = parse(SETUP + "\n".join((*lines, "release", "s: read a[0]", "")))
    *_, within, _, after, _ = ModelMachine(series).run_one(program).steps

    assert (("ok", 7), ("ok", 7)) == (said(within), said(after))


@every_series
def test_skip_alone(series: str):
    """A call can be left out without holding anything."""
    program = parse(SETUP + "skip flush_tlb_mm_range: munmap a[0:4]\n")
    step = ModelMachine(series).run_one(program).steps[-2]

    assert 0 == step.flushes


@for_each(("series", "result"), [*((s, "held") for s in OLD), *((s, "ok") for s in NEW)])
def test_not_held(series: str, result: str):
    """Where a kernel does not call the function, the operation runs through and says so."""
    held, _ = run(series, "hold untrack_pfn: munmap a[0:4]", "release")

    assert (result, None if result == "held" else "not held") == said(held)


@for_each("series", OLD)
@for_each("second", ["", "hold unmap_vmas: munmap a[4:8]"])
def test_a_task_whose_fork_has_failed_is_not_held(series: str, second: str):
    """Neither as the first one nor beside another."""
    child = ("p = mmap bar[0:4] wc private rw", "write p[0] 1", "c = fork")
    held = ([second] if second else []) + ["hold unlink: c: munmap a[0:4]"]
    steps = run(series, *child, *held, *(["release c"] if second else []), "release")

    assert ("ESRCH", "not held") == said(next(step for step in steps if step.task == "c"))


@every_series
def test_the_lock_of_the_list(series: str):
    """Held while the book's lock is taken, a reader of the list waits."""
    _, read, _ = run(series, "hold memtype_erase: munmap a[0:4]", "t: memtype_list", "release")

    assert ("waits", "memtype_lock") == said(read)


@every_series
def test_threads_share_everything(series: str):
    """A thread's mapping is its process'."""
    *_, mapped = run(series, HOLD, "release", "t: b = mmap bar[8:12] driver remap wc shared rw")

    assert ["main"] == sorted({vma.task for vma in mapped.vmas or ()})


@every_series
def test_a_thread_ends_its_process(series: str):
    """exit by a thread ends all of them."""
    *_, ended = run(series, HOLD, "release", "t: exit")

    assert ((), ()) == (ended.vmas, ended.book)


def test_unknown_place():
    """The model says where it can be stopped."""
    with pytest.raises(Undecided, match="the model does not stop at do_munmap, only at unmap_vmas, "):
        run("7.2", "hold do_munmap: munmap a[0:4]", "release")


@for_each("line", ["fail kmalloc 1: munmap a[0:4]", "fail __get_free_page 1 in unmap_vmas: munmap a[0:4]"])
def test_failure_of_what_all_call(line: str):
    """What has many callers fails in the one that the model knows, and the reason names it."""
    with pytest.raises(Undecided, match=r"the model knows .* in (remap_pfn_range|free_pgtables) alone"):
        run("7.2", line)


def test_unknown_omission():
    """The model says what it can leave out."""
    with pytest.raises(
        Undecided, match="what follows when free_pgtables is left out, only flush_tlb_mm_range"
    ):
        run("7.2", "skip free_pgtables: munmap a[0:4]")


@for_each(
    "line",
    [
        "hold flush_tlb_mm_range return: mlockall",
        "skip flush_tlb_mm_range: mlockall",
        "skip flush_tlb_mm_range: hold tlb_finish_mmu: mlockall",
        f"{HOLD}\nc: mlockall",
    ],
)
def test_the_flushes_of_mlockall_are_unknown(line: str):
    """S5.10.1: the program's own pages are copied and flushed, so nothing is said where a flush matters."""
    end = "release\n" if "hold" in line else ""
    program = parse(f"{SETUP}{line}\n{end}".replace("s = thread", "c = fork").replace("s: ", "c: "))

    (run,) = ModelMachine("7.2").run([program])

    assert run.undecided is not None and "the program's own memory" in run.undecided
    assert Why.NO_RULE is run.why


@every_series
def test_mlockall_waits_as_any_writer(series: str):
    """Before it fills anything it needs mmap_lock, which the held mremap has."""
    hold = "hold move_page_tables: mremap a[0:2] 2 pages maymove fixed over a[6:8]"
    _, waits, _ = run(series, hold, "t: mlockall", "release")

    assert ("waits", "mmap_lock") == said(waits)


#: A program of one task.
LONE = "pfnlab program 1\ndevice bar: pci, 16 pages\na = mmap bar[0:4] wc shared rw\n"


@for_each(
    ("line", "what"),
    [
        ("madvise a collapse", "madvise collapse"),
        ("mremap a 4 pages maymove dontunmap", "mremap dontunmap"),
        ("hold flush_tlb_mm_range: munmap a\nrelease", "the order of waiting while an operation is held"),
    ],
)
def test_what_nobody_knows_of_5_15(line: str, what: str) -> None:
    """One clear line, and 6.1 answers."""
    program = load_text(f"{LONE}{line}\n")

    with pytest.raises(Undecided, match=f"^no 5.15 kernel was tested for {what}: 6.1 is the oldest"):
        refuse_unknown(program, "5.15")
    refuse_unknown(program, "6.1")


def test_no_device_of_vfio_comes_or_goes() -> None:
    """On no kernel: the kernel waits for its users."""
    program = load_text(f"{LONE}remove bar\nb = mmap bar[0:4] vfio shared rw\n")

    with pytest.raises(Undecided, match="while vfio-pci has users"):
        refuse_unknown(program, "7.3")


def test_a_refused_program_is_undecided() -> None:
    """The run says why, and that the profile is a guess."""
    run = ModelMachine("5.15").run([load_text(f"{LONE}madvise a collapse\n")])[0]

    assert run.undecided is not None
    assert "not confirmed on a kernel" in run.kernel


def test_what_is_known_runs() -> None:
    """The tracking itself is in the catalogue."""
    assert ModelMachine("5.10").run([load_text(f"{LONE}munmap a[0]\n")])[0].undecided is None


@every_series
@for_each("function", ["unmap_vmas", "free_pgtables"])
def test_a_refused_mmap_is_held_where_it_unmaps(series: str, function: str):
    """An mmap that the driver refuses unmaps what it has, as munmap does, and can be held there."""
    held, released = run(series, f"hold {function}: b = mmap bar[0] driver refuse shared rw", "release")

    assert [("held", None), ("ok", "main ENXIO")] == [said(held), said(released)]


@for_each(("series", "decided"), [("6.1", False), ("6.12", False), ("6.16", True), ("7.3", True)])
@for_each("held", ["hold unmap_vmas: munmap a[4:8]", "hold rmap_add: c = fork"])
def test_two_may_ask_for_vm_pat_at_once(series: str, decided: bool, held: str) -> None:
    """A revocation goes on beside one that untracks or copies a VMA: each may see its flag (S8.2.10)."""
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 8 pages\na = mmap bar[0:8] wc shared rw\nread a[4]\n"
        f"t = thread\n{held}\nt: request_mem_region bar[0:8]\nrelease\n"
    )

    (run,) = ModelMachine(series).run([program])

    assert (run.undecided is None) == decided


@for_each(("series", "decided"), [("6.1", False), ("6.12", False), ("6.16", True), ("7.3", True)])
def test_a_reader_that_gets_a_lock_may_go_on_before_the_writer(series: str, decided: bool) -> None:
    """A revocation beside an munmap that cuts twice: where a zap untracks, who is first matters (S8.2.10)."""
    program = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 6 pages\na = mmap bar[0:6] wc shared rw\nt = thread\n"
        "hold rmap_add: munmap a[4]\nt: request_mem_region bar[3:5]\nrelease\n"
    )

    (run,) = ModelMachine(series).run([program])

    assert (run.undecided is None) == decided


class TestTwoHolds:
    """Two processors that are held at once (S8.5)."""

    @every_series
    def test_each_goes_on_by_its_name(self, series: str):
        """A release tells who stands still, and who has ended."""
        hold = "hold flush_tlb_mm_range: c: munmap a[4:8]"
        *_, second, first, last = run(series, "c = fork", HOLD, hold, "release c", "release main")

        assert ("held", None) == said(second)
        assert [("ok", "main held; c ok"), ("ok", "main ok")] == [said(first), said(last)]

    @every_series
    def test_nothing_is_counted_at_a_release(self, series: str):
        """The order of operations that go on is nobody's, and no VMAs are looked at while one is held."""
        *_, first, read, _ = run(
            series, "c = fork", HOLD, "hold unlink: c: munmap a[4:8]", "release c", "c: read a[0]", "release"
        )

        assert (None, None) == (first.vmas, first.flushes)
        assert (None, 0) == (read.vmas, read.flushes)

    @every_series
    def test_who_waits_is_held_where_it_gets_to(self, series: str):
        """The second munmap needs the lock that the first has."""
        lines = ("hold unmap_vmas: munmap a[0:4]", "hold unmap_vmas: t: munmap a[4:8]")
        _, waits, first, last = run(series, *lines, "release main", "release")

        assert ("waits", "mmap_lock") == said(waits)
        assert [("ok", "main ok; t held"), ("ok", "t ok")] == [said(first), said(last)]

    @every_series
    def test_who_waits_is_held_no_more_once_it_is_released(self, series: str):
        """It has not come to its place, and passes there."""
        lines = ("hold unmap_vmas: munmap a[0:4]", "hold unmap_vmas: t: munmap a[4:8]")
        *_, early, last = run(series, *lines, "release t", "release main")

        assert [("ok", None), ("ok", "main ok; t ok")] == [said(early), said(last)]

    @every_series
    def test_a_release_waits_for_the_other(self, series: str):
        """Its flush needs an answer of the processor that is still held."""
        lines = (HOLD, "hold vmf_insert_pfn_prot: t: read f[0]", "release main", "release t")
        *_, first, last = run(series, "f = mmap bar[8:12] driver fault wc shared rw", *lines)

        assert [("ok", "main waits IPI; t held"), ("ok", "main ok; t ok 0")] == [said(first), said(last)]

    def test_what_an_idle_processor_remembers_is_undecided(self):
        """The one flush may have made it forget the pages that the other has cleared (S8.3.8)."""
        lines = (
            "hold unmap_vmas: munmap a[0:4]",
            "hold flush_tlb_mm_range: t: munmap a[4:8]",
            "release main",
        )
        with pytest.raises(Undecided, match="that was idle at a flush forgets other pages too"):
            run("7.2", "s: read a[4]", *lines, "s: read a[4]", "release")

    def test_the_end_of_a_killed_process_beside_another_is_undecided(self):
        """It may wait for the one that is still held (S8.5.4)."""
        lines = (HOLD, "hold free_pgtables: c: munmap a[4:8]", "s: process_mrelease c killed", "release c")
        with pytest.raises(Undecided, match="no rule for the end of a killed process while another"):
            run("7.2", "c = fork", *lines, "release main")

    def test_the_end_of_a_process_whose_thread_waits_is_undecided(self):
        """A task that was released may wait for the other, and is not held by then (S8.5.4)."""
        holds = ("hold unmap_vmas: munmap a[0:4]", "hold rmap_del: c: munmap a[0:4]")
        with pytest.raises(Undecided, match="no rule for a process that ends while one of its threads waits"):
            run("7.2", "c = fork", *holds, "release main", "t: exit", "release c")

    def test_the_order_of_two_writers_is_undecided(self):
        """The mapping of the one is what the other takes away."""
        lines = (
            "hold change_protection: mprotect a[4:8] r",
            "t: b = mmap bar[8:12] wc shared rw",
            "s: munmap b",
        )
        with pytest.raises(Undecided, match="which of two waiters for the same lock continues first"):
            run("7.2", *lines, "release")

    def test_mlockall_beside_another_is_undecided_where_it_went_on(self):
        """S5.10.1: its flushes are unknown, and one may wait for the processor that is held."""
        holds = ("hold memtype_reserve: b = mmap bar[8:12] wc shared rw", "hold pfnlab_fault: c: read f[0]")
        with pytest.raises(Undecided, match="the program's own memory"):
            run("7.2", "f = mmap bar[12:16] driver fault wc shared rw", "c = fork", *holds, "t: mlockall",
                "release main", "release c")  # fmt: skip


@for_each(("series", "result"), [("6.1", "waits"), ("6.16", "waits"), ("6.17", "EINVAL"), ("7.3", "EINVAL")])
def test_a_place_over_the_source_is_refused_without_the_lock(series: str, result: str):
    """S5.8.6: from 6.17 on."""
    overlapping = "t: mremap a[0:4] 4 pages maymove fixed over a[2:6]"
    _, refused, _ = run(series, "hold change_protection: mprotect a[4:8] r", overlapping, "release")

    assert result == refused.result


@every_series
def test_a_table_that_was_filled_again_stays(series: str) -> None:
    """Advice that waits for the lock of a later table has let go of those before it (S5.9.11)."""
    lines = (
        *("x = mmap anon[0:1024] private rw", "b = mmap bar[8:12] wc shared rw"),
        *("write x[0] 1", "write x[600] 1", "c = fork", "u = thread"),
        "hold unmap_vmas: munmap b",
        "t: write x[600] 2",
        "s: madvise x dontneed",
        "u: write x[3] 5",
        "release",
    )

    # The invariants hold in the order that is looked at first; the machine decides between the orders.
    with pytest.raises(Undecided, match="continues before its last owner"):
        run(series, *lines)


@every_series
@for_each(("word", "decided"), [("", True), (" locked", False), (" populate", False)])
def test_who_fills_memory_fills_what_is_mapped_by_then(series: str, word: str, decided: bool) -> None:
    """The lock is given back before, and who waited for it may be first (S5.10.1a)."""
    lines = (
        f"hold memtype_reserve: c = mmap bar[8:12] uc private rw{word}",
        "t: mmap anon[0:2] private rw over c[2:4]",
        "release",
    )
    program = parse(SETUP + "".join(f"{line}\n" for line in lines))

    undecided = ModelMachine(series).run([program])[0].undecided

    assert decided == (undecided is None)
