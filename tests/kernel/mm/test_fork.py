"""S5.11: what fork copies."""

from __future__ import annotations

from for_each import for_each
from series_runs import SHARED, every_series
from series_runs import run_to_end as run

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Step


def child(step: Step) -> list[tuple[str, str]]:
    """The child's entries after a step."""
    return [(str(seen.span), seen.entry) for seen in step.ptes or () if seen.target and seen.task == "c"]


def parent(step: Step) -> list[tuple[str, str]]:
    """The parent's entries after a step."""
    return [(str(seen.span), seen.entry) for seen in step.ptes or () if seen.target and seen.task == "main"]


@every_series
def test_shared_entries_are_copied_old(series: str) -> None:
    """PFN entries are copied at once; the child's are not accessed (S5.11.1, S5.11.2)."""
    _, forked, _ = run(series, SHARED, "c = fork")

    assert [("a[0:8]", "L1 WC P RW US SPECIAL")] == child(forked)
    assert [("a[0:8]", "L1 WC P RW US SPECIAL A")] == parent(forked)


@every_series
def test_shared_entries_are_copied_clean(series: str) -> None:
    """The child's shared entries are clean, the parent's stay dirty (S5.11.2)."""
    *_, forked, _ = run(series, "a = mmap bar[0:1] wc shared rw", "write a[0] 7", "c = fork")

    assert [("a[0:1]", "L1 WC P RW US SPECIAL")] == child(forked)
    assert [("a[0:1]", "L1 WC P RW US SPECIAL A D")] == parent(forked)


@for_each(("series", "dirty"), [(s, " D" if s == "6.1" else "") for s in SERIES])
def test_copied_pages_lose_write_permission(series: str, dirty: str) -> None:
    """A copied page becomes read-only in both; its dirty bit is hidden from 6.12 on (S1.3)."""
    *_, forked, _ = run(series, "a = mmap bar[0:2] wc private rw", "write a[1] 7", "c = fork")

    assert ("a[1:2]", f"L1 WC P RO US A{dirty}") == parent(forked)[1]
    assert ("a[1:2]", f"L1 WC P RO US{dirty}") == child(forked)[1]


@every_series
def test_no_access_is_copied_too(series: str) -> None:
    """PROT_NONE entries keep mode and special bit in the child."""
    *_, forked, _ = run(series, "a = mmap bar[0:2] uc shared none", "c = fork")

    assert [("a[0:2]", "L1 UC- !P RO SPECIAL")] == child(forked)


@every_series
def test_flags_of_the_child(series: str) -> None:
    """The child's VMAs equal the parent's, tracking included."""
    *_, forked, _ = run(series, SHARED, "madvise a random", "c = fork")

    assert 1 == len({(str(vma.span), vma.flags, vma.offset) for vma in forked.vmas or ()})


@every_series
def test_locks_are_not_inherited(series: str) -> None:
    """A child's memory is not locked, neither now nor later."""
    *_, forked, mapped, _ = run(
        series, "mlockall", "a = mmap anon[0:2] private rw", "c = fork", "c: b = mmap anon[0:2] private rw"
    )

    assert [0] == [vma.locked for vma in forked.vmas or () if vma.task == "c"]
    assert [0, 0] == [vma.locked for vma in mapped.vmas or () if vma.task == "c"]


@every_series
def test_wipeonfork(series: str) -> None:
    """Anonymous memory that is wiped reads zero in the child."""
    *_, value, _ = run(
        series,
        "a = mmap anon[0:1] private rw",
        "write a[0] 7",
        "madvise a wipeonfork",
        "c = fork",
        "c: read a[0]",
    )

    assert ("ok", 0) == (value.result, value.value)


@every_series
def test_a_child_of_nobody(series: str) -> None:
    """Where the fork fails, whatever the child was to do is ESRCH."""
    *_, nothing, _ = run(series, "a = mmap bar[0:1] wc private rw", "write a[0] 7", "c = fork", "c: munmap a")

    assert ("ESRCH" if series in SERIES[:2] else "ok") == nothing.result


@every_series
def test_grandchildren(series: str) -> None:
    """A child forks like its parent, and the last one to go leaves nothing."""
    *_, end = run(series, SHARED, "c = fork", "c: d = fork", "exit", "c: kill", "d: munmap a")

    assert ((), ()) == (end.book, end.log)


@for_each("series", SERIES[:2])
def test_a_failed_fork_of_a_split_mapping(series: str) -> None:
    """Pieces booked for the child before the failure are given back one by one (S3.5.4)."""
    *_, before, forked, _ = run(
        series,
        *(SHARED, "mprotect a[0:4] r", "b = mmap bar[8:9] wc private rw", "write b[0] 7", "c = fork"),
    )

    assert ("ENOMEM", before.book, before.vmas, ()) == (forked.result, forked.book, forked.vmas, forked.log)


@every_series
def test_a_fork_of_nothing_mapped_can_fail_too(series: str) -> None:
    """The process's own memory needs page tables as well, after all that the program mapped."""
    first, second, *_ = run(series, "fail __pte_alloc 1: c = fork", "d = fork", "d: exit")

    assert ("ENOMEM", "ok") == (first.result, second.result)
    assert "finish" in (first.events or ())


LARGE = "a = mmap bar[0:1024] wc shared rw"


@for_each("series", ["7.0", "7.2", "7.3"])
@for_each(
    ("fork", "flushes"),
    [
        ("fail __pte_alloc 1: c = fork", ["flush a[0:1]"]),
        ("fail __pte_alloc 2: c = fork", ["flush a[0:512]", "flush a[0:1]"]),
        ("fail __pte_alloc 3: c = fork", ["flush a[0:1024]", "flush a[0:1024]"]),
    ],
    ids=["first table", "second table", "own memory"],
)
def test_a_refused_fork_flushes_entries_and_tables(series: str, fork: str, flushes: list[str]) -> None:
    """What was copied goes at once, with page tables of all levels, which begin below (S3.5.7, S3.5.8)."""
    _, forked, *_ = run(series, LARGE, fork, pages=1024)

    assert flushes == [event for event in forked.events or () if event.startswith("flush a[")]


@for_each("series", ["6.1", "6.12", "6.19"])
def test_a_copy_that_dies_flushes_nothing_of_its_own(series: str) -> None:
    """Up to 6.19 a refused fork leaves a whole address space, which never ran (S3.5.7)."""
    _, forked, *_ = run(series, LARGE, "fail __pte_alloc 2: c = fork", pages=1024)

    assert [] == [event for event in forked.events or () if event.startswith("flush a[")]


def test_a_table_that_was_not_made_is_not_flushed() -> None:
    """A copy that stops at its first table has the upper levels alone, wherever in them it lies (S3.5.8)."""
    ops = ("mmap anon[0] private rw over a[1025]", "write a[1025] 1", "fail __pte_alloc 1: t1 = fork")
    *_, forked, _ = run("7.2", *ops, area=1026)

    assert ["flush a[0:1]"] == [event for event in forked.events or () if event.startswith("flush a[")]


@for_each(
    ("function", "words"), [("__pte_alloc", "how many page tables"), ("vm_area_dup", "how many mappings")]
)
def test_a_later_failure_in_own_memory_is_undecided(function: str, words: str) -> None:
    """That it needs a table and a mapping is known, and how many is not."""
    text = f"pfnlab program 1\ndevice bar: pci, 1 page\n\nfail {function} 2: c = fork\n"

    assert words in str(ModelMachine("7.2").run([load_text(text)])[0].undecided)


@every_series
@for_each(("nth", "copied"), [(1, []), (2, ["dup a[0]"]), (3, ["dup a[0]", "dup a[2]"])])
def test_a_fork_fails_at_the_copy_of_a_vma(series: str, nth: int, copied: list[str]) -> None:
    """Those before it are copied, and the book is as before; behind all areas come the process's own."""
    *_, before, failed, _ = run(series, SHARED, "munmap a[1]", f"fail vm_area_dup {nth}: c = fork")

    assert "ENOMEM" == failed.result
    assert before.book == failed.book
    assert copied == [event for event in failed.events or () if event.startswith("dup ")]


LEAF = "a = mmap bar driver fault_pud shared rw", "write a[0] 1"


@for_each(("cut", "decided"), [("madvise a[0:512] dontfork", False), ("madvise a dontdump", True)])
def test_a_part_of_a_leaf_of_a_gigabyte_has_no_rule(cut: str, decided: bool) -> None:
    """A whole leaf is copied as it is (S5.11.4)."""
    lines = ("pfnlab program 1", "device bar: pci, 1 GiB", *LEAF, cut, "c = fork")
    program = load_text("".join(f"{line}\n" for line in lines))

    (made,) = ModelMachine("7.3", LookLevel.MEMORY).run([program])

    assert decided is (made.undecided is None)
