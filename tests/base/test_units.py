"""Counts and sizes in words."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.units import first_of_many, number_of, size_text


@for_each(("number", "said"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps"), (1200, "1,200 steps")])
def test_a_count_agrees_with_its_noun(number: int, said: str) -> None:
    """One is singular, thousands are told apart."""
    assert said == number_of(number, "step")


def test_a_plural_of_its_own() -> None:
    """Where an s is not enough."""
    assert ("1 search", "2 searches") == tuple(number_of(one, "search", "searches") for one in (1, 2))


@for_each(
    ("size", "text"),
    [(0x1000, "4 KiB"), (0x100000, "1 MiB"), (0x180000, "1,536 KiB"), (5, "5 bytes"), (1 << 40, "1 TiB")],
)
def test_sizes_in_words(size: int, text: str) -> None:
    """The largest unit that divides it."""
    assert text == size_text(size)


@for_each(("most", "said"), [(3, "a; b; c"), (2, "a; b and 1 more"), (9, "a; b; c")])
def test_the_first_of_many(most: int, said: str) -> None:
    """Those that are left out are counted."""
    assert said == first_of_many("abc", most, "; ")
