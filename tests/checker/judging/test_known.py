"""Known violations: each by its cause in the run, and by the rules of the machine."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
from for_each import for_each

from pfnlab.checker.judging.judge import violations
from pfnlab.checker.judging.known import KNOWN, LEFT_OUT
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import BookEntry, MemoryFault, MemoryObservation
from pfnlab.programs.runs.violation import Violation

DOCS = Path(__file__).parents[3] / "docs"
HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"

WHOLE = "a = mmap bar[0:4] driver remap wc shared rw"


def program(*lines: str, head: str = HEAD) -> Program:
    return load_text(head + "".join(f"{line}\n" for line in lines))


def broken(machine: str, *lines: str, series: str | None = None, head: str = HEAD) -> list[Violation]:
    """What a model breaks; with *series* as if a kernel of it had done so."""
    asked = program(*lines, head=head)
    run = ModelMachine(machine).run_one(asked)
    if series is not None:
        run = msgspec.structs.replace(run, machine="qemu:a-kernel", kernel="")
    return violations(asked, run, series)


def whys(machine: str, *lines: str, series: str | None = None, head: str = HEAD) -> dict[str, str]:
    """The identifier of the reason for each property that is broken."""
    found = broken(machine, *lines, series=series, head=head)
    return {violation.name: (violation.known or "").partition(":")[0] for violation in found}


def test_a_cut_beside_the_isa_hole_explains_no_failed_fork() -> None:
    """C09 is of pieces in the hole: a fork that fails where another device's mapping was cut stays loud."""
    head = f"{HEAD}device hole: isa, 9 pages\n"
    lines = ("a = mmap hole[0:9] devmem-sync shared rw", "b = mmap bar[0:4] wc shared rw", "mprotect b[0] r")
    asked = program(*lines, "t1 = fork", head=head)

    run = ModelMachine("6.12").run_one(asked)
    failed = msgspec.structs.replace(run.steps[3], result="ENOMEM")
    run = msgspec.structs.replace(run, steps=(*run.steps[:3], failed, *run.steps[4:]))

    assert [None] == [one.known for one in violations(asked, run) if one.name == "fork_works"]


def why_left_unseen(asked: Program) -> str:
    """The reason for a first entry that is left in the end, where nobody looked at VMAs before that."""
    run = ModelMachine("6.12").run_one(asked)
    entry = run.steps[0].book
    unseen = tuple(msgspec.structs.replace(step, vmas=None, ptes=None) for step in run.steps[:-1])
    run = msgspec.structs.replace(run, steps=(*unseen, msgspec.structs.replace(run.steps[-1], book=entry)))
    found = {one.name: (one.known or "").partition(":")[0] for one in violations(asked, run)}
    return found["no_leak"]


MIDDLE = ("a = mmap bar[0:8] wc shared rw", "munmap a[2:4]", "munmap a")


@for_each(("series", "explained"), [("6.1", "A06"), ("6.12", "A06"), ("6.16", ""), ("7.2", "")])
def test_a_bug_explains_until_it_was_repaired(series: str, explained: str) -> None:
    """The same run is known of the series that have its bug, and of no later one."""
    assert {"freed_once": explained, "no_leak": explained} == whys("6.1", *MIDDLE, series=series)


@for_each(
    "cut",
    [
        ("mmap anon[0] private rw over a[0]",),
        ("mremap b 1 page maymove fixed over a[0]",),
        ("munmap a[0]",),
        # It unmaps its destination, which is all that it was to move, and fails.
        ("mremap a[0:0] 1 page maymove fixed over a[0]",),
        ("c = mremap a 2 pages maymove fixed", "munmap c[0]"),
        ("madvise a[0] dontfork",),
        ("remap_file_pages a[0] bar[1] wc",),
        ("mmap bar[0] uc shared rw over a[0]",),
        ("c = mremap a[0] 1 page maymove fixed", "munmap a[1]", "a = mmap anon[0] private rw"),
    ],
)
def test_a_cut_is_known_where_nobody_looked(cut: tuple[str, ...]) -> None:
    """What is mapped over a part cuts a VMA as an munmap of it does, and so does a move of a part."""
    asked = program("a = mmap bar[0:2] wc shared rw", "b = mmap anon[0] private rw", *cut)

    run = ModelMachine("6.12").run_one(asked)
    unseen = tuple(msgspec.structs.replace(step, vmas=None, ptes=None) for step in run.steps[:-1])
    run = msgspec.structs.replace(run, steps=(*unseen, run.steps[-1]))

    assert {"A06"} == {(violation.known or "").partition(":")[0] for violation in violations(asked, run)}


@for_each(
    ("lines", "reason"),
    [
        ((), ""),
        (("c = mremap a 2 pages maymove fixed",), ""),
        (("mremap a 1 page",), "A06"),
    ],
)
def test_what_nobody_saw_cut_is_no_cut(lines: tuple[str, ...], reason: str) -> None:
    """A leak for no known reason stays one, where no call was for a part."""
    asked = program("a = mmap bar[0:2] wc shared rw", *lines)

    assert reason == why_left_unseen(asked)


@for_each(
    ("where", "reason"),
    [
        ("munmap a[1]", "A06"),
        ("pkey_mprotect a[1] rw", "A06"),
        ("pkey_mprotect a[0:5] rw", ""),
        ("mmap anon[0:4] private rw over a[0:4]", "A06"),
        ("mmap anon[0:5] private rw over a[0:5]", ""),
        ("mremap a[1:5] 3 pages", "A06"),
        ("mremap a[1:5] 4 pages", ""),
    ],
)
def test_a_cut_of_what_was_mapped_at_an_address(where: str, reason: str) -> None:
    """A mapping at given addresses is cut by what covers a part of it, and by nothing that covers all."""
    lines = ("mmap bar[0:4] wc shared r over a[1:5]", where, "munmap a[0:5]")
    asked = program(*lines, head=f"{HEAD}area a: 5 pages\n")

    assert reason == why_left_unseen(asked)


@for_each(
    ("machine", "cut", "explained"),
    [
        ("6.12", ("mprotect a[7] r",), "C09"),
        ("6.12", (), None),
        ("6.16", ("mprotect a[7] r",), None),
    ],
)
def test_a_piece_in_the_isa_hole_cannot_be_copied(
    machine: str, cut: tuple[str, ...], explained: str | None
) -> None:
    """C09: nine pages of the hole cross its edge and are reserved whole; its pieces inside are not."""
    head = "pfnlab program 1\ntitle t\ndevice hole: isa, 9 pages\n"
    lines = ("a = mmap hole[0:9] devmem-sync shared rw", *cut, "t1 = fork")

    assert explained == whys(machine, *lines, head=head).get("fork_works")


@for_each(("zap", "explained"), [((), {}), (("zap_vma_ptes a[0]",), {"no_loss": "A08"})])
def test_a_zap_is_known_where_another_task_frees_the_rest(zap: tuple[str, ...], explained: dict[str, str]):
    """A08: the parent's reservation went with a part, and the child's with the child."""
    lines = ("a = mmap bar[0:2] wc shared rw", "c = fork", *zap, "c: exit")

    assert explained == whys("6.1", *lines)


def test_what_a_driver_frees_while_it_is_held_goes_at_the_release() -> None:
    """S4.10 explains what the book has lost from there."""
    held = "hold memtype_erase: arch_io_free_memtype_wc bar[0]"

    explained = whys("7.3", "a = mmap bar[0] wc shared rw", held, "release")

    assert explained == {"no_loss": "S4.10", "freed_once": "S4.10"}


@for_each(("series", "explained"), [("6.8", {}), ("6.12", {"no_warning": "G08"}), ("7.2", {})])
def test_a_handler_that_remaps_is_known_where_the_kernel_asserts(
    series: str, explained: dict[str, str]
) -> None:
    """From 6.9 to 7.1 it warns, and G08 says why."""
    assert explained == whys(series, "a = mmap bar[0:4] driver fault_remap wc shared rw", "read a[1]")


@for_each(("machine", "explained"), [("6.12.9", {"entries_inside": "E03"}), ("6.12.10", {})])
def test_a_leaf_of_other_frames(machine: str, explained: dict[str, str]) -> None:
    """E03: of 6.12.0 to 6.12.9."""
    head = "pfnlab program 1\nthp always\ndevice bar: pci, 1025 pages\n"

    assert explained == whys(machine, "a = mmap bar[1:1025] vfio shared rw", "read a[0]", head=head)


@for_each(
    ("machine", "explained"),
    [("6.1,without=abafbc551fdd", {"memory_off": "E12"}), ("6.1", {}), ("6.12", {})],
)
def test_a_mapping_of_a_device_that_is_off(machine: str, explained: dict[str, str]) -> None:
    """E12: without the repair of CVE-2020-12888."""
    off = ("a = mmap bar[0:4] vfio shared rw", "read a[0]", "memory_disable bar")

    assert explained == whys(machine, *off)


@for_each(("series", "explained"), [("6.9", {}), ("6.11", {"no_warning": "A10"}), ("6.12", {})])
def test_a_revocation_that_asks_the_page_tables_is_known_where_the_kernel_asserts(
    series: str, explained: dict[str, str]
) -> None:
    """Of 6.10 and 6.11 A10 says why a driver's unmap_mapping_range warns; the others say nothing."""
    operations = ("a = mmap bar[0:4] driver remap wc shared rw", "unmap_mapping_range bar[0:4]")

    assert explained == whys(series, *operations)


@for_each(
    ("machine", "explained"),
    [("6.1", {}), ("6.1,without=bfd40eaff5ab", {"no_leak": "F24", "told_free": "F24"})],
)
def test_a_bare_mapping_that_moved_is_known_without_the_dummy(
    machine: str, explained: dict[str, str]
) -> None:
    """What a driver does not find any more after a move is F24's."""
    operations = (
        "a = mmap bar[0:4] driver bare wc shared rw",
        "mremap a 4 pages maymove fixed over z[0:4]",
        "unmap_mapping_range bar[0:2]",
    )

    assert explained == whys(machine, *operations, head=HEAD + "area z: 16 pages\n")


@for_each(
    ("machine", "explained"),
    [("6.1", {}), ("6.1,without=4bb9c5c02153", {"no_loss": "A14", "freed_once": "A14"})],
)
def test_what_the_offset_frees_is_known_without_the_flag(machine: str, explained: dict[str, str]) -> None:
    """A mapping that faults fill frees the reservation of another, which A14 explains."""
    operations = (
        "a = mmap bar[0:4] driver fault wc shared rw",
        "b = mmap bar[0:4] wc shared rw",
        "munmap a",
        "munmap b",
    )

    assert explained == whys(machine, *operations)


def test_a_kernel_of_unknown_version_has_no_old_bugs() -> None:
    """Without a version nothing is excused by a bug that was repaired."""
    asked = program(*MIDDLE)
    run = msgspec.structs.replace(ModelMachine("6.1").run_one(asked), machine="qemu:a-kernel", kernel="")

    assert {None} == {violation.known for violation in violations(asked, run)}


@for_each(
    "cut",
    [
        ("munmap a[1:3]", "munmap a"),
        ("munmap a[0:2]", "munmap a"),
        ("mprotect a[2:4] r", "munmap a[0:2]", "munmap a"),
        ("b = mremap a[0:2] 2 pages maymove fixed", "munmap a[2:4]", "munmap b"),
    ],
)
def test_the_pieces_of_a_vma_that_was_cut(cut: tuple[str, ...]) -> None:
    """A06: whatever cut it."""
    assert "A06" == whys("6.1", "a = mmap bar[0:4] wc shared rw", *cut)["freed_once"]


@for_each("leak", ["no_leak", "freed_once"])
def test_a_move_that_shrinks_cuts_although_nothing_is_left_there(leak: str) -> None:
    """A06: what a gives back is what c has reserved."""
    order = ("b = mmap bar[0] wc shared rw", "munmap b", "c = mmap bar[1:3] wc shared rw")
    shrunk = ("a = mmap bar[0:3] wc shared rw", "b = mremap a 1 page maymove fixed", "munmap b", "munmap c")

    assert "A06" == whys("6.12", *order, *shrunk)[leak]


def test_what_was_not_cut_is_no_piece() -> None:
    """A leak without a cut is not A06, be it on a kernel of 6.1."""
    zapped = (WHOLE, "zap_vma_ptes a[0]", "munmap a")

    assert {"no_leak": "", "no_warning": ""} == whys("6.1,tracker=unmap_only", *zapped, series="6.1")


@for_each("page", [0, 1])
def test_a_zap_loses_the_reservation_of_vm_pat(page: int) -> None:
    """A08: known behind the zap."""
    assert {"no_loss": "A08"} == whys("6.1", WHOLE, f"zap_vma_ptes a[{page}]")


def test_what_a_zap_drops_is_missing_when_entries_come_back() -> None:
    """A08: no entry shows the pages until then."""
    whole = "a = mmap bar[0:1] driver remap shared rw", "zap_vma_ptes a"

    assert "no_loss" not in whys("6.12", *whole)
    assert {"no_loss": "A08"} == whys("6.12", *whole, "read a[0]")


def test_a_loss_without_a_zap_is_no_zap() -> None:
    """What another design loses in munmap is not A08 on a kernel of 6.1."""
    lost = whys("7.2,tracker=vm_pat", WHOLE, "zap_vma_ptes a[0]", series="7.2")

    assert {"no_loss": ""} == lost


def test_the_first_page_of_a_mapping_that_only_munmap_untracks() -> None:
    """A09: the design's own defect is the design's, and nothing was cut."""
    zapped = (WHOLE, "zap_vma_ptes a[0]", "munmap a")

    assert {"no_leak": "A09", "no_warning": "A09"} == whys("6.1,tracker=unmap_only", *zapped)


@for_each("tracker", ["unmap_only", "base_pfn", "driver_hook", "vm_pgoff"])
def test_what_is_kept_over_a_zap_is_booked_twice(tracker: str) -> None:
    """A20: by vfio-pci of 6.1, which remaps in each fault."""
    again = ("memory_disable bar", "memory_enable bar", "read a[0]", "munmap a")
    told = whys(f"6.1,tracker={tracker}", "a = mmap bar[0:4] vfio shared rw", "write a[0] 1", *again)

    assert "A20" == told["no_leak"]


@for_each(("machine", "reason"), [("6.1,without=04c35ab3bdae", "A01"), ("6.1", None)])
def test_a_copied_first_page(machine: str, reason: str | None) -> None:
    """A01: a kernel without the repair leaks, and that is no piece of a split VMA."""
    told = whys(machine, "a = mmap bar[0:4] wc private rw", "write a[0] 1", "munmap a")

    assert reason == told.get("no_leak")


@for_each(
    ("machine", "reason"),
    [("6.1,without=e9f180d7cfde", "A16"), ("6.12,without=e9f180d7cfde", "A16"), ("6.12", "A06")],
)
def test_a_half_that_lost_its_flag(machine: str, reason: str) -> None:
    """A16: where a split clears VM_PAT, what leaks is not freed in vain."""
    assert reason == whys(machine, *MIDDLE)["no_leak"]


def test_a_fork_that_failed() -> None:
    """A04: of a kernel without the repair."""
    failed = ("fail __pte_alloc 1 in copy_page_range: c = fork", "munmap a")

    assert "A04" == whys("6.1,without=dc84bc2aba85", "a = mmap bar[0:4] wc shared rw", *failed)["no_leak"]


@for_each(("series", "part"), [("6.1", "bar[8:12]"), ("6.12", "bar[10:12]"), ("7.2", "bar[12:16]")])
def test_a_part_of_what_a_driver_booked(series: str, part: str) -> None:
    """It frees its own in vain, which is nobody's else, and what it still holds is no leak."""
    told = whys(series, "arch_io_reserve_memtype_wc bar[8:16]", f"arch_io_free_memtype_wc {part}")

    assert {"freed_once": "S2.4"} == told


@for_each("series", ["6.1", "6.12"])
def test_the_end_of_what_a_driver_booked(series: str) -> None:
    """A book that frees an end keeps the rest, which the driver still holds."""
    freed = ("arch_io_reserve_memtype_wc bar[8:16]", "arch_io_free_memtype_wc bar[12:16]")

    assert {} == whys(series, *freed)


def test_what_another_has_booked() -> None:
    """S4.10: a free behind the kernel's back explains what is missing later."""
    freed = ("a = mmap bar[0:8] wc shared rw", "arch_io_free_memtype_wc bar[0:8]", "munmap a")

    assert {"no_loss": "S4.10", "freed_once": "S4.10"} == whys("7.2", *freed)


def test_a_claim_of_what_somebody_else_freed() -> None:
    """Pages are missing in the book, and it has others, for that reason."""
    freed = ("a = mmap bar[0:2] wc shared rw", "arch_io_free_memtype_wc bar[1]", "request_mem_region bar[0]")

    assert "S4.10" == whys("6.1", *freed)["claimed_free"]


def test_a_rule_of_all_explains_every_kernel() -> None:
    """A rule that all series share explains a kernel of unknown version too."""
    ((why, _),) = KNOWN["direct_map_back"]

    assert why.startswith("S2.8")


@for_each(("how", "reason"), [("driver apply", "C01"), ("wc", None)])
def test_a_reason_that_needs_a_driver_does_not_explain_others(how: str, reason: str | None) -> None:
    """Two modes of a frame are the driver's doing, where it is asked."""
    told = whys("7.2", f"a = mmap bar[0:8] {how} shared rw", "b = mmap bar[0:8] uc shared rw")

    assert reason == told.get("one_mode")


def test_what_a_program_left_out_explains_what_follows() -> None:
    """A skipped flush explains whatever breaks from its step on."""
    left_out = (*MIDDLE[:1], "skip flush_tlb_mm_range: munmap a[2:4]", "munmap a")

    assert {LEFT_OUT} == {violation.known for violation in broken("6.1", *left_out)}


@for_each(("name", "why"), [(name, why) for name, rows in KNOWN.items() for why, _ in rows])
def test_a_reason_names_a_bug_or_a_rule_that_is_written_down(name: str, why: str) -> None:
    """Each reason names a property that is asked, and a row of bugs.md or a rule of docs/semantics."""
    assert name in PROPERTIES
    reference = why.partition(":")[0]
    if reference.startswith("S"):
        pages = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "semantics").glob("*.md"))
        assert re.search(rf"\b{re.escape(reference)}\b", pages)
    else:
        assert f"| {reference} |" in (DOCS / "bugs.md").read_text(encoding="utf-8")


def why_committed(asked: Program, series: str) -> str:
    """The identifier of the reason why a kernel of *series* ends a program with other memory committed."""
    run = ModelMachine(series, LookLevel.MEMORY).run_one(asked)
    fault = MemoryFault("committed_left", "as many committed pages as before, and one")
    memory = (*(MemoryObservation() for _ in run.steps[1:]), MemoryObservation(faults=(fault,)))
    seen = msgspec.structs.replace(run, memory=memory, machine="qemu:a-kernel", kernel="")
    (violation,) = violations(asked, seen, series)
    assert violation.name == "committed_left"
    return (violation.known or "").partition(":")[0]


@for_each(("series", "explained"), [("6.1", "S5.8.4a"), ("6.12", "")])
def test_memory_that_a_special_vma_gives_back_is_known_of_the_oldest(series: str, explained: str) -> None:
    """Only 6.1 counts pages as gone that a mapping did not get."""
    asked = program("a = mmap bar[0:4] driver insert_page shared rw", "mremap a 5 pages")
    assert explained == why_committed(asked, series)


@for_each(
    ("move", "series", "explained"),
    [
        ("mremap a 1 page maymove fixed over b[0]", "6.12", ""),
        ("mremap a 1 page maymove fixed over b[0]", "6.16", "S5.8.13"),
        ("mremap a 1 page maymove fixed over b[0]", "7.2", "S5.8.13"),
        ("mremap a 1 page maymove fixed over b[0]", "7.3", ""),
        ("mremap a 2 pages maymove fixed over b[0:2]", "7.2", ""),
        ("mremap a 1 page maymove", "7.2", ""),
    ],
)
def test_what_a_mapping_gives_up_stays_committed_until_7_3(move: str, series: str, explained: str) -> None:
    """Where it moves to a place that the call names, and becomes smaller."""
    asked = program("a = mmap anon[0:2] private rw", move, head=f"{HEAD}area b: 4 pages\n")
    assert explained == why_committed(asked, series)


_PART, _WHOLE = "b = mremap a[1] 1 page maymove fixed", "b = mremap a 4 pages maymove fixed"


@for_each("series", ["6.1", "6.12", "7.2", "7.3"])
@for_each(
    ("move", "explained"),
    [
        (f"fail vm_area_dup 2: {_PART}", "S5.8.15"),
        (f"fail vm_area_dup 3: {_PART}", "S5.8.15"),
        (f"fail vm_area_dup 4: {_PART}", ""),
        (f"fail vm_area_dup 2: {_WHOLE}", ""),
        (f"fail vm_area_dup 1: {_PART}", ""),
        (_PART, ""),
    ],
)
def test_what_cannot_be_cut_stays_committed(series: str, move: str, explained: str) -> None:
    """Where a cut of the source fails, and not where it is reached by no failure."""
    asked = program("a = mmap anon[0:4] private rw", move)

    assert explained == why_committed(asked, series)


@for_each(("series", "explained"), [("6.1", "S5.8.15"), ("7.2", "S5.8.15"), ("7.3", "")])
def test_what_does_not_grow_stays_committed_until_7_3(series: str, explained: str) -> None:
    """A mapping that was to grow, and finds no page table."""
    grown = "fail __pte_alloc 1: b = mremap a 8 pages maymove fixed"
    asked = program("a = mmap anon[0:4] private rw populate", grown)

    assert explained == why_committed(asked, series)


def test_a_reservation_that_moved_from_what_cannot_be_cut_is_lost() -> None:
    """The old place is untracked whole, as where it is cut."""
    found = broken("6.12", WHOLE, f"fail vm_area_dup 2: {_PART}", "munmap a", "munmap b")

    assert {"no_leak", "freed_once"} == {one.name for one in found}
    assert {"A06"} == {(one.known or "").partition(":")[0] for one in found}


@for_each(
    ("mapping", "series", "explained"),
    [
        ("devmem private rw", "6.18", ""),
        ("devmem private rw", "6.19", "S4.7.6"),
        ("devmem-sync private w", "7.1", "S4.7.6"),
        ("devmem private rw", "7.2", ""),
        ("devmem shared rw", "7.1", ""),
        ("devmem private r", "7.1", ""),
    ],
)
def test_what_devmem_refuses_stays_committed_until_7_2(mapping: str, series: str, explained: str) -> None:
    """Since it maps in two phases."""
    head = "pfnlab program 1\ntitle t\ndevice last: top, 16 pages\n"
    asked = program(f"a = mmap last[16] {mapping}", head=head)

    assert explained == why_committed(asked, series)


@for_each(("series", "explained"), [("6.12", ""), ("6.16", "S5.8.9"), ("6.17", "")])
def test_what_is_left_mapped_stays_committed_on_6_16(series: str, explained: str) -> None:
    """Its VMA has no VM_ACCOUNT any more."""
    asked = program("a = mmap anon[0] private rw", "b = mremap a 1 page maymove fixed dontunmap")

    assert explained == why_committed(asked, series)


@for_each(
    ("over", "series", "explained"),
    [
        ("mmap bar[14:18] uc private rw over a", "6.8", ""),
        ("mmap bar[14:18] uc private rw over a", "6.12.117", "S4.7.5"),
        ("mmap bar[14:18] uc private rw over a", "7.2", "S4.7.5"),
        ("mmap bar[14:18] uc private rw over a", "7.3", ""),
        ("mmap bar[14:18] uc shared rw over a", "7.2", ""),
        ("mmap bar[14:18] uc private r over a", "7.2", ""),
        ("mmap bar[12:16] uc private rw over a", "7.2", ""),
    ],
)
def test_what_was_to_be_replaced_stays_committed_until_7_3(over: str, series: str, explained: str) -> None:
    """Where the mapping that was to replace it fails, and would have been committed to itself."""
    asked = program("a = mmap anon[0:4] private rw", over)

    assert explained == why_committed(asked, series)


LOW = "pfnlab program 1\ntitle t\ndevice bar: lowmem, 8 pages\n"


def test_a_zap_lets_the_direct_map_follow_another_until_6_15() -> None:
    """What a zap drops may be booked with another mode, which the direct map follows (A08)."""
    zapped = (
        "a = mmap bar[0:8] devmem-sync shared rw",
        "zap_vma_ptes a[0]",
        "b = mmap bar[0:8] devmem shared rw",
    )

    assert "A08" == whys("6.12", *zapped, head=LOW)["direct_map"]


CLAIM = "request_mem_region bar[0:16]"


@for_each(
    ("lines", "reason"),
    [
        ((WHOLE, CLAIM), "D02"),
        (("request_mem_region bar[1:16]", "a = mmap bar[0:4] wc shared rw"), "S9.2.6"),
    ],
)
def test_a_reservation_under_a_claim(lines: tuple[str, ...], reason: str) -> None:
    """D02 where pages were zapped; one that was made behind the claim is not kept."""
    told = whys("7.2", *(line.replace("driver remap ", "") for line in lines))

    assert reason == told["claimed_free"]


def shown(machine: str, asked: Program, at: int, series: str, **fields: object) -> dict[str, str]:
    """The first reasons where a kernel of *series* shows these *fields* from step *at* on."""
    run = ModelMachine(machine).run_one(asked)
    steps = [
        msgspec.structs.replace(step, **fields) if number >= at else step
        for number, step in enumerate(run.steps)
    ]
    run = msgspec.structs.replace(run, machine="qemu:a-kernel", kernel="", steps=tuple(steps))
    found = violations(asked, run, series)
    return {violation.name: (violation.known or "").partition(":")[0] for violation in reversed(found)}


@for_each(
    ("second", "reason"),
    [("t: unmap_mapping_range bar[0:4]", "A10"), ("t: read a[0]", "")],
)
def test_two_zaps_free_a_reservation_twice(second: str, reason: str) -> None:
    """A10: both may find that it is tracked."""
    mapped = ("a = mmap bar[0:4] driver remap wc shared rw", "read a[0]", "t = thread")
    asked = program(*mapped, "hold flush_tlb_mm_range: unmap_mapping_range bar[0:4]", second, "release")
    log = ("x86/PAT: main freeing invalid memtype bar[0:4]",)

    assert reason == shown("7.2", asked, 5, "6.1", log=log).get("freed_once", "")


@for_each(
    ("series", "beside", "reason"),
    [
        ("6.12", "hold rmap_add: c = fork", "A10"),
        ("6.12", "hold rmap_add: munmap b", ""),
        ("7.2", "hold rmap_add: c = fork", ""),
    ],
)
def test_a_leak_of_a_fork_beside_a_claim(series: str, beside: str, reason: str) -> None:
    """A10: the child has the flag and no entry yet, so a zap of it warns, and frees nothing."""
    mapped = ("a = mmap bar[0:4] wc shared rw", "b = mmap anon[0:4] private rw", "t = thread")
    asked = program(*mapped, beside, "t: request_mem_region bar[0:4]", "release")
    leaked = (BookEntry("bar", 0, 4, "wc"),)

    assert reason == shown("7.2", asked, 6, series, book=leaked)["no_leak"]


def test_what_goes_in_an_mmap_was_not_zapped() -> None:
    """A08 loses in the step that zaps: a book that is empty behind a later mmap has another reason."""
    asked = program(
        WHOLE, "b = mmap bar[8:12] wc shared rw", "zap_vma_ptes b", "c = mmap bar[12:16] wc shared rw"
    )

    assert {"no_loss": ""} == shown("6.1", asked, 3, "6.1", book=())


def test_two_modes_of_what_a_driver_has_reserved() -> None:
    """C01 is of mappings for which the driver reserves nothing."""
    asked = program("a = mmap bar[0:4] driver remap wc shared rw", "b = mmap bar[0:4] wc shared rw")
    run = ModelMachine("7.2").run_one(asked)
    ptes = tuple(
        msgspec.structs.replace(pte, entry=pte.entry.replace("wc", "uc-").replace("WC", "UC-"))
        if pte.span.name == "b"
        else pte
        for pte in run.steps[1].ptes or ()
    )

    assert "" == shown("7.2", asked, 1, "7.2", ptes=ptes)["one_mode"]


@for_each(
    ("lines", "reason"),
    [
        (("arch_io_free_memtype_wc bar[0:4]",), "S4.10"),
        (("arch_io_free_memtype_wc bar[12:16]", "munmap a[3]"), ""),
    ],
)
def test_a_free_in_vain_loses_nothing(lines: tuple[str, ...], reason: str) -> None:
    """S4.10 explains a loss only where the book lost something by it."""
    asked = program("a = mmap bar[0:4] wc shared rw", *lines)

    assert reason == shown("7.2", asked, len(lines), "7.2", book=())["no_loss"]


def test_a_device_that_nobody_has_named_is_no_cause() -> None:
    """C09 is of the ISA hole, and a program that has the device need not use it."""
    head = HEAD + "device hole: isa, 16 pages\n"
    modes = ("a = mmap bar[0:8] driver apply shared rw", "b = mmap bar[0:8] uc shared rw")

    assert {"one_mode": "C01", "booked_mode": "C01"} == whys("7.2", *modes, head=head)


@for_each(("machine", "reason"), [("6.1", "A08"), ("7.2", None)])
def test_another_mode_behind_a_zap(machine: str, reason: str | None) -> None:
    """A08: what the book has lost may be mapped with another mode."""
    modes = (WHOLE.replace("wc", "uc-"), "zap_vma_ptes a[0]", "b = mmap bar[0:4] wc shared rw")

    assert reason == whys(machine, *modes).get("one_mode")


@for_each("series", ["6.1", "7.2", "7.3"])
def test_a_drivers_fault_does_not_mind_the_direct_map(series: str) -> None:
    """S2.10.2: remap_file_pages leads a driver's mapping to memory, which its handler fills as uncached."""
    leads = "remap_file_pages a low[0] devmem-sync"
    lines = ("a = mmap bar[0] driver fault shared rw", leads, "write a[0] 1")

    assert {"direct_map": "S2.10.2"} == whys(series, *lines, head=HEAD + "device low: lowmem, 1 page\n")


@for_each(("via", "reason"), [("proc-wc", "S9.3"), ("wc", "")])
def test_a_mapping_of_what_was_removed(via: str, reason: str) -> None:
    """S9.3 is of /proc/bus/pci; a mapping of sysfs that is there behind the removal has no reason."""
    asked = program(f"a = mmap bar[0:4] {via} shared rw", "remove bar")
    before = ModelMachine("7.2").run_one(asked).steps[0]

    told = shown("7.2", asked, 1, "7.2", vmas=before.vmas, ptes=before.ptes, book=before.book)

    assert reason == told["removed_unmapped"]


@for_each(
    ("lines", "reason"),
    [
        (("b = mmap bar[8:12] proc-wc shared rw",), ""),
        (("b = mmap bar[8:12] proc-wc shared rw", "munmap a"), "S9.3"),
        (("b = mmap bar[8:12] proc-wc shared rw", "munmap b"), ""),
        (("b = mmap bar[8:12] devmem shared rw",), ""),
        (("b = mmap bar[8:12] devmem shared rw", "c = mmap bar[0] proc-uc shared rw", "munmap a"), "S9.3"),
    ],
)
def test_a_mapping_of_another_file_is_no_reason_for_one_of_sysfs(lines: tuple[str, ...], reason: str) -> None:
    """S9.3 says why /proc/bus/pci still shows a removed device, and excuses nothing else that does."""
    told = whys("7.2", "a = mmap bar[0:4] wc shared rw", *lines, "remove bar")

    assert reason == told["removed_unmapped"]


def test_memory_of_devmem_is_not_asked_for_behind_a_removal() -> None:
    """It is no file of the device, so nothing needs an excuse."""
    assert {} == whys("7.2", "a = mmap bar[0:4] devmem shared rw", "remove bar")


DRIVERS = ("d = mmap bar[4:8] driver remap wc shared rw", "a = mmap bar[4:8] wc shared rw", "munmap d")


@for_each(
    ("claim", "lines", "reason"),
    [
        ("request_mem_region bar[4:8]", DRIVERS, "S9.2.6"),
        (
            "request_mem_region bar[4:8]",
            (*DRIVERS[:2], "c = mremap d 4 pages maymove fixed", "munmap c"),
            "S9.2.6",
        ),
        ("request_mem_region bar[4:8]", DRIVERS[1:2], "S9.2.6"),
    ],
)
def test_what_a_claim_elsewhere_let_through_may_come_to_light_later(
    claim: str, lines: tuple[str, ...], reason: str
) -> None:
    """Also where the driver's own mapping goes, behind which it was reserved (S9.2.6)."""
    assert reason == whys("7.2", claim, *lines)["claimed_free"]


@for_each(
    ("claim", "mapped", "book"),
    [
        ("request_mem_region bar[0:8]", "a = mmap bar[12:16] wc shared rw", BookEntry("bar", 4, 8, "wc")),
        ("request_mem_region bar[4:8]", "a = mmap bar[12:16] wc shared rw", BookEntry("bar", 4, 8, "wc")),
        ("request_mem_region bar[4:8]", "a = mmap bar[4:6] wc shared rw", BookEntry("bar", 6, 8, "wc")),
    ],
    ids=["a claim of the first page", "other pages are mapped", "the next pages are mapped"],
)
def test_what_a_claim_elsewhere_let_through_excuses_its_own_pages(
    claim: str, mapped: str, book: BookEntry
) -> None:
    """A reservation that none of these mappings made has no reason."""
    asked = program(claim, mapped)

    told = shown("7.2", asked, 1, "7.2", book=(book,))

    assert "" == told["claimed_free"]


def test_devmem_is_stopped_page_by_page() -> None:
    """A mapping of claimed pages through it has no reason (S9.1.2)."""
    asked = program("request_mem_region bar[4:8]", "a = mmap bar[4:8] wc shared rw")
    run = ModelMachine("7.2").run_one(asked)
    by_devmem = program("request_mem_region bar[4:8]", "a = mmap bar[4:8] devmem shared rw")
    steps = tuple(
        msgspec.structs.replace(
            step, vmas=tuple(msgspec.structs.replace(vma, file="mem") for vma in step.vmas or ())
        )
        for step in run.steps
    )

    found = violations(by_devmem, msgspec.structs.replace(run, steps=steps))

    assert {"claimed_free": None, "claimed_unmapped": None} == {one.name: one.known for one in found}


@for_each(("call", "reason"), [("ioremap ram[0] wc", "S4.10"), ("ioremap bar[0] wc", "")])
def test_a_warning_of_a_driver_is_known_of_ram(call: str, reason: str) -> None:
    """The same warning about a device has no reason."""
    log = ("WARNING: arch/x86/mm/ioremap.c in __ioremap_caller",)

    assert reason == shown("7.2", program(call), 0, "7.2", log=log)["no_warning"]


@for_each(("cut", "reason"), [(True, "A06"), (False, "")])
def test_a_fork_that_fails_and_changes_the_book(cut: bool, reason: str) -> None:
    """A06 where a VMA was cut: the pieces of the child are freed."""
    first = ("munmap a[0]",) if cut else ()
    asked = program("a = mmap bar[0:4] wc shared rw", *first, "c = fork set_tid")

    assert reason == shown("6.1", asked, 1 + len(first), "6.1", book=()).get("fork_whole")


def test_a_copied_first_page_is_seen_in_a_run_that_begins_in_the_mapping_in_front() -> None:
    """The copies of two mappings that touch are one run of entries, and the fork fails for the second."""
    lines = (
        "mmap bar[0:4] uc private rw over a[0:4]",
        "mmap bar[0] uc private rw over a[4]",
        "write a[3] 1",
        "write a[4] 1",
        "mprotect a[2:5] r",
        "c = fork",
    )

    assert "A02" == whys("6.12", *lines, series="6.12", head=f"{HEAD}area a: 5 pages\n")["fork_works"]
