"""One test for many cases: all are asked, and those that fail are listed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from for_each import for_each


def failure_of(test: object) -> str:
    """The words with which *test* fails."""
    assert callable(test)
    with pytest.raises(AssertionError) as failed:
        test()
    return str(failed.value)


def test_every_case_that_fails_is_listed() -> None:
    """By its name, below how many were asked; the others are not."""

    @for_each("number", [1, 2, 3, 4])
    def is_odd(number: int) -> None:
        if number % 2 == 0:
            raise AssertionError("even")

    lines = failure_of(is_odd).splitlines()

    assert ["2 of 4 cases fail", "", "number=2", "number=4"] == lines[:4]
    assert "even" in lines[4]


def test_another_error_is_a_failure() -> None:
    """The cases behind it are asked all the same."""

    @for_each("number", [0, 2, 1])
    def divides(number: int) -> None:
        assert 1 == 1 // number

    assert failure_of(divides).startswith("2 of 3 cases fail\n\nnumber=0\n")


def test_values_of_a_function_are_made_when_the_test_runs() -> None:
    """Once, and not while the test is imported."""
    made = []

    def values() -> Iterator[int]:
        made.append(1)
        yield from (2, 4)

    @for_each("number", values)
    def is_odd(number: int) -> None:
        assert number % 2 == 1

    assert [] == made
    assert "2 of 2 cases fail" in failure_of(is_odd)
    assert [1] == made


def test_values_may_follow_from_an_argument_of_the_test() -> None:
    """As the programs of a folder do from the folder."""

    @for_each("number", lambda first: [first, first + 1])
    def is_odd(first: int, number: int) -> None:
        assert first <= number and number % 2 == 1

    with pytest.raises(AssertionError, match="1 of 2 cases fail\n\nnumber=4\n"):
        is_odd(first=3)  # type: ignore[call-arg]
    with pytest.raises(AssertionError, match="1 of 2 cases fail\n\nnumber=6\n"):
        is_odd(first=5)  # type: ignore[call-arg]


def test_a_test_without_a_case_is_no_test() -> None:
    """Of a list where it is written, of a function where it runs."""
    with pytest.raises(ValueError, match="no values for number: the test could not fail"):
        for_each("number", [])

    @for_each("number", lambda: [])
    def is_odd(number: int) -> None:
        assert number % 2 == 1

    with pytest.raises(ValueError, match="no values for number: the test could not fail"):
        is_odd()  # type: ignore[call-arg]


def test_every_combination_is_asked() -> None:
    """Of several tables, those of functions too."""

    @for_each("one", [1, 2])
    @for_each("other", lambda: [10, 20])
    def never(one: int, other: int) -> None:
        assert not one + other

    assert "4 of 4 cases fail" in failure_of(never)
