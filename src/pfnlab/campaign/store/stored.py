"""The content of a store: campaigns, their shards, and results with those who saw them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from pfnlab.campaign.store.rows import Amount, HostClass, StoredResult

#: The states of a shard: not done yet, done, and given up after so many tries.
WAITING: Final = "waiting"
DONE: Final = "done"
ISOLATED: Final = "isolated"

#: The limit of an attempt; more than a year is a mistake.
Seconds = Annotated[float, Meta(gt=0, le=365 * 86_400)]


class StoredShard(msgspec.Struct, frozen=True, kw_only=True):
    """A shard of a campaign as the store has it.

    :param seconds: the limit of one attempt
    :param state: :data:`WAITING`, :data:`DONE` or :data:`ISOLATED`
    :param reason: of the last attempt that was not done
    :param took: seconds of the attempt that was done
    """

    number: int
    digest: str
    task: str
    work: dict[str, Any]
    seconds: Seconds
    needs_qemu: bool = False
    state: Literal["waiting", "done", "isolated"] = WAITING
    tries: int = 0
    lost: int = 0
    reason: str = ""
    took: float = 0.0
    programs: int = 0


class StoredCampaign(msgspec.Struct, frozen=True):
    """A campaign as the store has it.

    :param digest: of the keys of its shards: the same for the same work
    :param stop: whether somebody asked that it stops
    """

    name: str
    digest: str
    plan: dict[str, Any]
    stop: bool


class SeenWith(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances that all results of one shard share.

    :param version: of the pfnlab that saw them
    :param kernels: the exact kernel or profile behind each machine
    """

    version: str
    kernels: Mapping[str, str]
    seed: int | None
    host: HostClass


class Sighting(msgspec.Struct, frozen=True):
    """One shard that saw a result.

    :param campaign: its campaign's name
    :param shard: its place in the campaign
    :param version: of the pfnlab that ran it
    :param kernels: the exact kernel or profile behind each machine
    :param seed: of random programs
    :param host: the class of the host: hosts of one class are equally fast
    """

    campaign: str
    shard: Amount
    version: str
    kernels: dict[str, str]
    seed: int | None
    host: HostClass


class SeenResult(msgspec.Struct, frozen=True):
    """A result, and who saw it."""

    digest: str
    result: StoredResult
    sightings: tuple[Sighting, ...]


class ResultFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which results; None is every one.

    :param machine: one of its machines, or the beginning of its name up to a dot or a comma
    """

    campaign: str | None = None
    kind: str | None = None
    task: str | None = None
    machine: str | None = None
    verdict: str | None = None
    scope: str | None = None
