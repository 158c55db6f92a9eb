"""Plain values as bytes, and bytes that are none."""

from __future__ import annotations

import marshal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.checker.search import plain_values

TEXT = st.text(st.characters(codec=None))
ATOMS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXT, st.binary())
VALUES = st.recursive(ATOMS, lambda part: st.one_of(st.lists(part).map(tuple), st.frozensets(part)))


class Pair(NamedTuple):
    """Equal to a tuple, and not one."""

    first: int
    second: int


@given(VALUES)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    """Equal, and of the same types, however large an int is and whatever is in a string."""
    back = plain_values.loads(plain_values.dumps(value))

    assert (value, marshal.dumps(value, 2)) == (back, marshal.dumps(back, 2))


@given(st.binary())
def test_no_bytes_are_anything_but_a_value_or_refused(data: bytes) -> None:
    """Whatever they are."""
    try:
        value = plain_values.loads(data)
    except ValueError:
        return

    assert plain_values.dumps(plain_values.loads(plain_values.dumps(value))) == plain_values.dumps(value)


@given(VALUES, st.data())
def test_a_value_cut_short_is_refused(value: object, data: st.DataObject) -> None:
    """Wherever it is cut."""
    whole = plain_values.dumps(value)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]

    with pytest.raises(ValueError, match=r"plain value|cut short"):
        plain_values.loads(part)


@pytest.mark.parametrize(
    "data",
    [
        marshal.dumps(compile("1", "", "eval"), 2),
        marshal.dumps((1, [2]), 2),
        marshal.dumps({1: 2}, 2),
        b"(" + b"\xff\xff\xff\x7f" + b"N",
        b"(\x01\x00\x00\x00" * 100_000 + b"N",
        plain_values.dumps(1) + b"N",
    ],
    ids=["code", "a list", "a dict", "too many", "too deep", "two"],
)
def test_what_is_no_plain_value_is_refused(data: bytes) -> None:
    """Code above all."""
    with pytest.raises(ValueError, match="plain value"):
        plain_values.loads(data)


@pytest.mark.parametrize("value", [object(), Pair(1, 2), lambda: 0])
def test_what_has_a_type_of_its_own_is_refused(value: object) -> None:
    """It would come back as something else, or not at all."""
    with pytest.raises(ValueError, match="unmarshallable"):
        plain_values.dumps(value)
