"""Go on with a campaign that was stopped or killed; its file is not needed.

Exit codes: 0 as expected, 1 a discovery, 3 shards are left or isolated, or something is undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import CampaignName, Option, Request, Say, ShardClusterOf, ShardsOf, StoreOf, TrustOf

if TYPE_CHECKING:
    from pfnlab.campaign.campaigns import CampaignStatus

EXAMPLES = (
    ("pfnlab campaign resume --store nightly.db", "What was killed goes on"),
    (
        "pfnlab campaign resume nightly --store nightly.db --isolated",
        "Once more what crashed too often, after it was mended",
    ),
    (
        "pfnlab campaign resume --store nightly.db --cluster tcp://lab:8786",
        "What is left, on the workers of a dask scheduler",
    ),
)


class ResumeRequest(Request, frozen=True, kw_only=True):
    name: CampaignName = None
    store: StoreOf = None
    jobs: ShardsOf = None
    cluster: ShardClusterOf = None
    trust: TrustOf = False
    isolated: Annotated[bool, Option("Try shards that were isolated once more too.")] = False


def perform(request: ResumeRequest, say: Say) -> Iterator[CampaignStatus]:
    """Run what is left; Misuse if there is no such campaign, or no trust, Undecided if no worker can."""
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.shard import check_trust
    from pfnlab.campaign.store.store import Store, store_address
    from pfnlab.verbs.campaign_run import shards_run

    with Store(store_address(request.store), make=False) as store:
        name = campaign_named(store, request.name)
        if not request.trust:
            check_trust(store.shards(name), f"campaign {name}")
        if request.isolated:
            store.try_again(name)
        yield shards_run(store, name, request.jobs, request.cluster, say)
