"""How far campaigns are."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.campaign.plan import VERDICTS, TaskName
from pfnlab.campaign.running import stored_plan, stored_shards
from pfnlab.result import ALWAYS, Count, Outcome, Result
from pfnlab.store.rows import DISCOVERIES
from pfnlab.store.store import Store
from pfnlab.store.stored import DONE, ISOLATED, WAITING, ResultFilter, StoredShard
from pfnlab.units import number_of

#: How many results have a verdict.
_Verdicts = Annotated[
    dict[str, Annotated[int, Meta(ge=1)]], Meta(extra_json_schema={"propertyNames": {"enum": list(VERDICTS)}})
]


class IsolatedShard(msgspec.Struct, frozen=True):
    """A shard that was given up.

    :param number: its place in the campaign
    :param task: what it is of
    :param what: what it does, in words
    :param tries: attempts that failed
    :param lost: attempts that were lost
    :param reason: of the last attempt
    """

    number: Count
    task: TaskName
    what: str
    tries: Count
    lost: Count
    reason: str


class CampaignStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a campaign is.

    :param name: its name
    :param says: what it is for; may be empty
    :param running: whether a process runs it now
    :param shards: how many there are
    :param done: shards that are done
    :param waiting: shards that are to be done
    :param isolated: shards that were given up
    :param programs: how many programs were run
    :param results: how many different results there are
    :param verdicts: how many results of each verdict, without the runs themselves
    :param counts: the verdicts that are a discovery
    :param discoveries: how many results have one of these verdicts
    :param versions: the versions of pfnlab that ran shards
    :param hosts: the classes of hosts that ran shards
    """

    name: str
    says: str
    running: bool
    shards: Count
    done: Count
    waiting: Count
    isolated: tuple[IsolatedShard, ...]
    programs: Count
    results: Count
    verdicts: _Verdicts
    counts: Annotated[tuple[str, ...], ALWAYS] = DISCOVERIES
    discoveries: Count
    versions: tuple[str, ...]
    hosts: tuple[str, ...]

    @property
    def outcome(self) -> Outcome:
        """A discovery is one also where something is missing or undecided."""
        if self.discoveries:
            return Outcome.DISCOVERY
        undecided = self.waiting or self.isolated or self.verdicts.get("undecided")
        return Outcome.UNDECIDED if undecided else Outcome.AS_EXPECTED


class StatusResult(Result, frozen=True, kw_only=True, tag="pfnlab-campaign/1"):
    """How far campaigns are.

    :param store: the address of the store
    :param campaigns: the campaigns that were asked for
    """

    store: str
    campaigns: tuple[CampaignStatus, ...]


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
    )


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
