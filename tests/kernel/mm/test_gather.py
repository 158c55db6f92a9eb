"""The order in which page tables are freed, and so the pages that each flush of a batch covers (S8.1.11)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.pgtable import TABLE_PAGES
from pfnlab.kernel.mm.gather import in_walk_order

PTES, PMDS, PUDS = TABLE_PAGES.values()

#: Runs of tables of one level, as (first table, number of tables) behind the run before.
LENGTHS = st.lists(st.tuples(st.integers(0, 900), st.integers(1, 1200)), max_size=4)


def runs_of(lengths: list[tuple[int, int]], pages: int) -> list[tuple[int, int, int]]:
    """Runs as page tables report them: the last flushed page is the first of the last table."""
    runs, at = [], 0
    for gap, tables in lengths:
        start = at + (gap + bool(runs)) * pages
        at = start + tables * pages
        runs.append((start, at - pages + 1, pages))
    return runs


def tables_of(runs: list[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Each single table, as its first page and the pages it spans."""
    return [(at, pages) for start, end, pages in runs for at in range(start, end, pages)]


def test_a_table_follows_those_that_it_leads_to() -> None:
    """The PMD table of the first gibibyte is freed before the first table of the second."""
    freed = [(0, 2 * PMDS - PTES + 1, PTES), (0, PMDS + 1, PMDS)]

    order = in_walk_order(freed)

    assert [
        (0, PMDS - PTES + 1, PTES),
        (0, 1, PMDS),
        (PMDS, 2 * PMDS - PTES + 1, PTES),
        (PMDS, PMDS + 1, PMDS),
    ] == order


def test_tables_stay_together_where_none_above_them_is_freed() -> None:
    """A run of any length is one run: the cost follows the structure."""
    freed = [(PTES, 100 * PMDS + 1, PTES)]

    assert freed == in_walk_order(freed)


@given(LENGTHS, st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=2), st.booleans())
def test_the_order_is_that_of_a_walk(
    low: list[tuple[int, int]], high: list[tuple[int, int]], top: bool
) -> None:
    """Every table is freed once, sorted by the last page of its span, the lower level first."""
    freed = runs_of(low, PTES) + runs_of(high, PMDS) + ([(0, 1, PUDS)] if top else [])

    order = tables_of(in_walk_order(freed))

    assert sorted(tables_of(freed), key=lambda table: (table[0] + table[1], table[1])) == order
