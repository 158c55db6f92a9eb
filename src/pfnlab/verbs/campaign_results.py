"""Print the results of one campaign; `pfnlab results` has more filters and exports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfnlab.verbs.option import AsJson, CampaignName, Request, Say, StoreOf, VerdictOf, WithPrograms

if TYPE_CHECKING:
    from pfnlab.campaign.campaigns import ListedResults

EXAMPLES = (
    ("pfnlab campaign results --store nightly.db --verdict violated", "What is violated"),
    ("pfnlab campaign results nightly --full", "Every result with its program"),
)


class CampaignResultsRequest(Request, frozen=True, kw_only=True):
    name: CampaignName = None
    store: StoreOf = None
    verdict: VerdictOf = None
    full: WithPrograms = False
    as_json: AsJson = False


def perform(request: CampaignResultsRequest, say: Say) -> Iterator[ListedResults]:
    """Its results; Misuse if there is no such campaign or verdict."""
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.store import Store, store_address
    from pfnlab.verbs import results

    with Store(store_address(request.store), make=False, write=False) as store:
        name = campaign_named(store, request.name)
    yield from results.perform(
        results.ResultsRequest(
            store=request.store, campaign=name, verdict=request.verdict, as_json=request.as_json
        ),
        say,
    )
