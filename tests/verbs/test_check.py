"""The verb ``check``: what its options mean, and what it gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.checker.limits import CheckLimits, Exhaustive, Swarm, Walks
from pfnlab.verbs.check import CheckRequest, limits_of, perform


@pytest.mark.parametrize(
    ("options", "limits"),
    [
        ({}, Exhaustive()),
        ({"depth": 3, "states": 7, "memory": 2}, Exhaustive(depth=3, states=7, memory=2 << 20)),
        (
            {"every_order": True, "checkpoint": Path("cut")},
            Exhaustive(every_order=True, checkpoint=Path("cut")),
        ),
        ({"random": 5, "guided": True, "seed": 2}, Walks(count=5, guided=True, seed=2)),
        ({"swarm": 4, "states": 20, "seconds": 1.5}, Swarm(searches=4, states=20, seconds=1.5)),
    ],
    ids=str,
)
def test_options_say_the_kind_of_limits(options: dict[str, Any], limits: CheckLimits) -> None:
    """Every sequence, walks, or a swarm."""
    assert limits == limits_of(CheckRequest(**options))


_SWARM = (
    "--swarm cannot be combined with --memory, --checkpoint, --random or --every-order: "
    "use --states to limit each search"
)

_RANDOM = (
    "--random excludes --memory, --checkpoint, --states and --every-order: its walks are limited by "
    "N, --depth and --seconds"
)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"guided": True}, "--guided is for random walks: add --random N"),
        ({"guided": True, "swarm": 2}, "--guided is for random walks: add --random N"),
        ({"swarm": 2, "memory": 1}, _SWARM),
        ({"swarm": 2, "checkpoint": Path("cut")}, _SWARM),
        ({"swarm": 2, "random": 3}, _SWARM),
        ({"random": 2, "memory": 1}, _RANDOM),
        ({"random": 2, "checkpoint": Path("cut")}, _RANDOM),
        ({"random": 2, "states": 9}, _RANDOM),
        ({"random": 2, "every_order": True}, _RANDOM),
    ],
    ids=str,
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], says: str) -> None:
    """With what to leave out, or to add."""
    with pytest.raises(Misuse) as caught:
        limits_of(CheckRequest(**options))

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
