"""Results and progress of campaigns, for ``--json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.base.result import ALWAYS, Count, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.campaign.store.rows import (
    DISCOVERIES,
    DONE,
    ISOLATED,
    VERDICTS,
    WAITING,
    ResultFilter,
    Shard,
    StoredResult,
    TaskName,
)

if TYPE_CHECKING:
    from pfnlab.campaign.store.store import Store

#: The number of results with a verdict.
_Verdicts = Annotated[
    dict[str, Annotated[int, Meta(ge=1)]], Meta(extra_json_schema={"propertyNames": {"enum": list(VERDICTS)}})
]


class IsolatedShard(msgspec.Struct, frozen=True):
    """A shard that was given up on.

    :param number: its position in the campaign
    :param task: its task
    :param what: a description of its work
    :param tries: how many attempts failed
    :param lost: how many attempts were lost
    :param reason: why the last attempt failed
    """

    number: Count
    task: TaskName
    what: str
    tries: Count
    lost: Count
    reason: str


class NightSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The findings of one night of a nightly hunt, compared with those known before it.

    :param kernel: the kernel of the night
    :param new: the digests of the results that show a finding not known before
    :param gone: known findings, by name, that no program showed, although theirs ran again
    :param known: how many programs showed each known finding, by name
    """

    kernel: str
    new: tuple[str, ...]
    gone: tuple[str, ...]
    known: dict[str, Annotated[int, Meta(ge=1)]]


class CampaignStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a campaign.

    :param name: its name
    :param says: its purpose; may be empty
    :param running: whether a process is running it now
    :param shards: the number of shards
    :param done: finished shards
    :param waiting: shards not yet finished
    :param isolated: shards that were given up on
    :param programs: the number of programs run
    :param results: the number of different results
    :param verdicts: how many results have each verdict, not counting the runs themselves
    :param counts: the verdicts that count as a discovery
    :param discoveries: how many results have one of these verdicts
    :param versions: the versions of pfnlab that ran shards
    :param hosts: the classes of hosts that ran shards
    :param known: how many programs made kernels violate a property for a known reason, by property and reason
    :param night: for one night of a nightly hunt, its new, gone and known findings; then only the new ones
        are discoveries
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
    known: Annotated[dict[str, Count], ALWAYS] = {}
    night: NightSummary | None = None

    @property
    def outcome(self) -> Outcome:
        """A discovery if there is one, even if other results are missing or undecided."""
        if self.discoveries:
            return Outcome.DISCOVERY
        undecided = self.waiting or self.isolated or self.verdicts.get("undecided")
        return Outcome.UNDECIDED if undecided else Outcome.AS_EXPECTED


class StatusResult(Result, frozen=True, kw_only=True, tag="pfnlab-campaign/1"):
    """The progress of campaigns.

    :param store: the store's address
    :param campaigns: the requested campaigns
    """

    store: str
    campaigns: tuple[CampaignStatus, ...]


class ListedResults(Result, frozen=True, kw_only=True, tag="pfnlab-results/1"):
    """Results from a store.

    :param store: the store's address
    :param campaigns: the campaigns that the results are from
    :param results: the results, each listed once
    """

    store: str
    campaigns: tuple[CampaignStatus, ...]
    results: tuple[StoredResult, ...]

    @classmethod
    def of(
        cls, results: Sequence[StoredResult], address: str, statuses: Sequence[CampaignStatus] = ()
    ) -> ListedResults:
        """*results*, from the campaigns in *statuses*."""
        return cls(made=Made.now(), store=address, campaigns=tuple(statuses), results=tuple(results))


def status_of(store: Store, name: str) -> CampaignStatus:
    """The progress of campaign *name*.

    :raises Misuse: if the store has no such campaign
    """
    # Code that reads the structures above needs to import neither.
    from pfnlab.campaign.night import night_record
    from pfnlab.campaign.running import stored_plan, stored_shards

    plan = stored_plan(store, name)
    night = None if plan.nightly is None else night_record(store, name).summary
    shards = stored_shards(store, name)
    seen = store.results(ResultFilter(campaign=name))
    verdicts = Counter(one.verdict for one in seen if one.kind != "run")
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
        discoveries=sum(verdicts[one] for one in plan.count.verdicts) if night is None else len(night.new),
        versions=tuple(sorted({sighting.version for sighting in sightings})),
        hosts=tuple(sorted({str(sighting.host) for sighting in sightings})),
        known=_known(store, seen),
        night=night,
    )


class _KnownViolation(msgspec.Struct):
    programs: Count


class _KnownDetail(msgspec.Struct):
    """The known violations in the details of a hunt's run."""

    known: dict[str, _KnownViolation] = {}


def _known(store: Store, results: Iterable[StoredResult]) -> dict[str, int]:
    """The known violations that hunts counted, by property and reason."""
    programs = Counter[str]()
    for result in results:
        known = store.detail(result, _KnownDetail).known
        programs.update({name: row.programs for name, row in known.items()})
    return dict(sorted(programs.items()))


def what_it_does(task: str, work: dict[str, Any]) -> str:
    """A short description of a shard's work."""
    machines = " | ".join(work.get("machines", ())) or work.get("machine", "")
    if task == "fuzz":
        return f"{machines}, seed {work['seed']}, {number_of(work['programs'], 'program')}"
    if task == "check":
        return f"{machines}, scope {work['scope']}"
    if task == "review":
        base, design = work["machines"]
        return f"{design} against {base}, pieces {work['first']}:{work['end']}"
    if task == "catalogue":
        return f"{machines}, {number_of(len(work['programs']), 'program')}"
    return str(work.get("kernel", ""))


def _isolated(shard: Shard) -> IsolatedShard:
    return IsolatedShard(
        *(shard.number, shard.task, what_it_does(shard.task, shard.work)),
        *(shard.tries, shard.lost, shard.reason),
    )
