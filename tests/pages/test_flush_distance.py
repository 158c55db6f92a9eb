"""The table of flushes: the page is current, and a kernel's cell is what its model says too."""

from __future__ import annotations

from pathlib import Path

from for_each import for_each
from litmus_files import litmus_file

from pages.flush_distance import ADVICE, KERNELS, WITH_DRIVER, kernel_counts, page
from pfnlab.policies.flushes import FLUSHES
from pfnlab.programs.lang.load import load_program
from pfnlab.report.flush_counts import BASE, DISTANCES, KINDS, Count, model_counts, programs

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "flush-distance.md"
MUNMAPS = [name for _, _, name in programs()]

each_program = for_each("name", [*MUNMAPS, *ADVICE])


def flushes(flush: str, name: str) -> list[int]:
    """The flushes of two, three and four mappings with a placement."""
    return [count.flushes for count in model_counts(f"{BASE},flush={flush}", load_program(litmus_file(name)))]


def test_the_page_is_current() -> None:
    """`make pages` would change nothing."""
    assert PAGE.read_text(encoding="utf-8") == page()


@for_each("series", KERNELS)
@each_program
def test_the_model_of_a_series_counts_as_its_kernel(name: str, series: str) -> None:
    """Gathers and flushes, in every cell that a kernel has."""
    path = litmus_file(name)
    seen = kernel_counts(series, path)
    assert (seen is None) == ("mixed" in name or "both" in name) * (series not in WITH_DRIVER)

    assert seen in (None, model_counts(series, load_program(path)))


@for_each(("flush", "series"), [("end_vma", "6.1"), ("free_vmas", BASE)])
@for_each("name", MUNMAPS)
def test_the_placement_of_a_kernel_flushes_as_it_does(name: str, flush: str, series: str) -> None:
    """In a munmap the placement is all that differs, whatever else the base model does."""
    seen = kernel_counts(series, litmus_file(name))

    assert [count.flushes for count in seen or ()] == flushes(flush, name)


def test_there_is_a_row_for_every_distance_and_kind() -> None:
    """And a column for every placement."""
    head = next(line for line in page().splitlines() if line.startswith("| distance"))

    assert 4 == len(DISTANCES) == len(KINDS)
    assert [f"`{flush}`" for flush in FLUSHES] == head.strip("| ").split(" | ")[2 : 2 + len(FLUSHES)]


@for_each(
    ("flush", "near", "far"),
    [
        ("end_vma", [3, 4, 5], [3, 4, 5]),
        ("in_loop", [2, 2, 2], [3, 4, 5]),
        ("free_vmas", [2, 2, 2], [2, 2, 2]),
    ],
)
def test_only_in_the_loop_the_distance_counts(flush: str, near: list[int], far: list[int]) -> None:
    """The table's point: up to 2 MiB, and beyond."""
    assert near == flushes(flush, "flushes-next-table-pfn")
    assert far == flushes(flush, "flushes-far-pfn")


@for_each(("flush", "kept"), [("outside_loop", [1, 1, 1]), ("free_vmas", [2, 2, 2])])
def test_an_ordinary_mapping_in_front_hides_the_others(flush: str, kept: list[int]) -> None:
    """From who looks at the first VMA only: the one flush left comes when they are unlinked."""
    assert kept == flushes(flush, "flushes-adjacent-behind")


@for_each(
    ("machine", "count"),
    [
        ("6.1", Count(3, 3)),
        ("6.1,flush=free_vmas", Count(3, 3)),
        ("7.2", Count(1, 1)),
        ("7.2,flush=end_vma", Count(1, 3)),
    ],
)
def test_advice_takes_one_gather_and_the_placement(machine: str, count: Count) -> None:
    """Neither alone makes one flush of three."""
    assert [count] == model_counts(machine, load_program(litmus_file("flushes-madvise-mixed")))
