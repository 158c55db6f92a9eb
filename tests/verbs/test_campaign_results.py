"""The verb ``campaign results``: when it gives results, and of which campaigns it says how far they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.campaign.store.store import Store
from pfnlab.verbs.campaign_results import CampaignResultsRequest, perform_results


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The address of a store with two campaigns that nothing was run of."""
    address = str(tmp_path / "some.db")
    with Store(address) as opened:
        for name in ("first", "second"):
            opened.begin(name, {"form": 1, "name": name}, [])
    return address


def test_a_copy_or_an_export_has_no_results(store: str, tmp_path: Path) -> None:
    """They are in the file."""
    copied = list(perform_results(CampaignResultsRequest(store=store, backup=tmp_path / "copy.db"), print))
    exported = list(perform_results(CampaignResultsRequest(store=store, output=tmp_path / "all.csv"), print))

    assert ([], []) == (copied, exported)
    assert (tmp_path / "copy.db").exists() and (tmp_path / "all.csv").read_text().startswith("digest,")


@for_each(
    ("campaign", "as_json", "names"),
    [(None, True, ["first", "second"]), ("second", True, ["second"]), (None, False, [])],
)
def test_json_says_how_far_the_campaigns_are(
    store: str, campaign: str | None, as_json: bool, names: list[str]
) -> None:
    """Those that the results are of; text has none of it."""
    (result,) = perform_results(
        CampaignResultsRequest(store=store, campaign=campaign, as_json=as_json), print
    )

    assert names == [status.name for status in result.campaigns]
