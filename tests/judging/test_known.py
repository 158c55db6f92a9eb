"""Known violations: until when, during what, and by whom."""

from __future__ import annotations

import re
from pathlib import Path

from for_each import for_each

from pfnlab.judging.judge import ASKED, SEEN
from pfnlab.judging.known import KNOWN, LEFT_OUT, Known, known
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program

DOCS = Path(__file__).parents[2] / "docs"
HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 8 pages\n"


def program(*lines: str) -> Program:
    return load_text(HEAD + "".join(f"{line}\n" for line in lines))


MAPPED = program("a = mmap bar[0:8] wc shared rw", "munmap a[2:4]", "munmap a")


@for_each(("series", "explained"), [("6.1", True), ("6.12", True), ("6.16", False), ("7.2", False)])
def test_a_bug_explains_until_it_was_repaired(series: str, explained: bool) -> None:
    """A violation is known in the series that have its bug, and in no later one."""
    assert bool(known(MAPPED, 2, "no_leak", series)) == explained


def test_a_kernel_of_unknown_version_has_no_old_bugs() -> None:
    """Without a version nothing is excused by a bug that was repaired."""
    assert known(MAPPED, 2, "no_leak", None) == ""


def test_a_rule_of_all_explains_every_kernel() -> None:
    """A rule that all series share explains a kernel of unknown version too."""
    assert known(MAPPED, 2, "direct_map_back", None).startswith("S2.8")


def test_a_reason_that_needs_a_driver_does_not_explain_others() -> None:
    """A program without the driver is not excused by what the driver does."""
    driver = program("a = mmap bar[0:8] driver apply shared rw", "b = mmap bar[0:8] uc shared rw")
    plain = program("a = mmap bar[0:8] wc shared rw", "b = mmap bar[0:8] uc shared rw")
    assert (bool(known(driver, 1, "one_mode", "7.2")), known(plain, 1, "one_mode", "7.2")) == (True, "")


def test_a_reason_for_an_operation_does_not_explain_others() -> None:
    """A violation in another step is not known."""
    assert known(MAPPED, 1, "no_warning", "7.2") == ""


@for_each(("call", "explained"), [("mem_read a[0]", True), ("pagemap a[0:2]", False)])
def test_a_reason_for_a_walker_does_not_explain_others(call: str, explained: bool) -> None:
    """A warning of /proc/self/mem is known, one of pagemap is not."""
    walked = program("a = mmap bar[0:8] wc shared rw", call)
    assert bool(known(walked, 1, "no_warning", "7.2")) == explained


@for_each(
    ("series", "explained"), [("6.12", False), ("6.16", True), ("7.1", True), ("7.2", False), (None, False)]
)
def test_a_bug_explains_from_when_it_was_made(series: str | None, explained: bool) -> None:
    """A violation is known in the series from the bug's first to its last, and in no other."""
    moved = program("a = mmap anon[0] private rw locked", "mremap a 1 page maymove dontunmap")
    assert bool(known(moved, 1, "mm_counts", series)) == explained


def test_a_reason_may_be_an_earlier_operation() -> None:
    """A free behind the kernel's back explains what is missing later, and nothing in front of it."""
    freed = program("a = mmap bar[0:8] wc shared rw", "arch_io_free_memtype_wc bar[0:8]", "munmap a")
    assert [bool(known(freed, step, "freed_once", "7.2")) for step in range(3)] == [False, True, True]
    assert [bool(known(freed, step, "no_loss", "7.2")) for step in range(3)] == [False, True, True]


def test_what_a_program_left_out_explains_what_follows() -> None:
    """A skipped flush explains stale entries from its step on."""
    left_out = program("a = mmap bar[0:8] wc shared rw", "skip flush_tlb_mm_range: munmap a[0:2]", "look")
    assert known(left_out, 0, "flushed", "7.2") == ""
    assert known(left_out, 1, "flushed", "7.2") == LEFT_OUT
    assert known(left_out, 2, "reached", "7.2") == LEFT_OUT


@for_each("entry", KNOWN, ids=lambda entry: f"{entry.name}-{entry.why.partition(':')[0]}")
def test_a_reason_names_a_bug_or_a_rule_that_is_written_down(entry: Known) -> None:
    """Each reason names a property that is asked, and a row of bugs.md or a rule of docs/semantics."""
    name, why = entry.name, entry.why
    page = (DOCS / "judging.md").read_text(encoding="utf-8")
    assert name in {asked.name for asked in ASKED} | set(SEEN) or f"| `{name}` | memory |" in page
    reference = why.partition(":")[0]
    if reference.startswith("S"):
        pages = "".join(path.read_text(encoding="utf-8") for path in (DOCS / "semantics").glob("*.md"))
        assert re.search(rf"\b{re.escape(reference)}\b", pages)
    else:
        assert f"| {reference} |" in (DOCS / "bugs.md").read_text(encoding="utf-8")


@for_each(("beside", "explained"), [("bind bar", True), ("look", False)])
def test_a_mapping_that_escapes_a_driver_is_explained_where_one_claims(beside: str, explained: bool) -> None:
    """Only a driver that claims can be escaped from, and only by an operation that was held."""
    lines = ["c = fork", "hold memtype_reserve: a = mmap bar[0:4] wc shared rw"]
    lines += [f"c: {beside}", "release", "look"]
    escaped = program(*lines)

    assert explained == bool(known(escaped, 3, "claimed_unmapped", "7.2"))
    assert "" == known(escaped, 4, "claimed_unmapped", "7.2")


def test_a_zap_lets_the_direct_map_follow_another_until_6_15() -> None:
    """What a zap drops may be booked with another mode, which the direct map follows (A08)."""
    zapped = program(
        "a = mmap bar[0:8] devmem-sync shared rw", "zap_vma_ptes a[0]", "b = mmap bar[0:8] devmem shared rw"
    )
    assert [bool(known(zapped, 2, "direct_map", series)) for series in ("6.12", "6.16")] == [True, False]
    assert not known(zapped, 0, "direct_map", "6.12")
