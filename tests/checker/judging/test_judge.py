"""Runs are judged: right ones break nothing, known breaks are explained, each property notices its defect."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from configurations import config_text
from for_each import for_each
from litmus_files import litmus_file

from pfnlab.checker.judging.judge import violations
from pfnlab.kernel.mm.configuration import DISTRIBUTION
from pfnlab.programs.lang.areas import FIRST_AREA_PAGE
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import (
    PHYSICAL,
    BookEntry,
    MemoryFault,
    MemoryObservation,
    NotifierRecord,
    PageData,
    PteSeen,
    Run,
    Step,
)
from pfnlab.programs.runs.pte_text import RAM

HEAD = """pfnlab program 1
title t
device bar: pci, 1024 pages
device low: lowmem, 4 pages
area a: 1024 pages
"""
LITMUS = sorted((Path(__file__).parents[3] / "litmus").rglob("*.pfn"))


def run(text: str, spec: str = "7.2") -> tuple[Program, Run]:
    """The model's run of a program, with flushes counted as memory shows them."""
    program = load_text(HEAD + text)
    (found,) = ModelMachine(spec, LookLevel.MEMORY).run([program])
    assert found.unfinished is None, found.unfinished
    memory = tuple(MemoryObservation({"main": (1, number)}) for number in range(len(found.steps)))
    return program, msgspec.structs.replace(found, memory=memory)


def changed(found: Run, at: int, change: Callable[[Step], Step]) -> Run:
    """The run with one step changed."""
    steps = list(found.steps)
    steps[at] = change(steps[at])
    return msgspec.structs.replace(found, steps=tuple(steps))


def broken(program: Program, found: Run, series: str | None = "7.2") -> list[tuple[str, int]]:
    """The properties broken, with their steps."""
    return [violation.place for violation in violations(program, found, series)]


def retarget(shift: int) -> Callable[[Step], Step]:
    """Every entry shows other frames than it did."""

    def change(step: Step) -> Step:
        ptes = tuple(
            msgspec.structs.replace(
                run, target=Span(run.target.name, run.target.start + shift, run.target.end + shift)
            )
            if run.target is not None
            else run
            for run in step.ptes or ()
        )
        return msgspec.structs.replace(step, ptes=ptes)

    return change


MAPPED = "a = mmap bar[0:8] wc shared rw\nlook\n"


def test_a_right_run_breaks_nothing() -> None:
    """Map, look, end."""
    assert broken(*run(MAPPED)) == []


def test_an_entry_of_another_frame_is_noticed() -> None:
    """The frames are not those of the VMA's offset; the book does not have the last one either."""
    program, found = run(MAPPED)
    assert ("entries_inside", 1) in broken(program, changed(found, 1, retarget(1)))


def test_an_entry_without_a_vma_is_noticed() -> None:
    """The VMA is gone, and the entries are there."""
    program, found = run(MAPPED)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, vmas=()))
    assert ("entries_inside", 1) in broken(program, wrong)


def test_a_leaf_that_does_not_fit_is_noticed() -> None:
    """The VMA ends in the middle of a leaf."""
    program, found = run("a = mmap bar[0:600] driver fault_pmd shared rw\nread a[0]\n")
    assert any(run.entry.startswith("L2") for run in found.steps[1].ptes or ())

    def shorten(step: Step) -> Step:
        vmas = tuple(msgspec.structs.replace(vma, start=0, end=300) for vma in step.vmas or ())
        return msgspec.structs.replace(step, vmas=vmas)

    assert ("leaves_fit", 1) in broken(program, changed(found, 1, shorten))


def test_an_entry_that_stays_after_unmap_mapping_range_is_noticed() -> None:
    """The entries are those of the step before."""
    program, found = run("a = mmap bar[0:8] driver remap wc shared rw\nunmap_mapping_range bar[2:4]\n")
    before = found.steps[0].ptes
    assert ("told_free", 1) not in broken(program, found)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, ptes=before))
    assert ("told_free", 1) in broken(program, wrong)


def test_memory_reached_through_no_entry_is_noticed() -> None:
    """A read succeeds, and there is no entry."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nread a[0]\n")
    none = (PteSeen("main", "a", 0, 1024, None, "none@L1"),)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, ptes=none))
    assert ("reached", 1) in broken(program, wrong)


@for_each(("look", "noticed"), [(LookLevel.MEMORY, True), (LookLevel.PROC, False)])
def test_a_leaf_that_looking_drops_is_missed_only_where_nothing_drops_it(
    look: LookLevel, noticed: bool
) -> None:
    """Behind a read through it: with /proc, smaps was read since."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nread a[0]\n")
    none = (PteSeen("main", "a", 0, 1024, None, "none@L3"),)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, ptes=none))
    places = broken(program, msgspec.structs.replace(wrong, look=look))
    assert (("reached", 1) in places) == noticed


@for_each("call", ["munmap a[2:4]", "mprotect a r"])
def test_an_entry_that_goes_without_a_flush_is_noticed(call: str) -> None:
    """The generation of the address space stays as it was."""
    program, found = run(f"a = mmap bar[0:8] wc shared rw\nread a[2]\n{call}\n")
    assert ("flushed", 2) not in broken(program, found)
    still = msgspec.structs.replace(found, memory=(MemoryObservation({"main": (1, 5)}),) * len(found.steps))
    assert ("flushed", 2) in broken(program, still)


COPY = "mmap bar[0:4] wc private rw over a[0:4]\nwrite a[2] 1\nread a[2]\n"


@for_each(("pfn", "noticed"), [(7, False), (8, True)])
def test_another_page_of_ram_without_a_flush_is_noticed(pfn: int, noticed: bool) -> None:
    """In entries both are RAM; the frames of the pages tell them apart."""
    program, found = run(COPY)
    pages = [(PageData("main", "a", 2, number, 1),) for number in (7, 7, pfn, pfn)]
    memory = tuple(MemoryObservation({"main": (1, 5)}, pages=page) for page in pages)

    places = broken(program, msgspec.structs.replace(found, memory=memory))

    assert (("flushed", 2) in places) == noticed


def test_a_copy_of_the_zero_page_without_a_flush_is_noticed() -> None:
    """Its entry is special, and that of a page is not; nobody read what the pages hold."""
    program, found = run("mmap anon[0:4] private rw over a[0:4]\nread a[2]\nwrite a[2] 1\n")
    assert ("flushed", 2) not in broken(program, found)
    still = msgspec.structs.replace(found, memory=(MemoryObservation({"main": (1, 5)}),) * len(found.steps))

    assert ("flushed", 2) in broken(program, still)


def test_pages_in_place_of_others_without_a_notifier_are_noticed() -> None:
    """As of flushes: another page of RAM is another frame."""
    program, found = run(COPY)
    pages = [(PageData("main", "a", 2, number, 1),) for number in (7, 7, 8, 8)]
    told = {"main": NotifierRecord(0, ())}
    memory = tuple(
        MemoryObservation({"main": (1, n)}, pages=page, notifiers=told) for n, page in enumerate(pages)
    )

    assert ("notified", 2) in broken(program, msgspec.structs.replace(found, memory=memory))


def notified(
    ranges: list[list[tuple[int, int]]], spaces: list[int] | None = None
) -> tuple[MemoryObservation, ...]:
    """Of each step what memory shows: the ranges told of in it, all of one area, and the address space."""
    start = FIRST_AREA_PAGE
    told = [(start + first, start + end) for step in ranges for first, end in step]
    counts = [sum(map(len, ranges[: number + 1])) for number in range(len(ranges))]
    return tuple(
        MemoryObservation(
            {"main": (space, count)}, notifiers={"main": NotifierRecord(count, tuple(told[:count]))}
        )
        for count, space in zip(counts, spaces or [1] * len(ranges), strict=True)
    )


@for_each(
    ("ranges", "spaces", "noticed"),
    [
        ([(2, 4)], [1, 1, 1, 1], False),
        ([(2, 3), (3, 4)], [1, 1, 1, 1], False),
        ([(0, 1024)], [1, 1, 1, 1], False),
        ([], [1, 1, 1, 1], True),
        ([(2, 3)], [1, 1, 1, 1], True),
        ([(3, 4)], [1, 1, 1, 1], True),
        ([], [1, 1, 2, 2], False),
    ],
    ids=["all", "pieces", "more", "nothing", "the first", "the last", "another address space"],
)
def test_an_entry_that_goes_is_told_to_the_notifier(
    ranges: list[tuple[int, int]], spaces: list[int], noticed: bool
) -> None:
    """Every page of it; not where the task has another address space by then."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nread a[2]\nmunmap a[2:4]\n")
    memory = notified([[], [], ranges, []], spaces)
    places = broken(program, msgspec.structs.replace(found, memory=memory))
    assert (("notified", 2) in places) == noticed


def test_more_ranges_than_are_kept_are_not_judged() -> None:
    """The one that counts may be among those overwritten."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nread a[2]\nmunmap a[2:4]\n")
    memory = list(notified([[], [], [(9, 10)] * 2, []]))
    some = NotifierRecord(2, memory[2].notifiers["main"].ranges[1:])
    lost = msgspec.structs.replace(memory[2], notifiers={"main": some})
    assert ("notified", 2) in broken(program, msgspec.structs.replace(found, memory=tuple(memory)))
    memory[2] = lost
    assert ("notified", 2) not in broken(program, msgspec.structs.replace(found, memory=tuple(memory)))


@for_each("hold", ["", "hold unmap_vmas: "])
def test_two_looks_that_disagree_are_noticed(hold: str) -> None:
    """Also while a processor is held, when structures are not judged."""
    program, found = run(f"a = mmap bar[0:8] wc shared rw\n{hold}munmap a\n{'release' if hold else 'look'}\n")
    faults = (MemoryFault("looks_agree", "they disagree"), MemoryFault("vma_order", "they are not in order"))
    memory = (found.memory[0], msgspec.structs.replace(found.memory[1], faults=faults), *found.memory[2:])
    places = broken(program, msgspec.structs.replace(found, memory=memory))
    assert ("looks_agree", 1) in places
    assert (("vma_order", 1) in places) == (not hold)


def test_a_run_that_was_lost_is_judged_as_far_as_memory_was_seen() -> None:
    """The steps behind have entries, and no generation."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nread a[2]\nmunmap a[2:4]\nmunmap a\n")
    assert broken(program, msgspec.structs.replace(found, memory=found.memory[:2])) == []


def test_another_address_space_needs_no_flush() -> None:
    """After exec the task has a new one."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nexec\n")
    spaces = tuple(MemoryObservation({"main": (number, 5)}) for number in range(len(found.steps)))
    assert broken(program, msgspec.structs.replace(found, memory=spaces)) == []


@pytest.mark.parametrize("name", ["areas_left", "resources_left"])
def test_a_thing_that_is_left_is_noticed(name: str) -> None:
    """Also where the program had asked the driver for one: that has been given back by then."""
    program, found = run("ioremap bar[0:2] wc\nrequest_mem_region bar[4]\n")
    memory = (*found.memory[:-1], MemoryObservation({}, (MemoryFault(name, "one"),)))
    found = msgspec.structs.replace(found, memory=memory)

    assert (name, 2) in broken(program, found)


def test_a_claim_that_waited_is_one_when_it_is_released() -> None:
    """What is reserved for others by then is asked for in the step of the release."""
    program, found = run(
        "a = mmap bar[0] wc shared rw\nt = fork\n"
        "hold unmap_vmas: munmap a\nt: request_mem_region bar[0]\nrelease\n"
    )

    assert ("claimed_free", 4) in broken(program, found)


def showing(offset: Span, target: Span) -> Callable[[Step], Step]:
    """The only mapping has that offset, its entries show that, and nothing is reserved."""

    def change(step: Step) -> Step:
        vmas = tuple(msgspec.structs.replace(vma, offset=offset) for vma in step.vmas or ())
        ptes = tuple(
            msgspec.structs.replace(run, target=target if run.target is not None else None)
            for run in step.ptes or ()
        )
        return msgspec.structs.replace(step, vmas=vmas, ptes=ptes, book=())

    return change


@pytest.mark.parametrize(("offset", "noticed"), [(Span(PHYSICAL, 4, 8), False), (Span("bar", 4, 8), True)])
def test_memory_at_a_physical_address_may_be_ram(offset: Span, noticed: bool) -> None:
    """remap_file_pages leads /dev/mem to any address, and what lies outside of the devices may be RAM."""
    program, found = run("a = mmap bar[0:4] devmem shared rw\n")

    places = broken(program, changed(found, 0, showing(offset, RAM)))

    assert noticed == (("entries_inside", 0) in places)


@pytest.mark.parametrize(("first", "noticed"), [(1020, True), (1022, True), (1024, False)])
def test_nobody_knows_what_is_reserved_behind_a_device(first: int, noticed: bool) -> None:
    """The book of a run has what meets a device of the program."""
    program, found = run("a = mmap bar[0:4] wc shared rw\n")
    shown = Span("bar", first, first + 4)

    places = broken(program, changed(found, 0, showing(shown, shown)))

    assert noticed == (("no_loss", 0) in places)


def wc_in_the_book(step: Step) -> Step:
    """The book has write-combining pages."""
    return msgspec.structs.replace(step, book=(BookEntry("bar", 0, 2, "wc"),))


@pytest.mark.parametrize("call", ["a = mmap bar[0:2] uc shared rw", "ioremap bar[0:2] uc-"])
def test_a_mode_that_nobody_asked_for_is_noticed(call: str) -> None:
    """Uncached pages are asked for, and the book has write-combining ones."""
    program, found = run(f"look\n{call}\n")

    assert ("mode_asked", 1) in broken(program, changed(found, 1, wc_in_the_book))


def test_a_mode_that_is_there_already_is_taken() -> None:
    """A mapping of write-combining pages is there, so another one has that mode."""
    assert broken(*run("a = mmap bar[0:2] wc shared rw\nb = mmap bar[0:2] uc shared rw\n")) == []


def test_a_failed_fork_that_changes_the_book_is_noticed() -> None:
    """An entry of the book is gone."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nc = fork set_tid\n")
    assert broken(program, found) == []
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, book=()))
    assert ("fork_whole", 1) in broken(program, wrong)


def test_a_fork_that_fails_for_no_reason_is_noticed() -> None:
    """Nothing in the program makes it fail."""
    program, found = run("a = mmap bar[0:4] wc shared rw\nc = fork\nread a[0]\n")

    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, result="ENOMEM"))

    assert ("fork_works", 1) in broken(program, wrong)


def test_a_fork_that_is_made_to_fail_is_not_blamed() -> None:
    """Of a page table that cannot be had."""
    program, found = run("a = mmap bar[0:4] wc shared rw\nfail __pte_alloc 1: c = fork\n")

    assert "ENOMEM" == found.steps[1].result
    assert ("fork_works", 1) not in broken(program, found)


def _read_only(step: Step) -> Step:
    """The step with the entries of main made read-only."""
    ptes = tuple(
        msgspec.structs.replace(pte, entry=pte.entry.replace("RW", "RO")) if pte.task == "main" else pte
        for pte in step.ptes or ()
    )
    return msgspec.structs.replace(step, ptes=ptes)


@for_each(("sharing", "expected"), [("shared", True), ("private", False)])
def test_a_fork_that_changes_the_parent_is_noticed(sharing: str, expected: bool) -> None:
    """Entries of private mappings are to be read-only, those of shared ones stay."""
    program, found = run(f"a = mmap bar[0:4] wc {sharing} rw\nread a[0]\nc = fork\n")

    wrong = changed(found, 2, _read_only)

    assert expected == (("fork_keeps_parent", 2) in broken(program, wrong))


def test_an_entry_in_another_mode_than_its_reservation_is_noticed() -> None:
    """The book has it write-combining, the entry is uncached."""
    program, found = run("a = mmap bar[0:4] wc shared rw\n")

    wrong = changed(
        found,
        0,
        lambda step: msgspec.structs.replace(
            step,
            ptes=tuple(
                msgspec.structs.replace(pte, entry=pte.entry.replace("WC", "UC-")) for pte in step.ptes or ()
            ),
        ),
    )

    assert ("booked_mode", 0) in broken(program, wrong)


def test_a_failed_fork_that_changes_the_order_of_the_book_has_changed_nothing() -> None:
    """Reservations with one start stand as they came, and the copy of one may take the other back."""
    program, found = run("a = mmap bar[0:4] wc shared rw\nb = mmap bar[0:8] wc shared rw\nc = fork set_tid\n")
    turned = changed(found, 2, lambda step: msgspec.structs.replace(step, book=(step.book or ())[::-1]))

    assert found.steps[2].book != turned.steps[2].book
    assert ("fork_whole", 2) not in broken(program, turned)


@for_each("call", ["pagemap a[0:4]", "mincore a[0:4]", "status", "smaps a"])
def test_a_look_that_changes_entries_is_noticed(call: str) -> None:
    """An entry is gone behind it."""
    program, found = run(f"a = mmap bar[0:8] wc shared rw\n{call}\n")
    assert ("looks_only", 1) not in broken(program, found)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, ptes=()))
    assert ("looks_only", 1) in broken(program, wrong)


def test_a_look_that_drops_a_leaf_of_a_gibibyte_is_known() -> None:
    """Reading smaps does."""
    text = "device big: pci, 1 GiB\na = mmap big[0:262144] driver fault_pud shared rw\nread a[0]\nsmaps a\n"
    program = load_text(f"pfnlab program 1\ntitle t\n{text}")
    (found,) = ModelMachine("7.2", LookLevel.MEMORY).run([program])
    (violation,) = violations(program, found, "7.2")
    assert (violation.place, violation.known.partition(":")[0]) == (("looks_only", 2), "S7.5.3")


def test_a_reservation_without_a_mapping_is_noticed() -> None:
    """The book keeps what nobody maps: on kernels without a reason for it nobody knows why."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nmunmap a\n")
    left = (BookEntry("bar", 0, 8, "wc"),)
    wrong = changed(found, 1, lambda step: msgspec.structs.replace(step, book=left))
    (violation,) = violations(program, wrong, "7.2")
    assert (violation.place, violation.known) == (("no_leak", 1), None)


def test_low_memory_that_stays_changed_is_noticed() -> None:
    """The direct map is as no mapping wants it any more, which the model does not do here."""
    program, found = run("a = mmap low[0:2] devmem shared r\nmunmap a\nlook\n")
    assert broken(program, found) == []
    wrong = changed(found, 2, lambda step: msgspec.structs.replace(step, direct_map=("low[0:2] UC-",)))
    (violation,) = violations(program, wrong, "7.2")
    assert (violation.place, violation.known) == (("direct_map_back", 2), None)


def test_a_fault_in_memory_is_handed_on() -> None:
    """What the lens found wrong is a violation with that name."""
    program, found = run(MAPPED)
    memory = (
        MemoryObservation(),
        MemoryObservation(faults=(MemoryFault("tables_counted", "one too many"),)),
        MemoryObservation(),
    )
    (violation,) = violations(program, msgspec.structs.replace(found, memory=memory), "7.2")
    assert (violation.place, violation.says) == (("tables_counted", 1), "one too many")


@for_each(
    "move",
    [
        "hold memtype_erase: mremap a[0] 1 page maymove dontunmap",
        "hold move_page_tables: mremap a[0] 1 page maymove dontunmap",
    ],
)
def test_a_move_that_was_held_or_not_is_a_move(move: str) -> None:
    """Its value has words behind, or is one of those of the release."""
    program, found = run(f"mmap anon[0:1] private rw over a[0:1]\nread a[0]\n{move}\nrelease\nlook\n")
    fault = MemoryObservation(faults=(MemoryFault("counts_left", "2 and 1"),))
    found = msgspec.structs.replace(found, memory=(*(MemoryObservation(),) * 4, fault, MemoryObservation()))

    assert ("counts_left", 4) not in broken(program, found)


@for_each(("where", "noticed"), [("maymove fixed over a[8:9]", True), ("maymove dontunmap", False)])
def test_counts_are_not_judged_where_entries_are_not_seen(where: str, noticed: bool) -> None:
    """The kernel has chosen a place outside of the program's areas."""
    program, found = run(f"mmap anon[0:1] private rw over a[0:1]\nmremap a[0] 1 page {where}\n")
    memory = (
        MemoryObservation(),
        MemoryObservation(faults=(MemoryFault("counts_left", "2 and 1"),)),
        MemoryObservation(),
    )
    found = msgspec.structs.replace(found, memory=memory)
    assert (("counts_left", 1) in broken(program, found)) == noticed


def test_a_state_that_stays_broken_is_said_once() -> None:
    """The step in which it begins."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nmunmap a[4:8]\nmunmap a[0:4]\nlook\nlook\n", "6.1")
    assert [place for place in broken(program, found, "6.1") if place[0] == "no_leak"] == []
    program, found = run("a = mmap bar[0:8] wc shared rw\nmunmap a[2:4]\nmunmap a\nlook\nlook\n", "6.1")
    assert [place for place in broken(program, found, "6.1") if place[0] == "no_leak"] == [("no_leak", 2)]


def test_nothing_is_judged_while_a_processor_is_held() -> None:
    """Structures may be in the middle of a change."""
    program = load_program(litmus_file("race-direct-map"))
    (found,) = ModelMachine("7.2", LookLevel.MEMORY).run([program])
    held = [number for number, step in enumerate(found.steps) if step.result == "held"]
    wrong = changed(found, held[0], retarget(1))
    assert broken(program, wrong) == broken(program, found)


@for_each(
    ("machine", "kernel", "explained"),
    [
        ("qemu:6.1", "linux-image-6.1.0-56-cloud-amd64 6.1.192-2", True),
        ("qemu:6.12.117-1", "x", True),
        ("qemu:arch/x86/boot/bzImage", "6.12.9-mine", True),
        ("qemu:arch/x86/boot/bzImage", "7.2.0-mine", False),
        ("qemu:arch/x86/boot/bzImage", "mine", False),
    ],
)
def test_a_kernel_is_of_the_version_its_run_says(machine: str, kernel: str, explained: bool) -> None:
    """In the machine's name, or in the kernel's release."""
    program, found = run("a = mmap bar[0:8] wc shared rw\nmunmap a[2:4]\nmunmap a\n", "6.1")
    found = msgspec.structs.replace(found, machine=machine, kernel=kernel)
    leaks = [violation for violation in violations(program, found) if violation.name == "no_leak"]
    assert [bool(violation.known) for violation in leaks] == [explained]


@pytest.mark.target("long")
@for_each("series", ["6.1", "6.12", "6.16", "7.2"])
def test_what_litmus_programs_break_is_known(series: str) -> None:
    """Every violation the model predicts has a reason, or a report that is not public yet."""
    machine = ModelMachine(series, LookLevel.MEMORY)
    programs = [load_program(path) for path in LITMUS]
    unknown = {
        (path.stem, violation.place[0])
        for path, program, found in zip(LITMUS, programs, machine.run(programs), strict=True)
        for violation in violations(program, found, series)
        if not violation.known
    }
    assert unknown == {("slot-moved", "removed_unmapped"), ("slot-moved-back", "removed_unmapped")}


def test_a_device_is_removed_where_it_is() -> None:
    """A mapping of the address it has, which is not that of its boot, is one too many."""
    text = "remove bar\nrescan_moved bar\na = mmap moved[0:4] proc-wc shared rw\nremove bar\n"

    assert [("removed_unmapped", 3)] == broken(*run(text))


def test_a_driver_that_is_bound_claims_the_address_the_device_has() -> None:
    """An entry for a page of the old one is nobody's business."""
    text = "a = mmap bar[0:4] devmem shared rw\nremove bar\nrescan_moved bar\nbind bar\n"

    assert [] == broken(*run(text))


def test_an_entry_that_outlives_the_binding_of_a_driver() -> None:
    """The claim is one of the whole device, until the driver is unbound."""
    program, found = run("a = mmap bar[0:4] devmem shared rw\nbind bar\nunbind bar\n")
    found = changed(found, 1, lambda step: msgspec.structs.replace(step, ptes=found.steps[0].ptes))

    assert ("claimed_unmapped", 1) in broken(program, found)
    assert [] == broken(*run("bind bar\nunbind bar\na = mmap bar[0:4] devmem shared rw\n"))


def test_a_kernel_whose_claims_revoke_nothing_breaks_nothing(tmp_path: Path) -> None:
    """Where it was built without CONFIG_IO_STRICT_DEVMEM a claimed range stays mapped (S13.8)."""
    file = tmp_path / ".config"
    file.write_text(config_text("IO_STRICT_DEVMEM"))
    program, found = run(
        "a = mmap bar[0:4] devmem shared rw\nrequest_mem_region bar[0:4]\n", f"7.2,config={file}"
    )

    assert [] == broken(program, found)
    stock = msgspec.structs.replace(found, configuration=DISTRIBUTION)
    assert "claimed_unmapped" in dict(broken(program, stock))


@for_each(("page", "broken"), [(5, False), (2, True)])
def test_ram_behind_a_device(page: int, broken: bool) -> None:
    """remap_file_pages leads /dev/mem behind its device, where RAM may be; in the device it is none."""
    program, found = run(
        f"a = mmap low[0:4] devmem shared rw\nremap_file_pages a[0] low[{page}] devmem\n", "7.2"
    )
    (first, step, *rest) = found.steps
    ptes = tuple(
        msgspec.structs.replace(pte, start=0, end=1, target=RAM) if pte.span.start == 0 else pte
        for pte in step.ptes or ()
    )
    shown = msgspec.structs.replace(found, steps=(first, msgspec.structs.replace(step, ptes=ptes), *rest))

    names = {violation.name for violation in violations(program, shown, "7.2") if violation.step == 1}

    assert broken == ("entries_inside" in names)
