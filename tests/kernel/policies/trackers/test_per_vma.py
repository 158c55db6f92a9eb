"""per_vma: nothing is shared; a copy reserves again, a cut reserves its parts."""

from __future__ import annotations

import pytest
from tracker_runs import DRIVER, MAP, book, log, run

from pfnlab.checker.check import check
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

SPEC = "7.2,tracker=per_vma"
LONG = pytest.mark.target("long")
WHOLE = ["bar[0:4] wc"]


def calls(step: Step) -> list[str]:
    """The calls of the book in a step, in their order."""
    return [event for event in step.events or () if event.split()[0] in ("reserve", "erase")]


@pytest.mark.parametrize(
    ("cut", "left"),
    [
        ("munmap a[0]", ["bar[1:4] wc"]),
        ("munmap a[2:4]", ["bar[0:2] wc"]),
        ("munmap a[1]", ["bar[0:1] wc", "bar[2:4] wc"]),
        ("mremap a 3 pages", ["bar[0:3] wc"]),
        ("mprotect a[1] r", ["bar[0:1] wc", "bar[1:2] wc", "bar[2:4] wc"]),
    ],
)
def test_what_is_cut_has_an_entry_each(cut: str, left: list[str]) -> None:
    """Head, tail, middle: what is unmapped leaves the book; what is only cut costs an entry."""
    _, after, end = run(SPEC, MAP, cut)

    assert (left, []) == (book(after), book(end))


def test_a_child_has_an_entry_of_its_own() -> None:
    """What the parent unmaps is the child's alone, and goes with it."""
    _, forked, parent, child, gone, _ = run(SPEC, MAP, "c = fork", "munmap a[0]", "c: munmap a[0]", "c: exit")

    assert WHOLE * 2 == book(forked)
    assert ["bar[0:4] wc", "bar[1:4] wc"] == book(parent)
    assert (["bar[1:4] wc"] * 2, ["bar[1:4] wc"]) == (book(child), book(gone))


def test_what_mremap_moves_in_part_has_an_entry_of_its_own() -> None:
    """The old place is cut when the part has moved."""
    *_, moved, rest, _ = run(SPEC, MAP, "b = mremap a[1:3] 2 pages maymove fixed", "munmap a[3]")

    assert ["bar[0:1] wc", "bar[1:3] wc", "bar[3:4] wc"] == book(moved)
    assert ["bar[0:1] wc", "bar[1:3] wc"] == book(rest)


def test_a_private_mapping_is_cut_as_well() -> None:
    """Its offset became its first frame."""
    _, after, _ = run(SPEC, "a = mmap bar[2:6] wc private rw", "munmap a[1]")

    assert ["bar[2:3] wc", "bar[4:6] wc"] == book(after)


def test_frames_are_reserved_before_they_are_freed() -> None:
    """At no moment of a cut is any of them free: both parts are reserved, then the whole is freed."""
    _, after, _ = run(SPEC, MAP, "mprotect a[1:4] r")

    assert ["reserve bar[0]", "reserve bar[1]", "erase bar[0]"] == calls(after)


@pytest.mark.parametrize("nth", [1, 2])
def test_a_cut_without_memory_leaves_one_entry(nth: int) -> None:
    """Whichever part is refused, the munmap is, and may be tried again."""
    _, failed, cut, end = run(SPEC, MAP, f"fail pfnmap_track {nth}: munmap a[0]", "munmap a[0]")

    assert ("ENOMEM", WHOLE) == (failed.result, book(failed))
    assert (["bar[1:4] wc"], [], []) == (book(cut), book(end), log((failed, cut, end)))


def test_a_fork_without_memory_leaves_the_parents_entries() -> None:
    """The first of two mappings was reserved for the child by then."""
    _, _, failed, end = run(SPEC, MAP, "b = mmap bar[4:8] wc shared rw", "fail pfnmap_track 2: c = fork")

    assert ("ENOMEM", ["bar[0:4] wc", "bar[4:8] wc"]) == (failed.result, book(failed))
    assert ([], []) == (book(end), log((failed, end)))


def test_a_move_without_memory_leaves_the_old_place() -> None:
    """As where there is none for the copy of the VMA."""
    _, failed, read, _ = run(
        SPEC, MAP, "fail pfnmap_track 1: b = mremap a 4 pages maymove fixed", "read a[0]"
    )

    assert ("ENOMEM", "ok", WHOLE) == (failed.result, read.result, book(read))


@pytest.mark.parametrize(
    ("line", "freed"),
    [
        ("munmap a[0]", "free a[1]"),
        ("b = mremap a 4 pages maymove fixed", "free b[0]"),
        ("c = fork", "free a[0]"),
    ],
)
def test_a_vma_without_memory_is_freed(line: str, freed: str) -> None:
    """The new VMA is there by then; evidence/patches/no-memory-again.pfn shows it on the kernel."""
    _, failed, _ = run(SPEC, MAP, f"fail pfnmap_track 1: {line}")

    assert [freed] == [event for event in failed.events or () if event.startswith("free ")]


def test_a_mapping_without_memory_is_refused() -> None:
    """As by the book itself: the kernel makes EINVAL of every refusal."""
    failed, _ = run(SPEC, f"fail pfnmap_track 1: {DRIVER}")

    assert ("EINVAL", []) == (failed.result, book(failed))


def test_what_ends_in_ram_is_never_reserved_later() -> None:
    """The whole has no entry, so a part of it that has no RAM gets none."""
    lines = ("pfnlab program 1", "device old: lowmem, 16 pages", "a = mmap old[0:16] devmem shared r")
    program = load_text("\n".join((*lines, "munmap a[0:2]", "")))
    steps = ModelMachine(SPEC).run_one(program, check=True).steps

    assert [] == log(steps)


def test_what_lies_in_the_isa_hole_alone_has_no_entry() -> None:
    """As it would have none if it were mapped alone; and nothing is freed in vain."""
    lines = ("pfnlab program 1", "device old: isa, 16 pages", "b = mmap old[1:16] devmem private r")
    program = load_text("\n".join((*lines, "munmap b[0:13]", "")))
    steps = ModelMachine(SPEC).run_one(program, check=True).steps

    assert ([["old[1:16] uc-"], [], []], []) == ([book(step) for step in steps], log(steps))


@pytest.mark.parametrize(
    ("scope", "inexact"),
    [
        ("ends_modes", []),
        pytest.param("ends_areas", ["ctx_adjust"], marks=LONG),
        pytest.param("ends_driver", ["ctx_adjust", "split_ctx"], marks=LONG),
        pytest.param("ends_forks", ["ctx_adjust", "split_ctx"], marks=LONG),
    ],
)
def test_the_book_is_always_exact(scope: str, inexact: list[str]) -> None:
    """Whatever is cut, moved, forked or zapped, in whatever order, while others fail."""
    asked = questions(["exact"], scope=load_scope(scope))
    verdicts = {
        name: check(ModelMachine(f"7.2,tracker={name}"), load_scope(scope), asked).answers[0].verdict
        for name in ("ctx_adjust", "per_vma", "split_ctx")
    }

    assert inexact == [name for name, verdict in verdicts.items() if verdict != "holds"]
