"""The verb ``check``: what its options mean, and what it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.checker.limits import CheckLimits, Exhaustive, Walks
from pfnlab.verbs.check import CheckRequest, limits_of, perform


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({}, Exhaustive()),
        ({"depth": 3, "states": 7}, Exhaustive(depth=3, states=7)),
        ({"every_order": True, "seconds": 1.5}, Exhaustive(every_order=True, seconds=1.5)),
        ({"random": 5, "seed": 2}, Walks(count=5, seed=2)),
    ],
    ids=str,
)
def test_options_say_the_kind_of_limits(options: dict[str, Any], limits: CheckLimits) -> None:
    """Every sequence, or walks."""
    assert limits == limits_of(CheckRequest(**options))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"random": 2, "states": 9}, "--random excludes --states: drop --states"),
        ({"random": 2, "every_order": True}, "--random excludes --every-order: drop --every-order"),
        ({"seed": 2}, "--seed needs --random N: add it"),
        ({"states": 0}, "--states 0 is too small: write at least 1"),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], says: str) -> None:
    """With what to leave out, or to add."""
    with pytest.raises(Misuse) as caught:
        CheckRequest(**options)

    assert says == str(caught.value)


def test_a_counterexample_is_saved_once_its_result_was_taken(tmp_path: Path) -> None:
    """So a result is not lost where its file cannot be written."""
    said: list[str] = []
    request = CheckRequest(
        on=("model:6.1",), scope="small", properties=("no_leak",), jobs=1, save=tmp_path / "found"
    )

    results = perform(request, said.append)

    assert (1, []) == (next(results).outcome.value, said)
    assert [] == list(results)
    assert [f"{tmp_path}/found/no_leak.pfn written"] == said
