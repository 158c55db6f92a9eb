"""The part of a document for the results of campaigns."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.campaign.listing import ListedResults
from pfnlab.document.parts.results import part
from pfnlab.result import Outcome

CAMPAIGN = {
    **{"name": "nightly", "says": "", "running": False, "shards": 1, "done": 1, "waiting": 0, "isolated": []},
    **{"programs": 0, "results": 1, "verdicts": {}, "discoveries": 0, "versions": [], "hosts": []},
}
FOUND = {"digest": "ab", "kind": "verdict", "task": "check", "machines": ["model:6.1"], "verdict": "violated"}


@pytest.mark.parametrize(
    ("counts", "outcome"),
    [(["violated"], Outcome.DISCOVERY), (["alarm"], Outcome.AS_EXPECTED), (None, Outcome.DISCOVERY)],
    ids=["it counts", "it does not count", "the campaign does not say"],
)
def test_the_campaign_says_what_a_discovery_is(counts: list[str] | None, outcome: Outcome) -> None:
    """As for its exit code."""
    campaign = CAMPAIGN if counts is None else {**CAMPAIGN, "counts": counts}
    content = {"store": "nightly.db", "campaigns": [campaign], "results": [FOUND]}

    assert outcome == part(msgspec.convert(content, ListedResults)).outcome


def test_what_is_open_may_count() -> None:
    """Then it is found, and not told twice."""
    campaign = {**CAMPAIGN, "counts": ["undecided"]}
    content = {"store": "a.db", "campaigns": [campaign], "results": [{**FOUND, "verdict": "undecided"}]}

    told = part(msgspec.convert(content, ListedResults))

    assert Outcome.DISCOVERY == told.outcome
    assert "1 result, 1 to look at" in told.says
