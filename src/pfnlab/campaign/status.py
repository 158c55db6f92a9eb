"""How far campaigns are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pfnlab.base.units import number_of
from pfnlab.campaign.campaigns import CampaignStatus, IsolatedShard
from pfnlab.campaign.running import stored_plan, stored_shards
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.campaign.store.store import Store
from pfnlab.campaign.store.stored import DONE, ISOLATED, WAITING, ResultFilter, StoredShard


def status_of(store: Store, name: str) -> CampaignStatus:
    """How far the campaign *name* is.

    :raises Misuse: the store has no such campaign
    """
    plan = stored_plan(store, name)
    shards = stored_shards(store, name)
    seen = store.results(ResultFilter(campaign=name))
    verdicts = Counter(one.result.verdict for one in seen if one.result.kind != "run")
    states = Counter(shard.state for shard in shards)
    sightings = [sighting for one in seen for sighting in one.sightings]
    return CampaignStatus(
        name=name,
        says=plan.says,
        running=store.is_running(name),
        shards=len(shards),
        done=states[DONE],
        waiting=states[WAITING],
        isolated=tuple(_isolated(shard) for shard in shards if shard.state == ISOLATED),
        programs=sum(shard.programs for shard in shards),
        results=len(seen),
        verdicts=dict(sorted(verdicts.items())),
        counts=plan.count.verdicts,
        discoveries=sum(verdicts[verdict] for verdict in plan.count.verdicts),
        versions=tuple(sorted({sighting.version for sighting in sightings})),
        hosts=tuple(sorted({str(sighting.host) for sighting in sightings})),
        known=_known(one.result for one in seen),
    )


def _known(results: Iterable[StoredResult]) -> dict[str, int]:
    """The known violations that hunts have counted, by property and reason."""
    programs = Counter[str]()
    for result in results:
        for name, row in result.detail.get("known", {}).items():
            programs[name] += row["programs"]
    return dict(sorted(programs.items()))


def what_it_does(task: str, work: dict[str, Any]) -> str:
    """The work of a shard in a few words."""
    machines = " | ".join(work.get("machines", ())) or work.get("machine", "")
    if task == "fuzz":
        return f"{machines}, seed {work['seed']}, {number_of(work['programs'], 'program')}"
    if task == "check":
        return f"{machines}, scope {work['scope']}"
    if task == "catalogue":
        return f"{machines}, {number_of(len(work['programs']), 'program')}"
    return str(work.get("kernel", ""))


def _isolated(shard: StoredShard) -> IsolatedShard:
    return IsolatedShard(
        *(shard.number, shard.task, what_it_does(shard.task, shard.work)),
        *(shard.tries, shard.lost, shard.reason),
    )
