"""S9.10: the buffer of perf_event_open, which is RAM, mapped as frames from 6.14 on and as pages before."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import entries, every_series, last, run, run_to_end, spans

from pfnlab.base.errors import Undecided, Why
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

MAPPED = "p = mmap perf[0:3] shared rw"

#: The newest kernel whose faults map pages, and the oldest of the archive whose mmap maps frames.
AHEAD_OR_NOT = ["6.12", "6.16"]


def flags(step: Step) -> set[str]:
    """The flags of the one VMA after a step."""
    (vma,) = step.vmas or ()
    return set(vma.flags.split())


def on_version(version: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program on the model of an exact kernel."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 4 pages", *ops, ""))
    return ModelMachine(version).run_one(load_text(text), check=True).steps


@for_each(("pages", "result"), [(1, "ok"), (2, "ok"), (3, "ok"), (4, "EINVAL"), (5, "ok"), (6, "EINVAL")])
@for_each("series", AHEAD_OR_NOT)
def test_there_is_a_page_and_a_power_of_two(series: str, pages: int, result: str) -> None:
    """The pages of data are a power of two, or none."""
    assert result == last(series, f"p = mmap perf[0:{pages}] shared rw")[0]


@every_series
def test_it_is_shared(series: str) -> None:
    """A private mapping is refused."""
    assert "EINVAL" == last(series, "p = mmap perf[0:3] private rw")[0]


@for_each(("series", "result"), [("6.1", "ok"), ("6.12", "ok"), ("6.16", "EPERM"), ("7.3", "EPERM")])
def test_it_is_of_a_file_system_without_execution_from_6_16_on(series: str, result: str) -> None:
    """As all files without a name are."""
    assert result == last(series, "p = mmap perf[0:3] shared rx")[0]


@for_each("series", AHEAD_OR_NOT)
def test_pages_are_mapped_ahead_from_6_14_on(series: str) -> None:
    """As frames, which are no pages to anybody; before, mmap maps nothing."""
    (step,) = run(series, MAPPED)

    ahead = series == "6.16"
    assert ahead == ({"pf", "io"} <= flags(step))
    assert [("p[0:3]", "L1 WB P RO US SPECIAL A")] * ahead == entries(step)


@every_series
def test_nothing_of_it_is_booked(series: str) -> None:
    """RAM never is."""
    assert not any(step.book for step in run_to_end(series, MAPPED, "write p[0] 7", "munmap p"))


@for_each(("pages", "tracked"), [(1, ("phys x1 p[0:1]",)), (3, ())])
def test_one_page_is_tracked_as_a_mapping_as_a_whole(pages: int, tracked: tuple[str, ...]) -> None:
    """A remap of each page of more is one of a part."""
    (step,) = run("7.3", f"p = mmap perf[0:{pages}] shared rw")

    assert tracked == step.tracked


@every_series
def test_the_first_page_may_be_written(series: str) -> None:
    """And no other; the entry of the other stays."""
    _, _, first, second = run(series, MAPPED, "read p[1]", "write p[0] 7", "write p[1] 7")

    assert ("ok", "EFAULT", "SIGBUS code=2") == (first.result, second.result, second.value)
    assert entries(first) == entries(second)


@every_series
def test_no_content_is_reported(series: str) -> None:
    """What is there the kernel says of the event, and the machine decides it."""
    assert ("ok", None) == last(series, MAPPED, "write p[0] 7", "read p[0]")


@for_each(
    "call",
    [
        *("munmap p[0]", "munmap p[1]", "mprotect p[0:2] r", "madvise p[2] random", "mremap p 2 pages"),
        "q = mremap p[0:2] 2 pages maymove fixed",
    ],
)
@every_series
def test_nobody_cuts_it(series: str, call: str) -> None:
    """Whatever would."""
    step = run(series, MAPPED, call)[-1]

    assert ("EINVAL", ["p[0:3]"]) == (step.result, spans(step))


@for_each(("series", "result"), [("6.1", "ENOMEM"), ("6.12", "EINVAL"), ("7.3", "EINVAL")])
def test_nothing_is_mapped_over_a_part(series: str, result: str) -> None:
    """The oldest kernels say ENOMEM where the way cannot be cleared."""
    step = run(series, MAPPED, "mmap bar[0:1] wc shared rw over p[1]")[-1]

    assert (result, ["p[0:3]"]) == (step.result, spans(step))


@for_each("call", ["munmap p", "mprotect p r", "madvise p random", "q = mremap p 3 pages maymove fixed"])
@every_series
def test_the_whole_may_go_change_and_move(series: str, call: str) -> None:
    """It is not cut then."""
    assert "ok" == last(series, MAPPED, call)[0]


@for_each(
    ("version", "result"), [("6.12.41", "ok"), ("6.12.42", "EINVAL"), ("6.15.9", "ok"), ("6.15.10", "EINVAL")]
)
def test_it_was_cut_before_the_repair(version: str, result: str) -> None:
    """b024d7b56c77 came to the stable series at once."""
    assert result == on_version(version, MAPPED, "munmap p[0]")[1].result


@for_each("call", ["mremap p 4 pages", "q = mremap p[0:0] 3 pages maymove fixed"])
@every_series
def test_it_does_not_grow(series: str, call: str) -> None:
    """VM_DONTEXPAND, also for a second mapping by an old length of 0."""
    assert "EFAULT" == last(series, MAPPED, call)[0]


@every_series
def test_no_child_has_it(series: str) -> None:
    """VM_DONTCOPY."""
    assert ("EFAULT", "SIGSEGV code=1") == last(series, MAPPED, "c = fork", "c: read p[0]")


@for_each(("series", "result"), [("6.1", "ok"), ("6.12", "ok"), ("6.16", "EINVAL"), ("7.3", "EINVAL")])
def test_a_parent_may_ask_for_it_where_it_is_no_pfn_mapping(series: str, result: str) -> None:
    """VM_IO refuses the advice."""
    assert result == last(series, MAPPED, "madvise p dofork")[0]


def test_a_child_faults_the_same_pages_in() -> None:
    """Its entries are not copied, because a fault brings them back."""
    steps = run(
        "6.12", MAPPED, "write p[0] 7", "madvise p dofork", "c = fork", "c: read p[0]", "c: pagemap p"
    )

    assert [] == [seen for seen in steps[3].ptes or () if seen.task == "c" and seen.target]
    assert "present+file+soft-dirty soft-dirty soft-dirty" == steps[-1].value


@for_each(
    ("call", "before", "since"),
    [
        ("process_vm_readv p[0]", "ok", "EFAULT"),
        ("mem_read p[0]", "ok", "EIO"),
        ("vmsplice p[0]", "ok", "EFAULT"),
        ("futex_wake p[0]", "ok", "EFAULT"),
        ("madvise p dontneed", "ok", "EINVAL"),
        ("madvise p populate_read", "ok", "EINVAL"),
        ("pipe_write p[0]", "ok", "ok"),
    ],
)
@for_each("series", AHEAD_OR_NOT)
def test_frames_are_no_pages_to_the_kernel(series: str, call: str, before: str, since: str) -> None:
    """Where faults map pages, they are ordinary ones of a file."""
    expected = before if series == "6.12" else since
    assert expected == last(series, MAPPED, "write p[0] 7", call)[0]


def test_dropped_pages_come_back() -> None:
    """As the same pages, by a fault."""
    steps = run("6.12", MAPPED, "write p[0] 7", "madvise p dontneed", "read p[0]")

    assert [[], [("p[0:1]", "L1 WB P RO US A")]] == [entries(step) for step in steps[2:]]


def test_who_locks_more_pages_depends_on_the_processors() -> None:
    """No model has a rule for that."""
    with pytest.raises(Undecided, match="129"):
        run("7.3", "p = mmap perf[0:65] shared rw", "q = mmap perf[0:65] shared rw")


def test_an_event_is_not_opened_beside_a_held_processor() -> None:
    """Code is patched for it, of which that one does not hear (S9.10.8)."""
    held = ("a = mmap bar[0:4] wc shared rw", "t = thread", "hold unmap_vmas: munmap a")

    with pytest.raises(Undecided, match="while a processor is held"):
        run("7.3", *held, f"t: {MAPPED}", "release")


def test_an_event_is_not_opened_by_who_is_to_be_held_at_a_flush() -> None:
    """The patching has flushes of its own, where it is the first event."""
    with pytest.raises(Undecided, match="whether it is the first"):
        run("7.3", f"hold flush_tlb_mm_range: {MAPPED}", "release")


def test_remap_file_pages_has_no_rule() -> None:
    """Its offset would be one in the buffer."""
    with pytest.raises(Undecided, match="buffer of perf"):
        run("7.3", MAPPED, "remap_file_pages p[0:1] bar[0:1] wc")


def test_a_page_that_a_fault_refuses_is_tried_again() -> None:
    """process_vm_writev copies to the pages in front of it, and asks for the rest anew."""
    step = run("6.1", MAPPED, "process_vm_writev p[0] 1 at 4092 8 bytes")[-1]

    faults = [event for event in step.events or () if event.startswith("fault")]
    assert ("4 bytes", ["fault p[0]", "fault p[1]", "fault p[1]"]) == (step.value, faults)


@for_each("version", ["6.17", "6.18.16", "6.19.6", "7.1", "7.3"])
def test_a_buffer_without_a_page_table_is_not_mapped(version: str) -> None:
    """What was mapped of it is removed."""
    assert "ENOMEM" == on_version(version, f"fail __pte_alloc 1: {MAPPED}")[0].result


@for_each("version", ["6.18.17", "6.19.7", "7.0"])
def test_a_buffer_without_a_page_table_waits_for_itself(version: str) -> None:
    """F25: from 77de62ad3de3 to c69df06e4e26 no kernel survives it."""
    head = "pfnlab program 1\ndevice bar: pci, 4 pages\n"

    with pytest.raises(Undecided) as end:
        ModelMachine(version).run_one(load_text(f"{head}fail __pte_alloc 1: {MAPPED}\n"))

    assert Why.NO_END is end.value.kind
