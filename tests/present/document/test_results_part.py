"""The part of a document for the results of campaigns."""

from __future__ import annotations

import msgspec
import pytest

from pfnlab.base.result import Outcome
from pfnlab.campaign.campaigns import ListedResults, StatusResult
from pfnlab.present.document.blocks import Bullets, Chapter, Table
from pfnlab.present.document.results_part import listing_part, part, status_part
from pfnlab.present.document.terminal import terminal

CAMPAIGN = {
    **{"name": "nightly", "says": "", "running": False, "shards": 1, "done": 1, "waiting": 0, "isolated": []},
    **{"programs": 0, "results": 1, "verdicts": {}, "discoveries": 0, "versions": [], "hosts": []},
}
LISTS = ("New", "Gone", "Known")
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
    assert "1 result, 1 to review" in told.says


def test_a_report_says_how_far_a_campaign_is_as_the_status_does() -> None:
    """In the same lines."""
    campaign = {**CAMPAIGN, "says": "Every night", "waiting": 1, "verdicts": {"violated": 1}}
    content = msgspec.convert({"store": "a.db", "campaigns": [campaign], "results": [FOUND]}, ListedResults)
    status = msgspec.convert({"store": "a.db", "campaigns": [campaign]}, StatusResult)

    lines = terminal(status_part(status.campaigns)).splitlines()

    assert "nightly: not running, 1 of 1 shard done" == lines[0]
    assert "       1 violated" == lines[3]
    assert "  1 shard to be done: pfnlab campaign resume nightly" == lines[-1]
    assert status_part(status.campaigns).blocks[0] in [
        block for chapter in part(content).blocks if isinstance(chapter, Chapter) for block in chapter.blocks
    ]


def test_a_night_has_three_lists() -> None:
    """A known finding that a comparison shows is not among the new ones."""
    night = {"kernel": "7.3.4-1", "new": ["ab"], "gone": ["cut"], "known": {"fork": 3}}
    known = {**FOUND, "digest": "cd", "verdict": "differs"}
    content = {"store": "a.db", "campaigns": [{**CAMPAIGN, "night": night}], "results": [FOUND, known]}

    told = part(msgspec.convert(content, ListedResults))

    new, gone, known_ones = (one for one in told.blocks if isinstance(one, Chapter) and one.title in LISTS)
    assert told.says.startswith("night on 7.3.4-1: 1 new, 1 gone, 1 known; ")
    assert 1 == len(new.blocks)
    assert (Bullets(("cut",)),) == gone.blocks
    assert isinstance(known_ones.blocks[0], Table)
    assert [("fork", "3")] == [tuple(one.text for one in row) for row in known_ones.blocks[0].rows]


def test_a_night_without_anything_new_is_as_expected() -> None:
    """Though its comparison shows what is known."""
    night = {"kernel": "7.3.4-1", "new": [], "gone": [], "known": {"fork": 1}}
    content = {"store": "a.db", "campaigns": [{**CAMPAIGN, "night": night}], "results": [FOUND]}

    told = part(msgspec.convert(content, ListedResults))

    assert (Outcome.AS_EXPECTED, ["Known"]) == (
        told.outcome,
        [one.title for one in told.blocks if isinstance(one, Chapter) and one.title in LISTS],
    )


@pytest.mark.parametrize("full", [False, True])
def test_a_list_has_a_line_a_result(full: bool) -> None:
    """And its program, where that is asked for."""
    found = {**FOUND, "scope": "small", "subject": "no_leak", "says": "It ends", "program": "munmap a\n"}
    content = msgspec.convert({"store": "a.db", "campaigns": [], "results": [found]}, ListedResults)

    lines = terminal(listing_part(content, full=full)).splitlines()

    first, *program, last = lines
    assert "ab  violated  check verdict: model:6.1 scope small no_leak: It ends" == first
    assert (["    munmap a"] if full else [], "1 result") == (program, last)
