"""The table of flushes: the page is current, and a kernel's cell is what its model says too."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from for_each import for_each
from litmus_files import FILES, litmus_file

from evidence.pages.__main__ import made
from evidence.pages.flush_distance import (
    ADVICE,
    EMPTIED,
    KERNELS,
    PROCESSORS,
    REACHED_AT,
    REACHING,
    WITH_DRIVER,
    kernel_counts,
    kernel_reach,
    page,
    predicted_reach,
)
from evidence.pages.flushed_counts import (
    DISTANCES,
    KINDS,
    SERIES,
    FlushedCount,
    counts,
    model_counts,
    programs,
)
from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.model.model_machine import ModelMachine

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "flush-distance.md"
MUNMAPS = [name for _, _, name in programs()]

each_program = for_each("name", [*MUNMAPS, *ADVICE])


def flushes(flush: str, name: str) -> list[int]:
    """The flushes of two, three and four mappings with a placement."""
    return [
        count.flushes for count in model_counts(f"{SERIES},flush={flush}", load_program(litmus_file(name)))
    ]


def test_the_page_is_current() -> None:
    """`make pages` would change nothing."""
    assert PAGE.read_text(encoding="utf-8") == made("flush-distance")


@for_each("series", KERNELS)
@each_program
def test_the_model_of_a_series_counts_as_its_kernel(name: str, series: str) -> None:
    """Gathers and flushes, in every cell that a kernel has."""
    path = litmus_file(name)
    program = load_program(path)
    seen = kernel_counts(series, path)
    assert (seen is None) == (program.needs.driver and series not in WITH_DRIVER)

    assert seen in (None, model_counts(series, program))


@for_each("series", WITH_DRIVER)
@for_each("name", EMPTIED)
def test_the_model_counts_as_the_kernel_behind_a_revocation(name: str, series: str) -> None:
    """The kernels of the second table."""
    path = litmus_file(name)

    assert kernel_counts(series, path) == model_counts(series, load_program(path))


@for_each(("flush", "series"), [("end_vma", "6.1"), ("free_vmas", SERIES)])
@for_each("name", MUNMAPS)
def test_the_placement_of_a_kernel_flushes_as_it_does(name: str, flush: str, series: str) -> None:
    """In a munmap the placement is all that differs, whatever else the base model does."""
    seen = kernel_counts(series, litmus_file(name))

    assert [count.flushes for count in seen or ()] == flushes(flush, name)


def test_there_is_a_row_for_every_distance_and_kind() -> None:
    """And every placement is in a column: those that flush alike share one."""
    head = next(line for line in page().splitlines() if line.startswith("| distance"))

    assert 4 == len(DISTANCES) == len(KINDS)
    assert sorted(FLUSHES) == sorted(re.findall(r"`(\w+)`", head))


@for_each(
    ("flush", "near", "far"),
    [
        ("end_vma", [3, 4, 5], [3, 4, 5]),
        ("gather_v4", [2, 2, 2], [2, 2, 2]),
        ("free_vmas", [2, 2, 2], [2, 2, 2]),
    ],
)
def test_the_distance_does_not_count(flush: str, near: list[int], far: list[int]) -> None:
    """The table's point: up to 2 MiB, and beyond, in the loop too."""
    assert near == flushes(flush, "flushes-next-table-pfn")
    assert far == flushes(flush, "flushes-far-pfn")


@for_each("name", MUNMAPS)
def test_in_the_loop_mappings_with_entries_flush_no_oftener_than_at_their_ends(name: str) -> None:
    """The page says so of its first table."""
    pairs = zip(flushes("gather_v4", name), flushes("end_vma", name), strict=True)

    assert [] == [pair for pair in pairs if pair[0] > pair[1]]


@for_each("name", ["flushes-far-revoked", "flushes-far-disabled"])
@for_each(("flush", "count"), [("end_vma", [1, 1, 1]), ("gather_v4", [2, 2, 2]), ("free_vmas", [1, 1, 1])])
def test_behind_a_revocation_the_loop_flushes_once(flush: str, count: list[int], name: str) -> None:
    """Nothing is cleared, and the tables of the first group are pending when the next one begins."""
    assert count == flushes(flush, name)


@for_each(("flush", "count"), [("end_vma", [1, 2]), ("gather_v4", [2, 2]), ("free_vmas", [2, 2])])
def test_an_untouched_pfn_mapping_flushes_what_is_behind_it(flush: str, count: list[int]) -> None:
    """Since 6.16 the gather remembers that there was one, whether or not an entry of it was cleared."""
    assert count == flushes(flush, "flushes-untouched-first")


@for_each(("flush", "kept"), [("gather_draft", [1, 1, 1]), ("free_vmas", [2, 2, 2])])
def test_an_ordinary_mapping_in_front_hides_the_others(flush: str, kept: list[int]) -> None:
    """From who looks at the first VMA only: the one flush left comes when they are unlinked."""
    assert kept == flushes(flush, "flushes-adjacent-behind")


@for_each(
    ("machine", "count"),
    [
        ("6.1", FlushedCount(3, 3)),
        ("6.1,flush=free_vmas", FlushedCount(3, 3)),
        ("7.2", FlushedCount(1, 1)),
        ("7.2,flush=end_vma", FlushedCount(1, 3)),
    ],
)
def test_advice_takes_one_gather_and_the_placement(machine: str, count: FlushedCount) -> None:
    """Neither alone makes one flush of three."""
    assert [count] == model_counts(machine, load_program(litmus_file("flushes-madvise-mixed")))


@for_each("kernel", REACHING)
@for_each("distance", REACHED_AT)
@for_each("processors", PROCESSORS)
def test_the_model_reaches_the_processors_of_the_kernel(kernel: str, distance: str, processors: int) -> None:
    """Flushes, processors and interrupts, while a thread runs on each."""
    seen = kernel_reach(kernel, "running", distance, processors)

    assert seen in (None, predicted_reach(FILES, kernel, distance, processors))


@for_each("kernel", REACHING)
def test_interrupts_were_counted(kernel: str) -> None:
    """On stock kernels with either placement, and on patched ones."""
    assert kernel_reach(kernel, "running", "8 MiB apart", 8) is not None


@for_each("processors", PROCESSORS)
def test_sleeping_threads_are_interrupted_once(processors: int) -> None:
    """By the flush for the page tables, wherever others are forced."""
    counted = [kernel_reach(kernel, "sleeping", "side by side", processors) for kernel in REACHING]

    assert {(1, processors - 1, processors - 1)} == {tuple(seen) for seen in counted if seen is not None}


def test_another_operation_is_not_counted() -> None:
    """A program of this page ends with one of three calls."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:1] wc shared rw\nmlock a\n"
    )

    with pytest.raises(Misuse, match="no operation of this page"):
        counts(program, ModelMachine("7.2").run_one(program).steps)
