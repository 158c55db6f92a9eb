"""The part in which two sequences differ."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pfnlab.programs.runs.changed_part import ChangedPart, changed_part, changed_rows

LISTS = st.lists(st.integers(0, 2), max_size=12)


@given(LISTS, LISTS, LISTS, LISTS)
def test_what_is_around_the_part_is_the_same(
    begin: list[int], had: list[int], has: list[int], end: list[int]
) -> None:
    """Put into the earlier sequence, the part makes the later one; and it begins and ends with a change."""
    before, after = begin + had + end, begin + has + end

    part = changed_part(before, after)

    made = list(before)
    made[part.start : part.end_before] = after[part.start : part.end]
    assert after == made
    for one, other in ((part.start, part.start), (part.end_before - 1, part.end - 1)):
        if part.start < min(part.end_before, part.end):
            assert before[one] != after[other]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1))), st.data())
def test_rows_differ_where_any_column_does(before: list[tuple[int, int]], data: st.DataObject) -> None:
    """As if each row were one value."""
    after = data.draw(st.lists(st.sampled_from([*before, (0, 1)]), max_size=12))
    columns = [([row[at] for row in before], [row[at] for row in after]) for at in (0, 1)]

    part = changed_rows([had for had, _ in columns], [has for _, has in columns])

    made = list(before)
    made[part.start : part.end_before] = after[part.start : part.end]
    assert after == made


def test_a_part_is_widened_by_what_is_to_be_seen_again() -> None:
    """In both sequences, also where nothing differs."""
    assert ChangedPart(2, 6, 7) == ChangedPart(3, 4, 5).around(2, 7)
    assert ChangedPart(3, 4, 5) == ChangedPart(3, 4, 5).around(4, 4)
    assert ChangedPart(1, 2, 2) == changed_part("abcd", "abcd").around(1, 2)
