"""Runs of pages answer as one mode a page would."""

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.mm.page_modes import PageModes

changes = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8), st.sampled_from(CacheMode)), max_size=20)


@given(changes)
def test_runs_are_a_mode_a_page(changes: list[tuple[int, int, CacheMode]]) -> None:
    """Whatever is set in whatever order, every page has the mode it got last."""
    modes = PageModes()
    naive = [CacheMode.WB] * 40

    for start, nr, mode in changes:
        modes.set(start, start + nr, mode)
        naive[start : start + nr] = [mode] * nr
        modes._check()

    assert naive == [modes[pfn] for pfn in range(40)]


@given(changes, st.integers(0, 30), st.integers(0, 10))
def test_pages_are_changed_by_the_mode_they_have(
    changes: list[tuple[int, int, CacheMode]], start: int, nr: int
) -> None:
    """Each page of the range gets what is made of its own mode, the others keep theirs."""
    modes = PageModes()
    for first, pages, mode in changes:
        modes.set(first, first + pages, mode)
    before = [modes[pfn] for pfn in range(50)]
    made = {mode: CacheMode.WC if mode is CacheMode.WB else CacheMode.WB for mode in CacheMode}
    made[CacheMode.UC] = CacheMode.UC

    changed = modes.change(start, start + nr, made.__getitem__)

    modes._check()
    after = [made[mode] if start <= pfn < start + nr else mode for pfn, mode in enumerate(before)]
    assert (changed, after) == (before != after, [modes[pfn] for pfn in range(50)])


def test_neighbours_of_one_mode_are_one_run() -> None:
    """The runs depend on the modes alone, not on how they came about."""
    modes = PageModes()

    for start in (4, 0, 2):
        modes.set(start, start + 2, CacheMode.WC)

    assert [(0, 6, CacheMode.WC)] == modes.runs()
    modes._check()


def test_copy_is_independent() -> None:
    """Setting a page in a copy leaves the original alone."""
    modes = PageModes()
    twin = modes.copy()

    twin.set(0, 1, CacheMode.WC)

    assert (CacheMode.WB, CacheMode.WC) == (modes[0], twin[0])
