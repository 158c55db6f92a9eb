"""The table of simple operations: each row is an operation, read as it is printed."""

from __future__ import annotations

from typing import get_args

from for_each import for_each

from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.shapes import BY_WORD, SIMPLE, Shape, word_of, words_of
from pfnlab.programs.lang.words import VERBS


@for_each("kind", SIMPLE, ids=word_of)
def test_a_row_has_no_more_than_its_argument(kind: type) -> None:
    """Another field would neither be read nor be sent."""
    fields = {
        Shape.PLAIN: (),
        **dict.fromkeys((Shape.RANGE, Shape.ACCESS, Shape.DEVICE_PAGES, Shape.MEMORY), ("span",)),
        Shape.DEVICE: ("device",),
    }

    assert fields[SIMPLE[kind].shape] == kind.__struct_fields__


def test_every_operation_without_a_choice_is_a_row() -> None:
    """What has one field of these at most is in the table, and only there."""
    simple = {kind for kind in get_args(Call) if kind.__struct_fields__ in ((), ("span",), ("device",))}

    assert simple == set(SIMPLE)


def test_words_are_verbs_of_the_language() -> None:
    """None is forgotten, none stands twice."""
    assert set(BY_WORD) <= set(VERBS)
    assert len(VERBS) == len(set(VERBS))


def test_words_come_by_shape() -> None:
    """In the order of the table."""
    assert ("mlockall", "munlockall", "exec") == words_of(Shape.PLAIN)[:3]
