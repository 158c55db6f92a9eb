"""S5.16: what follows where a page table, or the copy of a VMA, cannot be allocated."""

from __future__ import annotations

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from series_runs import every_series, spans
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.failures import pte_alloc
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.runs.observation import Step

ANON = "a = mmap anon[0:16] private rw"
WC = "a = mmap bar[0:8] wc shared rw"

#: Anonymous memory on both sides of the border of two page tables.
BORDER = "mmap anon[0:8] private rw over a[508:516]"

HUH = ("Huh VM_FAULT_OOM leaked out to the #PF handler. Retrying PF",)


def seen(step: Step) -> tuple[str, object]:
    """Result and value of a step."""
    return step.result, step.value


def filled(step: Step) -> list[str]:
    """The pages that have an entry after a step."""
    return [str(entry.span) for entry in step.ptes or () if entry.target]


@for_each(
    ("call", "answer"),
    [
        ("mem_read a[3]", ("EIO", None)),
        ("mem_write a[3] 7", ("EIO", None)),
        ("process_vm_readv a[3]", ("EFAULT", None)),
        ("process_vm_writev a[3] 7", ("EFAULT", None)),
        ("vmsplice a[3]", ("ENOMEM", None)),
        ("futex_wake a[3]", ("ENOMEM", None)),
        ("madvise a populate_read", ("ENOMEM", None)),
        ("madvise a populate_write", ("ENOMEM", None)),
        ("mlock a", ("EAGAIN", None)),
        ("mlockall", ("ok", None)),
    ],
)
@every_series
def test_a_system_call_without_a_page_table(series: str, call: str, answer: tuple[str, object]) -> None:
    """Each says it in its own way, fills nothing and logs nothing (S5.16.3)."""
    *_, failed, _ = run(series, ANON, f"fail __pte_alloc 1: {call}")

    assert (answer, [], ()) == (seen(failed), filled(failed), failed.log)


@for_each("call", ["read a[3]", "write a[3] 0"])
@every_series
def test_a_task_without_a_page_table(series: str, call: str) -> None:
    """Its access is repeated, with a line in the log (S5.5.2b)."""
    *_, touched, _ = run(series, ANON, f"fail __pte_alloc 1: {call}")

    assert (("ok", 0), ["a[3:4]"], HUH) == (
        (touched.result, touched.value or 0),
        filled(touched),
        touched.log,
    )


@every_series
def test_a_table_that_is_there_cannot_fail(series: str) -> None:
    """Counted are the calls, and there is none where a table is."""
    *_, touched, _ = run(series, ANON, "read a[9]", "fail __pte_alloc 1: read a[3]")

    assert ("ok", ()) == (touched.result, touched.log)


@for_each("call", ["mlock a[508:516]", "madvise a[508:516] populate_write"])
@every_series
def test_what_is_behind_the_first_pages_is_tried_again(series: str, call: str) -> None:
    """The pages in front of it are delivered, and the second try finds memory (S5.16.3)."""
    *_, filled_all, _ = run(series, BORDER, f"fail __pte_alloc 2: {call}", area=520)

    assert ("ok", ["a[508:516]"]) == (filled_all.result, filled(filled_all))


@for_each("call", ["mem_read", "process_vm_readv"])
@every_series
def test_bytes_behind_the_first_page_are_tried_again(series: str, call: str) -> None:
    """Those in front of it are moved, and the second try finds memory (S5.16.3)."""
    *_, read, _ = run(series, BORDER, f"fail __pte_alloc 2: {call} a[511] at 4092 8 bytes", area=520)

    assert ("ok", "8 bytes: 00*8") == seen(read)


@every_series
def test_a_move_without_a_page_table(series: str) -> None:
    """The copy goes, and the source is whole, with its entries and its reservation (S5.8.14)."""
    mapped, moved, end = run(series, WC, "fail __pte_alloc 1: b = mremap a[2:5] 3 pages maymove fixed")

    assert "ENOMEM" == moved.result
    assert (["a[0:8]"], ["a[0:8]"], mapped.book) == (spans(moved), filled(moved), moved.book)
    assert ((), ()) == (moved.log, end.book)


@every_series
def test_a_move_without_the_second_page_table(series: str) -> None:
    """What was moved before comes back."""
    steps = run(
        series,
        "a = mmap bar[0:1024] wc shared rw",
        "fail __pte_alloc 2: b = mremap a[3:1000] 997 pages maymove fixed",
        pages=1024,
    )

    assert ("ENOMEM", ["a[0:1024]"]) == (steps[1].result, filled(steps[1]))


@every_series
def test_a_whole_table_needs_none(series: str) -> None:
    """It moves itself, and only the rest needs one."""
    lines = "a = mmap bar[0:520] wc shared rw", "b = mremap a 520 pages maymove fixed"

    *_, second, _ = run(series, lines[0], f"fail __pte_alloc 2: {lines[1]}", pages=520)
    *_, first, _ = run(series, lines[0], f"fail __pte_alloc 1: {lines[1]}", pages=520)

    assert ("ok", "ENOMEM") == (second.result, first.result)
    assert ["a[0:520]"] == filled(first)


@every_series
def test_a_move_without_a_copy(series: str) -> None:
    """Nothing has happened (S5.8.14)."""
    mapped, moved, _ = run(series, WC, "fail vm_area_dup 1: b = mremap a[2:5] 3 pages maymove fixed")

    assert "ENOMEM" == moved.result
    assert (mapped.vmas, mapped.book) == (moved.vmas, moved.book)


@for_each(("nth", "left"), [(2, ["a[0:8]"]), (3, ["a[0:2]", "a[2:8]"])])
@every_series
def test_a_source_that_cannot_be_cut(series: str, nth: int, left: list[str]) -> None:
    """The move is a success, and the source stays without the entries that were moved (S5.8.15)."""
    *_, moved, _ = run(series, WC, f"fail vm_area_dup {nth}: b = mremap a[2:5] 3 pages maymove fixed")

    assert ("ok", [*left, "b[0:3]"]) == (moved.result, spans(moved))
    assert ["a[0:2]", "a[5:8]", "b[0:3]"] == filled(moved)


@for_each(("nth", "codes"), [(1, ["ac"]), (2, ["", "ac"]), (4, ["ac", "ac", "ac"])])
@every_series
def test_a_source_that_cannot_be_cut_is_not_accounted(series: str, nth: int, codes: list[str]) -> None:
    """VM_ACCOUNT goes from all of it; where it is cut, or nothing is moved, it has it (S5.8.15)."""
    *_, moved, _ = run(series, ANON, f"fail vm_area_dup {nth}: b = mremap a[2:5] 3 pages maymove fixed")

    accounted = ["ac" if "ac" in vma.flags.split() else "" for vma in moved.vmas or ()]
    assert codes == accounted


@every_series
def test_a_merged_copy_is_no_copy(series: str) -> None:
    """Where the new place merges with the source the first copy is that of a cut."""
    over = "mremap a[4:8] 4 pages maymove fixed over a[16:20]"

    *_, moved, _ = run(series, ANON, f"fail vm_area_dup 1: {over}", area=20)

    assert "ok" == moved.result


@for_each("how", ["remap", "apply", "insert_page", "insert_pages", "map_pages", "ram", "narrowed"])
@for_each("series", ["6.1", "6.12", "7.2", "7.3"])
def test_a_mapping_without_a_page_table(series: str, how: str) -> None:
    """mmap fails, and leaves nothing (S5.16.1)."""
    mapped, end = run(series, f"fail __pte_alloc 1: a = mmap bar[0:8] driver {how} wc shared rw")

    assert ("ENOMEM", [], ()) == (mapped.result, spans(mapped), end.book)


@for_each(
    ("how", "result"),
    [("fault", "ok"), ("mixed", "ok"), ("fault_remap", "EFAULT"), ("page_mkwrite", "ok")],
)
def test_a_handler_without_a_page_table(how: str, result: str) -> None:
    """One that inserts ends with VM_FAULT_OOM, one that remaps with SIGBUS; who gives a page needs none."""
    *_, touched, _ = run(
        "7.3", f"a = mmap bar[0:8] driver {how} wc shared rw", "fail __pte_alloc 1: read a[3]"
    )

    assert (result, how in ("fault", "mixed")) == (touched.result, touched.log == HUH)


@every_series
def test_a_fork_of_mappings_in_one_table(series: str) -> None:
    """All but the first find the table that is there; the next one is for the process's own memory."""
    *_, forked, _ = run(series, WC, "mprotect a[2:4] r", "fail __pte_alloc 2: c = fork")

    copied = [event for event in forked.events or () if event.startswith("dup ")]
    assert ("ENOMEM", ["dup a[0]", "dup a[2]", "dup a[4]"]) == (forked.result, copied)


def test_shared_memory_has_its_table_ahead() -> None:
    """Shared anonymous memory is given by a handler: nothing can be made to fail there."""
    *_, touched, _ = run("7.3", "a = mmap anon[0:8] shared rw", "fail __pte_alloc 1: write a[3] 7")

    assert ("ok", ()) == (touched.result, touched.log)


@for_each(
    ("function", "call"),
    [("__pte_alloc", "t = thread"), ("__pte_alloc", "exec"), ("vm_area_dup", "exec")],
)
def test_memory_of_the_programs_own_is_undecided(function: str, call: str) -> None:
    """Nobody knows how often it allocates."""
    with pytest.raises(Undecided, match="the program's own memory"):
        run("7.3", WC, f"fail {function} 1: {call}")


@given(st.integers(0, 1 << 20), st.integers(1, 3))
def test_a_table_is_made_unless_it_is_to_fail(vpn: int, nth: int) -> None:
    """Of three tables just the one that is to fail is not there, and those above it are."""
    mm = Kernel(PROFILES["7.3"], qemu_q35(), TRACKERS["track_ctx"]).start_task("demo").mm
    mm.kernel.failures.force("__pte_alloc", nth)

    made = [pte_alloc(mm, vpn + number * 512) for number in range(3)]

    assert [number + 1 != nth for number in range(3)] == made
    assert made == [mm.tables.has_table(vpn + number * 512, 1) for number in range(3)]
    assert all(mm.tables.has_table(vpn + number * 512, 2) for number in range(3))


VFIO = "a = mmap bar[0:4] vfio shared rw"
DEVMEM = "a = mmap bar[0:4] devmem shared rw"


@for_each(
    ("series", "mapping", "result"),
    [
        *(("7.3", VFIO, "ok"), ("6.12", VFIO, "ok"), ("6.1", VFIO, "ok")),
        *(("7.3", DEVMEM, "ok"), ("6.12", DEVMEM, "EAGAIN"), ("6.1", DEVMEM, "EAGAIN")),
        *(("7.3", WC, "EINVAL"), ("6.12", WC, "EINVAL"), ("6.1", WC, "EINVAL")),
    ],
)
def test_an_entry_of_the_book_fails_in_its_function_alone(series: str, mapping: str, result: str) -> None:
    """vfio-pci maps registers first, outside of it; in two phases /dev/mem comes to another one (S5.16.5)."""
    failed, _ = run(series, f"fail kmalloc 1 in remap_pfn_range: {mapping}")

    assert result == failed.result


@every_series
def test_only_the_first_call_of_the_outer_function_counts(series: str) -> None:
    """The second VMA of a fork is copied by a call of its own."""
    alone = run(
        series, WC, "b = mmap bar[8:12] wc shared rw", "fail __pte_alloc 2 in copy_page_range: c = fork"
    )
    anywhere = run(series, WC, "b = mmap bar[8:12] wc shared rw", "fail __pte_alloc 2: c = fork")

    assert ("ok", "ENOMEM") == (alone[-2].result, anywhere[-2].result)


@every_series
def test_an_outer_function_that_is_not_called(series: str) -> None:
    """Nothing fails in it: the page table is made by a fault."""
    _, touched, _ = run(series, ANON, "fail __pte_alloc 1 in copy_page_range: read a[3]")

    assert "ok" == touched.result


@every_series
def test_an_outer_function_that_the_model_does_not_know(series: str) -> None:
    """Undecided, with those that it knows."""
    with pytest.raises(
        Undecided, match="what is called in dup_mmap, only in copy_page_range, free_pgtables, r"
    ):
        run(series, ANON, "fail vm_area_dup 1 in dup_mmap: c = fork")


@for_each(
    "moved",
    [
        ("a = mmap anon[0] private rw populate", "fail __pte_alloc 1: mremap a 1 page maymove dontunmap"),
        (
            "a = mmap anon[0:3] private rw populate",
            "mprotect a[2] r",
            "fail __pte_alloc 1: mremap a[0:2] 4 pages maymove",
        ),
        (
            "a = mmap anon[0:2] private rw populate",
            "mremap a 2 pages maymove dontunmap",
            "fail __pte_alloc 1: c = fork",
        ),
    ],
)
@every_series
def test_a_table_that_is_to_fail_where_the_kernel_chose_the_place(
    series: str, moved: tuple[str, ...]
) -> None:
    """The program's own memory may have the table there already (S5.16.6)."""
    with pytest.raises(Undecided, match="where the kernel chose the place"):
        run(series, *moved)


@every_series
def test_a_table_that_is_to_fail_at_a_place_of_the_programs(series: str) -> None:
    """Nothing else is there, so the move fails."""
    *_, failed, _ = run(
        *(series, "a = mmap anon[0] private rw populate"),
        "fail __pte_alloc 1: b = mremap a 1 page maymove fixed dontunmap",
    )

    assert "ENOMEM" == failed.result
