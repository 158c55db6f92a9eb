"""Results of a store: as JSON, and as rows of a table in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.campaign.plan import VERDICTS, TaskName
from pfnlab.campaign.status import CampaignStatus
from pfnlab.result import ALWAYS, Made, Result, beside
from pfnlab.store.rows import ResultKindName
from pfnlab.store.stored import SeenResult, Sighting


class ListedResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result, and who saw it.

    :param digest: the same for the same content, wherever and whenever it was seen
    :param kind: what one shard did, a verdict on a property or program, or a difference of machines
    :param task: what found it
    :param machines: the machines it is about
    :param verdict: holds, violated, differs ...
    :param scope: of a search its scope, else empty
    :param subject: of a verdict the property or program, of a difference the key of its signature
    :param program: the smallest program that shows it; empty where there is none
    :param says: what it is, in words
    :param detail: more of it; what is in it depends on the task
    :param sightings: the shards that saw it
    """

    digest: Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{32}$"})]
    kind: ResultKindName
    task: TaskName
    machines: tuple[str, ...]
    verdict: Annotated[str, Meta(extra_json_schema={"enum": list(VERDICTS)})]
    scope: Annotated[str, ALWAYS] = ""
    subject: Annotated[str, ALWAYS] = ""
    program: Annotated[str, ALWAYS] = ""
    says: Annotated[str, ALWAYS] = ""
    detail: Annotated[dict[str, Any], ALWAYS] = {}
    sightings: Annotated[tuple[Sighting, ...], ALWAYS, Meta(extra_json_schema={"minItems": 1})] = ()


class ListedResults(Result, frozen=True, kw_only=True, tag="pfnlab-results/1"):
    """Results of a store.

    :param store: the address of the store
    :param campaigns: the campaigns that the results are of
    :param results: the results; each once
    """

    store: str
    campaigns: tuple[CampaignStatus, ...]
    results: tuple[ListedResult, ...]

    @classmethod
    def of(
        cls, results: Sequence[SeenResult], address: str, statuses: Sequence[CampaignStatus] = ()
    ) -> ListedResults:
        """What is printed of *results*, which are of the campaigns of *statuses*."""
        listed = (
            ListedResult(digest=one.digest, **beside(one.result, ()), sightings=one.sightings)
            for one in results
        )
        return cls(made=Made.now(), store=address, campaigns=tuple(statuses), results=tuple(listed))


#: The columns of an export, a row for each sighting.
COLUMNS = (
    *("digest", "kind", "task", "machines", "verdict", "scope", "subject", "program", "says", "detail"),
    *("campaign", "shard", "pfnlab", "kernels", "seed", "cpu", "cores", "memory"),
)


def table_rows(results: Sequence[SeenResult]) -> Iterator[tuple[Any, ...]]:
    """The values of :data:`COLUMNS`; lists and objects as JSON."""
    for one in results:
        result = one.result
        for sighting in one.sightings:
            yield (
                *(one.digest, result.kind, result.task, _json(result.machines), result.verdict),
                *(result.scope, result.subject, result.program, result.says, _json(result.detail)),
                *(sighting.campaign, sighting.shard, sighting.version, _json(sighting.kernels)),
                *(sighting.seed, sighting.host.cpu, sighting.host.cores, sighting.host.memory),
            )


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
