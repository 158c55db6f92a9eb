"""The search on the specification that other checkers were given: their counts, and its rules."""

from __future__ import annotations

import pytest
from shared_book import RULES, Book

from pfnlab.checker.search.explore import explore


@pytest.mark.parametrize(
    ("pages", "states", "transitions"),
    [(1, 398, 2018), pytest.param(2, 21_530, 160_532, marks=pytest.mark.target("long"))],
)
def test_the_search_counts_as_other_checkers_do(pages: int, states: int, transitions: int) -> None:
    """States and steps are those of pan and TLC, and every rule holds."""
    found = explore(Book(pages), RULES)

    assert (states, transitions) == (found.states, found.transitions)
    assert ({}, []) == (found.discoveries, found.cut)


def test_symmetry_leaves_a_state_of_each_class() -> None:
    """Of 21,530 states 970 are left."""
    found = explore(Book(2, symmetric=True), RULES)

    assert (970, {}, []) == (found.states, found.discoveries, found.cut)
