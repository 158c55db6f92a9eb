"""S9.11: the pages of the clock, which every process has, and which no file has."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import entries, every_series, last, run, run_to_end, spans

from pfnlab.base.errors import Undecided
from pfnlab.programs.runs.observation import Step

MOVED = "v = mremap vvar 4 pages maymove fixed"

#: A series of each kind: one page, two frames, two counted pages, four pages.
KINDS = ["6.12", "7.0", "7.2", "7.3"]


def flags(step: Step) -> set[str]:
    """The flags of the one VMA after a step."""
    (vma,) = step.vmas or ()
    return set(vma.flags.split())


def mapped(series: str, *ops: str) -> list[str]:
    """The pages that have entries in the end."""
    return [pages for pages, _ in entries(run(series, *ops)[-1])]


@every_series
def test_it_is_four_pages_to_be_read(series: str) -> None:
    """Nobody may ever write to them, or execute them."""
    (step,) = run(series, MOVED)

    assert ["v[0:4]"] == spans(step)
    assert {"rd", "mr", "de", "dd"} <= flags(step)
    assert not flags(step) & {"wr", "mw", "me", "sh"}


@for_each(
    ("series", "kind"), [("6.1", {"pf", "io"}), ("7.0", {"pf", "io"}), ("7.1", {"mm", "io"}), ("7.3", {"mm"})]
)
def test_it_is_a_pfn_mapping_up_to_7_0(series: str, kind: set[str]) -> None:
    """Then it has counted pages, and 7.3 lets others in."""
    assert kind == flags(run(series, MOVED)[0]) & {"pf", "io", "mm"}


@for_each(("series", "pages"), [("6.12", [0]), ("6.16", [0, 2]), ("7.2", [0, 2]), ("7.3", [0, 1, 2, 3])])
def test_these_pages_are_there(series: str, pages: list[int]) -> None:
    """A touch of any other is SIGBUS."""
    results = [step.result for step in run(series, MOVED, *(f"read v[{page}]" for page in range(4)))[1:]]

    assert pages == [page for page, result in enumerate(results) if result == "ok"]


@for_each(("series", "entry"), [("7.0", "L1 WB P RO US SPECIAL A"), ("7.1", "L1 WB P RO US A")])
def test_a_frame_is_special_and_a_page_is_not(series: str, entry: str) -> None:
    """The page is counted, too."""
    step = run(series, MOVED, "read v[0]")[-1]

    assert [("v[0:1]", entry)] == entries(step)
    assert 4 * (series == "7.1") == (step.vmas or ())[0].rss


@for_each("series", KINDS)
def test_what_is_in_it_is_not_reported(series: str) -> None:
    """It changes by itself."""
    assert ("ok", None) == last(series, MOVED, "read v[0]")


@for_each("series", KINDS)
def test_nothing_of_it_is_booked(series: str) -> None:
    """RAM never is."""
    assert not any(step.book for step in run_to_end(series, MOVED, "read v[0]", "munmap v"))


@for_each(
    "op",
    ["munmap v[1]", "mprotect v[0:2] none", "madvise v[0:2] random", "mbind v[0:2] bind", "mremap v 2 pages"],
)
@for_each("series", KINDS)
def test_nobody_cuts_it(series: str, op: str) -> None:
    """It stays one VMA of four pages."""
    step = run(series, MOVED, op)[-1]

    assert ("EINVAL", ["v[0:4]"]) == (step.result, spans(step))


@for_each(("series", "result"), [("6.1", "ENOMEM"), ("6.12", "EINVAL"), ("7.3", "EINVAL")])
def test_nothing_is_mapped_over_a_part_of_it(series: str, result: str) -> None:
    """6.1 has one errno for all that keeps it from clearing the way."""
    assert result == last(series, MOVED, "mmap bar[0:2] wc shared rw over v[0:2]")[0]


@for_each(("prot", "result"), [("none", "ok"), ("rw", "EACCES"), ("rx", "EACCES")])
def test_it_may_lose_its_protection_and_get_no_other(prot: str, result: str) -> None:
    """The whole of it."""
    assert result == last("7.3", MOVED, f"mprotect v {prot}")[0]


@for_each(
    ("move", "result"),
    [
        ("v = mremap vvar 8 pages maymove fixed", "EFAULT"),
        ("v = mremap vvar 2 pages maymove fixed", "EINVAL"),
        ("v = mremap vvar[0:2] 2 pages maymove fixed", "EINVAL"),
        ("v = mremap vvar 4 pages maymove fixed dontunmap", "EINVAL"),
    ],
)
@for_each("series", KINDS)
def test_it_moves_as_a_whole_only(series: str, move: str, result: str) -> None:
    """What was refused leaves it where it was."""
    refused, moved = run(series, move, MOVED)

    assert (result, []) == (refused.result, spans(refused))
    assert ("ok", "moved") == (moved.result, moved.value)


@for_each("series", KINDS)
def test_it_is_moved_from_its_own_place_once(series: str) -> None:
    """Nothing is there any more."""
    assert "EFAULT" == last(series, MOVED, "w = mremap vvar 4 pages maymove fixed")[0]


@for_each("series", KINDS)
def test_it_has_no_file_to_link(series: str) -> None:
    """So no reverse map, and mincore knows nothing of what is in memory."""
    moved, asked = run(series, MOVED, "mincore v")

    assert not any("link" in event for event in moved.events or ())
    assert "1111" == asked.value


@for_each(("series", "pages"), [("6.12", ["v[0:1]"]), ("7.3", ["v[0:1]"])])
def test_a_child_has_its_entries(series: str, pages: list[str]) -> None:
    """At once."""
    step = run(series, MOVED, "read v[0]", "c = fork")[-1]

    assert pages == [str(seen.span) for seen in step.ptes or () if seen.target and seen.task == "c"]


@for_each("series", KINDS)
def test_wipeonfork_empties_it_in_a_child(series: str) -> None:
    """Which is allowed for private memory without a file."""
    advised, forked = run(series, MOVED, "read v[0]", "madvise v wipeonfork", "c = fork")[2:]

    assert ("ok", "ok") == (advised.result, forked.result)
    assert not [seen for seen in forked.ptes or () if seen.target and seen.task == "c"]


@for_each("series", KINDS)
def test_a_child_from_before_has_its_own(series: str) -> None:
    """Its own place has it still."""
    assert ("ok", "moved") == last(series, "c = fork", MOVED, f"c: {MOVED}")


@for_each("series", KINDS)
def test_exec_makes_another(series: str) -> None:
    """At its own place, where it can be moved from."""
    gone, moved = run(series, MOVED, "exec", MOVED)[1:]

    assert ([], ["v[0:4]"]) == (spans(gone), spans(moved))


@for_each(
    ("series", "before", "after"),
    [("6.12", "EFAULT", "EFAULT"), ("7.2", "EFAULT", "EFAULT"), ("7.3", "EFAULT", "ok")],
)
def test_others_read_what_is_there_by_then_on_7_3(series: str, before: str, after: str) -> None:
    """No fault of theirs fills anything."""
    steps = run(series, MOVED, "process_vm_readv v[0]", "read v[0]", "process_vm_readv v[0]")

    assert (before, after) == (steps[1].result, steps[3].result)


@for_each(("series", "result"), [("6.12", "EIO"), ("7.3", "ok")])
def test_debuggers_read_it_on_7_3(series: str, result: str) -> None:
    """It has no access of its own."""
    assert result == last(series, MOVED, "read v[0]", "mem_read v[0]")[0]


@for_each(("series", "pages"), [("7.2", []), ("7.3", ["v[0:4]"])])
def test_mlockall_fills_it_on_7_3_wherever_it_is(series: str, pages: list[str]) -> None:
    """Which VM_IO keeps it from."""
    assert pages == mapped(series, "mlockall", MOVED)


@for_each(("series", "result"), [("6.16", "EPERM"), ("6.17", "ok")])
def test_a_seal_keeps_advice_from_it_up_to_6_16(series: str, result: str) -> None:
    """It is memory without a file, and not anonymous."""
    assert result == last(series, MOVED, "mseal v", "madvise v dontfork")[0]


@for_each(("series", "pages"), [("6.13", 2), ("6.15", 4)])
def test_two_pages_are_left_between_6_13_and_6_14(series: str, pages: int) -> None:
    """The clocks of hypervisors are apart by then."""
    move = f"v = mremap vvar[0:{pages}] {pages} pages maymove fixed"

    assert [f"v[0:{pages}]"] == spans(run(series, move)[0])


@for_each("series", KINDS)
def test_a_page_table_comes_along(series: str) -> None:
    """There is one at its own place, and it stays."""
    (step,) = run(series, MOVED)

    assert [("v[0:4]", "none@L1")] == [(str(seen.span), seen.entry) for seen in step.ptes or ()]
    assert not [event for event in step.events or () if event.startswith("flush")]


@for_each("series", ["6.1", "7.3"])
def test_a_page_table_that_fails_first_in_fork_is_of_other_own_memory(series: str) -> None:
    """Of the process itself, which is copied before it, and flushed."""
    step = run(series, "c = fork", "c: exit", MOVED, "munmap v", "fail __pte_alloc 1: d = fork")[-1]

    assert "ENOMEM" == step.result


def test_it_is_not_moved_by_who_is_to_be_held() -> None:
    """Kernels pass the place, as the move begins outside of the program's areas."""
    with pytest.raises(Undecided, match="looking for vvar"):
        run("7.3", f"hold move_page_tables: {MOVED}", "release")


def test_it_is_not_moved_while_a_processor_is_held() -> None:
    """Where it is, is learned under locks."""
    with pytest.raises(Undecided, match="looking for vvar"):
        run(
            "7.3",
            "a = mmap bar[0] wc shared rw",
            "t = thread",
            "hold unmap_vmas: munmap a",
            f"t: {MOVED}",
            "release",
        )
