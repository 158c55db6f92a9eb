"""Print how far campaigns are; of all of a store where none is named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pfnlab.verbs.option import AsJson, CampaignName, Request, Say, StoreOf

if TYPE_CHECKING:
    from pfnlab.campaign.campaigns import StatusResult

EXAMPLES = (
    ("pfnlab campaign status --store nightly.db", "How far all campaigns of a store are"),
    ("pfnlab campaign status nightly --json", "One of them as JSON"),
)


class StatusRequest(Request, frozen=True, kw_only=True):
    name: CampaignName = None
    store: StoreOf = None
    as_json: AsJson = False


def perform(request: StatusRequest, say: Say) -> Iterator[StatusResult]:
    """How far they are; Misuse if there is no such campaign."""
    from pfnlab.base.result import Made
    from pfnlab.campaign.campaigns import StatusResult, status_of
    from pfnlab.campaign.store.store import Store, store_address

    with Store(store_address(request.store), make=False, write=False) as store:
        names = [request.name] if request.name else [campaign.name for campaign in store.campaigns()]
        statuses = tuple(status_of(store, name) for name in names)
        yield StatusResult(made=Made.now(), store=store.address, campaigns=statuses)
