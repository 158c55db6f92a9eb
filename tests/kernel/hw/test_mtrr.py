"""S1.6 to S1.9: what the MTRRs say, in two eras."""

from dataclasses import replace
from itertools import product

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrMap, MtrrRange, MtrrType, effective_type, merge_types

UC, WC, WT, WP, WB = MtrrType.UC, MtrrType.WC, MtrrType.WT, MtrrType.WP, MtrrType.WB
GIB = 1 << 30

PC = MtrrMap(
    default_type=UC,
    fixed=(MtrrRange(0, 0xA0000, WB), MtrrRange(0xA0000, 0xC0000, UC), MtrrRange(0xC0000, 0x100000, WP)),
    variable=(MtrrRange(0, 2 * GIB, WB), MtrrRange(GIB, GIB + 0x200000, WT)),
)


@for_each(("a", "b", "merged"), [(UC, WB, UC), (WB, WT, WT), (WT, WB, WT), (WP, WB, UC), (WC, WC, WC)])
def test_merge(a: MtrrType, b: MtrrType, merged: MtrrType) -> None:
    """UC wins, WT wins over WB, equals stay, everything else is UC (S1.8)."""
    assert merged == merge_types(a, b)


@for_each("merged_map", [False, True])
def test_inside_one_register(merged_map: bool) -> None:
    """A span that one register covers has its type, uniformly."""
    assert (WB, True) == PC.type_lookup(0x200000, 0x300000, merged_map=merged_map)


@for_each("merged_map", [False, True])
def test_outside_every_register(merged_map: bool) -> None:
    """What no register covers has the default type."""
    assert (UC, True) == PC.type_lookup(3 * GIB, 4 * GIB, merged_map=merged_map)


def test_overlapping_registers_are_not_uniform_before_the_map() -> None:
    """6.1 calls a span under two registers not uniform, though all of it is WT."""
    assert (WT, False) == PC.type_lookup(GIB, GIB + 0x1000, merged_map=False)


def test_overlapping_registers_are_uniform_in_the_map() -> None:
    """The merged map has one type there, and knows it."""
    assert (WT, True) == PC.type_lookup(GIB, GIB + 0x1000, merged_map=True)


def test_map_is_uniform_when_a_later_piece_changes_nothing() -> None:
    """UC stays UC when WB follows, so the map calls the span uniform."""
    pc = replace(PC, default_type=WB, variable=(MtrrRange(0, GIB, UC),))

    assert (UC, True) == pc.type_lookup(GIB - 0x1000, GIB + 0x1000, merged_map=True)
    assert (UC, False) == pc.type_lookup(GIB - 0x1000, GIB + 0x1000, merged_map=False)


def test_first_fixed_range_speaks_for_the_span_before_the_map() -> None:
    """6.1 looks only at the fixed range of the first byte, which is never uniform."""
    assert (WB, False) == PC.type_lookup(0x9F000, 0xA1000, merged_map=False)


def test_map_sees_all_fixed_ranges() -> None:
    """The map merges WB and UC below 1 MiB into UC."""
    assert (UC, False) == PC.type_lookup(0x9F000, 0xA1000, merged_map=True)


def test_fixed_ranges_replace_variable_ones_in_the_map() -> None:
    """A variable WB register below 1 MiB has no say where fixed ranges are enabled."""
    assert (WP, True) == PC.type_lookup(0xC0000, 0xC1000, merged_map=True)


def test_disabled_fixed_ranges_leave_the_variable_ones() -> None:
    """Without fixed ranges the variable register covers the first MiB too."""
    pc = replace(PC, fixed_enabled=False)

    assert (WB, True) == pc.type_lookup(0xA0000, 0xA1000, merged_map=False)
    assert (WB, True) == pc.type_lookup(0xA0000, 0xA1000, merged_map=True)


@for_each("merged_map", [False, True])
def test_tom2_is_write_back(merged_map: bool) -> None:
    """Memory between 4 GiB and TOM2 is WB whatever the default."""
    pc = replace(PC, tom2=6 * GIB)

    assert (WB, True) == pc.type_lookup(5 * GIB, 6 * GIB, merged_map=merged_map)
    assert (UC, True) == pc.type_lookup(6 * GIB, 7 * GIB, merged_map=merged_map)


@for_each(("merged_map", "expected"), [(False, (MtrrType.INVALID, True)), (True, (MtrrType.UC, True))])
def test_disabled(merged_map: bool, expected: tuple[MtrrType, bool]) -> None:
    """Disabled MTRRs are INVALID in 6.1 and UC later; neither is WB."""
    assert expected == replace(PC, enabled=False).type_lookup(0, 0x1000, merged_map=merged_map)


@for_each(("merged_map", "expected"), [(False, (MtrrType.INVALID, True)), (True, (MtrrType.UC, False))])
def test_unknown(merged_map: bool, expected: tuple[MtrrType, bool]) -> None:
    """Registers the kernel has not read are INVALID in 6.1, later UC and not uniform."""
    assert expected == replace(PC, known=False).type_lookup(0, 0x1000, merged_map=merged_map)


def test_huge_leaf_over_two_types_is_refused() -> None:
    """Neither era lets one large leaf of the kernel's cross from WB to WT."""
    crossing = (GIB - 0x200000, GIB + 0x200000)

    assert not PC.allows_huge(*crossing, merged_map=False)
    assert not PC.allows_huge(*crossing, merged_map=True)


def test_huge_leaf_over_two_write_back_registers() -> None:
    """6.1 allows what is WB all over although two registers make it."""
    pc = replace(PC, variable=(MtrrRange(0, GIB, WB), MtrrRange(GIB, 2 * GIB, WB)))

    assert pc.allows_huge(GIB - 0x200000, GIB + 0x200000, merged_map=False)


def test_huge_leaf_without_mtrrs() -> None:
    """6.1 allows large leaves where there are no MTRRs to contradict."""
    assert replace(PC, enabled=False).allows_huge(0, GIB, merged_map=False)


def test_effective_type_of_all_pairs() -> None:
    """PAT=WC wins over MTRR=UC; only UC- is weakened to WC; UC is always UC (S1.6)."""
    table = {(mtrr, pat): effective_type(mtrr, pat) for mtrr, pat in product([UC, WC, WT, WB, WP], CacheMode)}

    assert {CacheMode.WC} == {got for (_, pat), got in table.items() if pat == CacheMode.WC}
    assert {CacheMode.UC} == {got for (_, pat), got in table.items() if pat == CacheMode.UC}
    assert [CacheMode.UC, CacheMode.WC, CacheMode.UC, CacheMode.UC, CacheMode.WC] == [
        table[mtrr, CacheMode.UC_MINUS] for mtrr in (UC, WC, WT, WB, WP)
    ]
    assert [CacheMode.UC, CacheMode.WC, CacheMode.WT, CacheMode.WB, CacheMode.WP] == [
        table[mtrr, CacheMode.WB] for mtrr in (UC, WC, WT, WB, WP)
    ]
    assert [CacheMode.UC, CacheMode.UC, CacheMode.WT, CacheMode.WT, CacheMode.WT] == [
        table[mtrr, CacheMode.WT] for mtrr in (UC, WC, WT, WB, WP)
    ]
    assert [CacheMode.UC, CacheMode.UC, CacheMode.WP, CacheMode.WP, CacheMode.WP] == [
        table[mtrr, CacheMode.WP] for mtrr in (UC, WC, WT, WB, WP)
    ]


pages = st.integers(0, 40)
registers = st.lists(
    st.builds(
        lambda start, nr, mtrr: MtrrRange(start << 20, (start + nr) << 20, mtrr),
        pages,
        st.integers(1, 8),
        st.sampled_from([UC, WT, WB, WP]),
    ),
    max_size=4,
)


@given(registers, st.integers(1, 40), st.integers(1, 8), st.booleans())
def test_type_is_the_merge_over_every_mebibyte(
    variable: list[MtrrRange], start: int, nr: int, merged_map: bool
) -> None:
    """Cutting at register borders finds the same type as asking piece by piece."""
    mtrr = MtrrMap(default_type=UC, variable=tuple(variable))
    expected = None
    for mib in range(start, start + nr):
        here = [r.type for r in variable if r.start <= mib << 20 < r.end] or [UC]
        for found in here:
            expected = found if expected is None else merge_types(expected, found)

    got, _ = mtrr.type_lookup(start << 20, (start + nr) << 20, merged_map=merged_map)

    assert expected == got
