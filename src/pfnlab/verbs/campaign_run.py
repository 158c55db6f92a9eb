"""Run a campaign; what its store has of it already is not run again.

Each shard runs in a process of its own. One that crashes or passes its limit is tried again, and after so
many tries isolated; the others go on. Results are in the store after each shard.

Exit codes: 0 as expected, 1 a discovery, 3 shards are left or isolated, or something is undecided.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import CAMPAIGN_FILE, Request, Say, ShardClusterOf, ShardsOf, StoreOf, TrustOf

if TYPE_CHECKING:
    from pfnlab.base.progress import Work
    from pfnlab.campaign.campaigns import CampaignStatus
    from pfnlab.campaign.executor import Executor
    from pfnlab.campaign.running import CampaignProgress
    from pfnlab.campaign.store.store import Store

EXAMPLES = (
    ("pfnlab campaign run nightly.toml --store nightly.db", "All of it, on all processors"),
    (
        "pfnlab campaign run nightly.toml --store postgresql://lab@db/pfnlab --jobs 4",
        "Four shards at a time, with the results on a server",
    ),
    (
        "pfnlab campaign run nightly.toml --store nightly.db --cluster tcp://lab:8786",
        "On the workers of a dask scheduler",
    ),
)


class ShardsRequest(Request, frozen=True, kw_only=True):
    file: Annotated[Path, CAMPAIGN_FILE]
    store: StoreOf = None
    jobs: ShardsOf = None
    cluster: ShardClusterOf = None
    trust: TrustOf = False


def perform(request: ShardsRequest, say: Say) -> Iterator[CampaignStatus]:
    """Run the campaign of a file; Misuse if it is none, or no trust, Undecided if no worker can."""
    from pfnlab.campaign.plan_file import read_plan
    from pfnlab.campaign.running import begin_campaign
    from pfnlab.campaign.shard import check_trust
    from pfnlab.campaign.store.store import Store, store_address

    plan = read_plan(request.file, trust=request.trust)
    if not request.trust:
        check_trust(plan.shards(request.file.parent), str(request.file))
    with Store(store_address(request.store)) as store:
        begin_campaign(store, plan, request.file.parent)
        yield shards_run(store, plan.name, request.jobs, request.cluster, say)


def shards_run(store: Store, name: str, jobs: int | None, cluster: str | None, say: Say) -> CampaignStatus:
    """How far the campaign *name* is, once shards were run, *jobs* at a time here or on a *cluster*."""
    from pfnlab.base.errors import Undecided
    from pfnlab.base.progress import working
    from pfnlab.campaign.campaigns import status_of
    from pfnlab.campaign.running import CampaignEnd, run_campaign

    total = len(store.shards(name))
    with executor_of(jobs, cluster) as executor, working(f"campaign {name}", total) as work:
        end = run_campaign(store, name, executor, on_progress=_Shown(work, say).show)
    if end is CampaignEnd.NO_WORKER:
        raise Undecided(
            f"campaign {name}: the shards that are left need QEMU, which no worker has: "
            f"{_HOW_QEMU[cluster is not None]}, then pfnlab campaign resume"
        )
    if end is not CampaignEnd.OVER:
        say(f"campaign {name}: {end}")
    return status_of(store, name)


def executor_of(jobs: int | None, cluster: str | None) -> Executor:
    """Where shards run; Misuse if it says both of this host and of a cluster."""
    from pfnlab.campaign.cluster.connection import check_address
    from pfnlab.campaign.executor import LocalExecutor
    from pfnlab.campaign.on_cluster import ClusterExecutor

    if cluster is None:
        return LocalExecutor(jobs)
    if jobs is not None:
        raise Misuse("--cluster does not go with --jobs: leave one out")
    return ClusterExecutor(check_address(cluster))


#: How a worker has QEMU: one of this host, one of a cluster.
_HOW_QEMU = ("install qemu-system-x86", 'start one that has it with --resources "qemu=1"')


class _Shown:
    """Shows how far a campaign is."""

    def __init__(self, work: Work, say: Say) -> None:
        self._work, self._say, self._done = work, say, 0

    def show(self, progress: CampaignProgress) -> None:
        """Show it, and say what was given up."""
        if progress.isolated is not None:
            from pfnlab.campaign.campaigns import what_it_does

            shard = progress.isolated
            what = what_it_does(shard.task, shard.work)
            self._say(f"shard {shard.number} is isolated, {shard.task} {what}: {shard.reason}")
        self._work.advance(progress.done - self._done)
        self._done = progress.done
