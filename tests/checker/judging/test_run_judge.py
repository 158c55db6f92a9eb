"""Judges of runs say the property with each piece of evidence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pfnlab.base.errors import Defect
from pfnlab.checker.judging.run_judge import evidence_of, of_runs
from pfnlab.checker.scopes.step_judges import fork_whole


def small(number: int) -> Iterator[str]:
    """Numbers are small."""
    if number > 9:
        yield f"{number} is large"


def test_evidence_comes_with_the_name_of_the_property() -> None:
    """The name is that of the function."""
    judge = of_runs(happens="a number is large", noticed="the reader")(small)

    assert [[("small", "12 is large")], []] == [list(judge(12)), list(judge(3))]


def test_evidence_against_a_property_declared_elsewhere_has_its_name() -> None:
    """The name of the function does not matter."""
    assert [("fork_whole", "12 is large")] == list(evidence_of(fork_whole)(small)(12))


def test_a_declaration_without_words_is_refused() -> None:
    """The message names the property."""
    with pytest.raises(Defect, match="property small: its declaration lacks `noticed`"):
        of_runs(happens="a number is large", noticed="")(small)
