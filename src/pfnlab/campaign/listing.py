"""Results of a store: as lines, as JSON, and as rows of a table in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pfnlab.campaign.status import CampaignStatus
from pfnlab.inert import one_line, visible
from pfnlab.made import made
from pfnlab.store.kept import SeenResult
from pfnlab.store.rows import StoredResult
from pfnlab.units import number_of

#: The value of ``format`` of ``results --json``.
FORMAT = "pfnlab-results/1"


def results_object(
    results: Sequence[SeenResult], address: str, statuses: Sequence[CampaignStatus] = ()
) -> dict[str, Any]:
    """The object that ``results --json`` prints; keys are only ever added.

    :param address: of the store
    :param statuses: of the campaigns that the results are of
    """
    return {
        "format": FORMAT,
        "made": made(),
        "store": address,
        "campaigns": [msgspec.to_builtins(status) for status in statuses],
        "results": [_item(one) for one in results],
    }


def _item(one: SeenResult) -> dict[str, Any]:
    return {
        "digest": one.digest,
        **msgspec.to_builtins(one.result),
        "sightings": [
            {**msgspec.to_builtins(sighting), "host": msgspec.to_builtins(sighting.host)}
            for sighting in one.sightings
        ],
    }


def results_lines(results: Sequence[SeenResult], *, full: bool = False) -> Iterator[str]:
    """A line each, and at the end how many there are.

    :param full: with their programs
    """
    width = max((len(one_line(one.result.verdict)) for one in results), default=0)
    for one in results:
        digest, verdict = one_line(one.digest[:8]), one_line(one.result.verdict)
        yield f"{digest}  {verdict:<{width}}  {one_line(_words(one.result))}{_often(one)}"
        if full and one.result.program:
            lines = visible(one.result.program.strip()).splitlines()
            yield from (f"    {line}".rstrip() for line in lines)
    yield number_of(len(results), "result")


def _words(result: StoredResult) -> str:
    machines = " | ".join(result.machines)
    scope = f" scope {result.scope}" if result.scope else ""
    subject = "" if result.kind == "difference" else f" {result.subject}"
    return f"{result.task} {result.kind}: {machines}{scope}{subject}: {result.says}"


def _often(one: SeenResult) -> str:
    return f" ({len(one.sightings)} times)" if len(one.sightings) > 1 else ""


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
