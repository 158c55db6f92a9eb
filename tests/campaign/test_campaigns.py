"""How far a campaign is: its exit code."""

from __future__ import annotations

import pytest

from pfnlab.campaign.campaigns import CampaignStatus


def status(**changed: object) -> CampaignStatus:
    """A campaign that is over."""
    over = {
        **{"name": "x", "says": "", "running": False, "shards": 2, "done": 2, "waiting": 0, "isolated": ()},
        **{"programs": 4, "results": 2, "verdicts": {"agrees": 2}, "counts": ("differs",), "discoveries": 0},
        **{"versions": (), "hosts": ()},
    }
    return CampaignStatus(**{**over, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, 0),
        ({"verdicts": {"agrees": 1, "undecided": 1}}, 3),
        ({"verdicts": {"differs": 1, "undecided": 1}, "discoveries": 1}, 1),
        ({"waiting": 1}, 3),
    ],
)
def test_the_exit_code_is_that_of_the_weightiest(changed: dict[str, object], code: int) -> None:
    """A discovery, else what is left or undecided."""
    assert code == status(**changed).outcome.value
