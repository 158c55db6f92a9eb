"""S7: who else looks at a mapping, and get_user_pages behind them."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import every_series, last, run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine

MAPPED = ("a = mmap bar[0:4] wc shared rw", "write a[0] 7")
COPIED = ("a = mmap bar[0:4] wc private rw", "write a[0] 7")
ORDINARY = ("a = mmap anon[0:4] private rw", "write a[0] 7")


@every_series
@for_each("store", ["process_vm_writev a[0] 9", "mem_write a[0] 9"])
def test_ordinary_memory_can_be_written_from_outside(series: str, store: str) -> None:
    """The task reads what was written."""
    assert ("ok", 9) == last(series, *ORDINARY, store, "read a[0]")


@every_series
def test_an_empty_page_of_ordinary_memory_is_faulted_in(series: str) -> None:
    """get_user_pages faults where a walker of page tables finds nothing."""
    assert ("ok", "EFAULT" if series == "6.1" else "ENOENT") == last(series, *ORDINARY, "move_pages a[1]")
    assert ("ok", 0) == last(series, *ORDINARY, "vmsplice a[1]")
    assert ("ok", "present+soft-dirty") == last(series, *ORDINARY, "vmsplice a[1]", "pagemap a[1]")
    woken = last(series, *ORDINARY, "futex_wake a[1]", "pagemap a[1]")
    assert ("ok", "present+exclusive+soft-dirty") == woken


@every_series
@for_each(("mapped", "copied"), [(COPIED, "EFAULT"), (ORDINARY, "node0")])
def test_only_pages_that_may_migrate_can_be_moved_to_a_node(
    series: str, mapped: tuple[str, ...], copied: str
) -> None:
    """move_pages finds the page in both, and moves none of a mapping with VM_IO or VM_PFNMAP."""
    assert ("ok", "node0") == last(series, *mapped, "move_pages a[0]")
    assert ("ok", copied) == last(series, *mapped, "move_pages a[0] node0")


@every_series
def test_what_is_not_mapped_cannot_be_moved(series: str) -> None:
    """EFAULT, a status of the page, not of the call."""
    assert ("ok", "EFAULT") == last(series, *MAPPED, "munmap a[1]", "move_pages a[1] node0")


@every_series
def test_the_device_is_written_through_proc_mem(series: str) -> None:
    """Its driver's access maps the page for a moment: nothing stays in the book."""
    steps = run(series, *MAPPED, "mem_write a[1] 9", "read a[1]")

    assert ("ok", 9) == (steps[-1].result, steps[-1].value)
    assert steps[1].book == steps[2].book
    assert ("reserve bar[1]", "erase bar[1]") == steps[2].events


@every_series
@for_each("prot", ["r", "none"])
def test_a_device_page_without_write_permission_is_not_written(series: str, prot: str) -> None:
    """The entry has to be writable."""
    assert ("EIO", None) == last(series, *MAPPED, f"mprotect a {prot}", "mem_write a[0] 9")


@every_series
def test_protection_of_ordinary_memory(series: str) -> None:
    """A debugger's rights are no longer had through /proc/self/mem from 7.1 on."""
    forced = series not in ("7.1", "7.2", "7.3")

    assert ("ok" if forced else "EIO") == last(series, *ORDINARY, "mprotect a r", "mem_write a[0] 9")[0]
    assert ("ok" if forced else "EIO") == last(series, *ORDINARY, "mprotect a none", "mem_read a[0]")[0]


@for_each("series", [*(one for one in SERIES if one not in ("6.12", "7.3")), "6.12.117", "7.3-rc7"])
def test_a_refused_page_says_so_once(series: str) -> None:
    """The kernel does not map ordinary memory a second time for itself, and warns once."""
    steps = run(series, *COPIED, "mem_read a[0]", "mem_read a[0]")

    assert ("EIO", "EIO") == (steps[-2].result, steps[-1].result)
    assert (2, 0) == (len(steps[-2].log), len(steps[-1].log))


@for_each("version", ["6.12.118", "7.3.4"])
def test_a_refused_page_is_refused_in_silence(version: str) -> None:
    """generic_access_phys() asks whether it is memory, and ioremap() is not called."""
    step = run(version, *COPIED, "mem_read a[0]")[-1]

    assert ("EIO", ()) == (step.result, step.log)


@every_series
def test_a_pin_unshares(series: str) -> None:
    """A page shared with a child is copied before it is pinned, not before it is only read."""
    shared = (*ORDINARY, "c = fork")
    steps = run(series, *shared, "vmsplice a[0]", "process_vm_readv a[0]", "process_vm_readv a[0]")

    assert () == steps[-3].events
    assert ("fault a[0]", "wp_fault a[0]", "pte_clear_flush a[0]", "flush a[0:1]") == steps[-2].events
    assert () == steps[-1].events


@every_series
def test_the_last_sharer_keeps_its_page(series: str) -> None:
    """Nothing is copied when nobody shares it any more."""
    steps = run(series, *ORDINARY, "c = fork", "c: exit", "process_vm_readv a[0]")

    assert ("fault a[0]", "wp_fault a[0]") == steps[-1].events


@every_series
def test_a_futex_wants_a_page_that_can_change(series: str) -> None:
    """A copied page that is read-only has none, though it can be taken hold of."""
    assert ("ok", 0) == last(series, *COPIED, "futex_wake a[0]")
    assert ("EFAULT", None) == last(series, *COPIED, "mprotect a r", "futex_wake a[0]")
    assert ("ok", 7) == last(series, *COPIED, "mprotect a r", "vmsplice a[0]")


@every_series
def test_numa_maps_counts_by_vma(series: str) -> None:
    """Each VMA that begins in the range and has pages."""
    text = (*ORDINARY, "write a[2] 1", "mprotect a[2:4] r", "numa_maps a")

    assert ("ok", "a[0] anon=1 dirty=1 N0=1; a[2] anon=1 dirty=1 N0=1") == last(series, *text)


@every_series
@for_each(
    ("span", "told"),
    [
        ("a", "a[0:2] Rss=4; a[2:4] Rss=4"),
        ("a[0]", "a[0:2] Rss=4"),
        ("a[1:3]", "a[0:2] Rss=4; a[2:4] Rss=4"),
        ("b", "b[0:4] Rss=0"),
    ],
)
def test_smaps_tells_of_each_vma_in_the_range(series: str, span: str, told: str) -> None:
    """Whole VMAs that have a page in it, with the kB of their ordinary pages (S7.5.2)."""
    mapped = (*ORDINARY, "write a[2] 1", "mprotect a[2:4] r", "b = mmap bar[0:4] wc shared rw")

    assert ("ok", told) == last(series, *mapped, f"smaps {span}")


@every_series
def test_smaps_tells_nothing_of_a_hole(series: str) -> None:
    """Reading the file is a success all the same."""
    assert ("ok", None) == last(series, *ORDINARY, "munmap a[1:3]", "smaps a[1:3]")


@for_each("reader", ["smaps", "smaps_rollup"])
def test_whoever_reads_smaps_takes_leaves_of_a_gigabyte_away(reader: str) -> None:
    """Also those of VMAs that were not asked about: the file is read to its end (S7.5.3)."""
    giant = "a = mmap bar[0:262144] driver fault_pud shared rw"
    mapped = ("area a: 262144 pages", "b = mmap bar[0:4] wc shared rw", "t = thread", giant)
    held = ("hold unmap_vmas: munmap b", "t: read a[5]", f"t: {reader} b", "release")
    program = load_text("\n".join(("pfnlab program 1", "device bar: pci, 1 GiB", *mapped, *held, "")))

    # Nobody else reads it while the kernel stands still, and the flush waits for the held processor.
    *_, read, asked, _, _ = ModelMachine("7.3").run_one(program, check=True).steps

    assert [["L3"], ["none@L3"]] == [
        [pte.entry.split()[0] for pte in step.ptes or () if pte.span.name == "a"] for step in (read, asked)
    ]
    assert ("waits", "IPI") == (asked.result, asked.value)


LOCKED = (*ORDINARY, "b = mmap bar[0:4] wc shared rw", "t = thread")


@every_series
def test_smaps_behind_a_writer(series: str) -> None:
    """Only until 7.1 does a reader of smaps wait for mmap_lock like any other (S7.5.9)."""
    held = ("u = thread", "hold flush_tlb_mm_range: munmap b", "t: munmap a[2:4]", "u: smaps a")
    step = run(series, *LOCKED, *held, "release")[-2]

    waits = series not in ("7.2", "7.3")
    assert (("waits", "mmap_lock") if waits else ("ok", "a[0:4] Rss=4")) == (step.result, step.value)


@for_each(
    ("held", "result"),
    [
        ("hold flush_tlb_mm_range: mprotect b r", "waits"),
        ("hold unmap_vmas: mmap anon[0] private r over a[1]", "waits"),
        ("hold flush_tlb_mm_range: munmap b", "ok"),
    ],
)
def test_smaps_waits_for_a_vma_that_is_locked(held: str, result: str) -> None:
    """Whichever it is: the reader comes to all of them (S7.5.9)."""
    step = run("7.3", *LOCKED, held, "t: smaps a", "release")[-2]

    assert result == step.result


def test_smaps_reads_what_is_in_front_of_a_locked_vma_before_it_waits() -> None:
    """And what is behind it afterwards (S7.5.9)."""
    mapped = (
        "a = mmap anon[0:4] private rw",
        "b = mmap bar[0:4] wc shared rw",
        "c = mmap anon[0:4] private rw",
    )
    threads = (
        "write a[0] 1",
        "write c[0] 1",
        "t = thread",
        "u = thread",
        "hold change_protection: mprotect b r",
    )

    def seen(area: str) -> object:
        return run("7.3", *mapped, *threads, f"t: smaps {area}", f"u: write {area}[1] 2", "release")[-1].value

    assert ("main ok; t ok a[0:4] Rss=4", "main ok; t ok c[0:4] Rss=8") == (seen("a"), seen("c"))


@every_series
@for_each(
    ("span", "told"),
    [
        ("a", "Rss=8 Anonymous=8"),
        ("a[0]", "Rss=4 Anonymous=4"),
        ("b", "Rss=0 Anonymous=0"),
        ("c", "Rss=4 Anonymous=0"),
    ],
)
def test_smaps_rollup_adds_up_the_vmas_in_the_range(series: str, span: str, told: str) -> None:
    """Whole VMAs that have a page in it; pages of a file are not anonymous (S7.5.11)."""
    mapped = (*ORDINARY, "write a[2] 1", "mprotect a[2:4] r", "b = mmap bar[0:4] wc shared rw")
    shared = ("c = mmap anon[0:4] shared rw", "write c[0] 1")

    assert ("ok", told) == last(series, *mapped, *shared, f"smaps_rollup {span}")


@every_series
def test_smaps_rollup_counts_copied_pages_as_smaps_does(series: str) -> None:
    """Those of a PFN mapping not until 6.1 (S7.5.2)."""
    kb = 0 if series == "6.1" else 4

    assert ("ok", f"Rss={kb} Anonymous={kb}") == last(series, *COPIED, "smaps_rollup a")
    assert ("ok", f"a[0:4] Rss={kb}") == last(series, *COPIED, "smaps a")


@every_series
def test_smaps_rollup_waits_behind_a_writer(series: str) -> None:
    """On every kernel, also where smaps locks VMAs one by one (S7.5.11)."""
    held = ("u = thread", "hold flush_tlb_mm_range: munmap b", "t: munmap a[2:4]", "u: smaps_rollup a")
    step = run(series, *LOCKED, *held, "release")[-2]

    assert ("waits", "mmap_lock") == (step.result, step.value)


@every_series
def test_locked_memory_is_counted_until_all_is(series: str) -> None:
    """Device pages are never locked; after mlockall the program's own memory counts as well."""
    assert ("ok", "VmLck=0 VmPin=0") == last(series, *MAPPED, "mlock a", "status")
    assert ("ok", "VmLck=8 VmPin=0") == last(series, *ORDINARY, "mlock a[0:2]", "status")
    assert ("ok", "VmLck=N VmPin=0") == last(series, *ORDINARY, "mlockall", "status")


def test_a_userfaultfd_on_ordinary_memory_has_no_rule() -> None:
    """It is undecided, not guessed."""
    with pytest.raises(Undecided, match="userfaultfd"):
        run("7.2", *ORDINARY, "userfaultfd a")


#: One page of the device, and ordinary memory behind it with a page of its own.


def test_mincore_of_a_mapping_that_nothing_stands_for_is_undecided() -> None:
    """The kernel hands out a page that it did not fill; from 7.3 on it walks, and nothing is skipped."""
    with pytest.raises(Undecided, match="uninitialised bytes"):
        run("6.12,skipped_are_holes=off", *MAPPED, "mincore a")

    assert ("ok", "1111") == last("7.3,skipped_are_holes=off", *MAPPED, "mincore a")


@every_series
def test_mincore_tells_the_pages_before_a_hole(series: str) -> None:
    """S7.5.6: the call fails there, and had told those."""
    assert ("ENOMEM", "1100") == last(
        series, *ORDINARY, "read a[0]", "write a[1] 1", "munmap a[2:4]", "mincore a"
    )


@every_series
@for_each("reader", ["vmsplice", "futex_wake"])
@for_each(
    "mapped, touch",
    [("anon[0] shared rw", "read a[0]"), ("bar[0] devmem-sync private rwx", "write a[0] 7")],
    ids=["a page of a file", "a copied page"],
)
def test_the_fast_lookup_leaves_execute_only_memory_alone(
    series: str, reader: str, mapped: str, touch: str
) -> None:
    """The key of the entry refuses every access, and the VMA too (S7.2.2)."""
    taken = last(series, f"a = mmap {mapped}", touch, "mprotect a x", f"{reader} a[0]")

    assert ("EFAULT", None) == taken


@every_series
@for_each("change", ["mprotect a r", "mprotect a rx", "pkey_mprotect a rw keyed"])
def test_the_fast_lookup_takes_what_its_key_lets_through(series: str, change: str) -> None:
    """Once the memory is no longer execute-only, or with a key of the process's own."""
    taken = last(series, "a = mmap anon[0] shared rw", "read a[0]", "mprotect a x", change, "futex_wake a[0]")

    assert "ok" == taken[0]
