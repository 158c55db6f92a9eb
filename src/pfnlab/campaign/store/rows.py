"""The rows of a store, as data: campaigns, shards, results, sightings and hosts.

A result is a finding without its time and place, so the same finding from two shards, campaigns or machines
has one digest and is stored once. Where and how it was found is a sighting.
"""

import hashlib
import os
import platform
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta

from pfnlab.base.result import ALWAYS

#: A run summarizes one shard; a verdict is about one property or program; a difference is between machines.
ResultKindName = Literal["run", "verdict", "difference"]

#: The verdicts that count as a discovery, unless a campaign lists others.
DISCOVERIES = ("differs", "violated", "alarm", "unexpected", "lost")

#: Every verdict that a result may have.
VERDICTS = (*DISCOVERIES, "agrees", "holds", "undecided", "unstable", "complete")

#: The tasks of shards; a campaign's file has a list of tables for each.
TASK_NAMES = ("fuzz", "check", "catalogue", "meet", "sweep", "review")

#: A shard's task.
TaskName = Annotated[str, Meta(extra_json_schema={"enum": list(TASK_NAMES)})]

#: A count, in schemas.
Amount = Annotated[int, Meta(extra_json_schema={"minimum": 0})]

#: The number of hexadecimal digits in a digest.
_DIGITS = 32


def json_text(content: Any) -> str:
    """Content as JSON, with its keys in a fixed order."""
    return msgspec.json.encode(content, order="deterministic").decode()


def digest_of(content: Any) -> str:
    """A digest of JSON content that does not depend on the order of keys."""
    return hashlib.sha256(json_text(content).encode()).hexdigest()[:_DIGITS]


class HostClass(msgspec.Struct, frozen=True):
    """The class of a host; hosts in one class are equally fast.

    :param cpu: its processor model
    :param cores: how many processors pfnlab can use
    :param memory: memory in MiB
    """

    cpu: str
    cores: Amount
    memory: Amount

    @property
    def digest(self) -> str:
        """A digest of the content; equal classes have equal digests."""
        return digest_of(self)

    def __str__(self) -> str:
        return f"{self.cpu}, {self.cores} cores, {self.memory} MiB"


@cache
def this_host() -> HostClass:
    """The class of the host that this process runs on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    return HostClass(_cpu(), len(os.sched_getaffinity(0)), memory)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


#: The states of a shard: not done yet, done, and given up on after too many tries.
WAITING: Final = "waiting"
DONE: Final = "done"
ISOLATED: Final = "isolated"

#: The limit for an attempt; more than a year is refused as a mistake.
Seconds = Annotated[float, Meta(gt=0, le=365 * 86_400)]


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work that can run anywhere, any number of times, always with the same results.

    :param number: its position in the campaign
    :param digest: a digest of the work, without the limit
    :param task: one of :data:`TASK_NAMES`
    :param work: the work as JSON, including everything that affects the results
    :param seconds: the limit for one attempt
    :param needs_qemu: whether it boots a kernel, so that the worker needs QEMU
    :param state: :data:`WAITING`, :data:`DONE` or :data:`ISOLATED`
    :param reason: why the last failed attempt failed
    :param took: how many seconds the successful attempt took
    """

    number: int = 0
    #: Made from the work if empty.
    digest: str = ""
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

    def __post_init__(self) -> None:
        """Make the digest."""
        if self.digest == "":
            msgspec.structs.force_setattr(self, "digest", digest_of([self.task, self.work]))


class StoredCampaign(msgspec.Struct, frozen=True):
    """A stored campaign.

    :param digest: a digest of its shards' keys: the same for the same work
    :param stop: whether a stop was requested
    """

    name: str
    digest: str
    plan: dict[str, Any]
    stop: bool


class Sighting(msgspec.Struct, frozen=True):
    """One shard that saw a result.

    :param campaign: its campaign's name
    :param shard: its position in the campaign
    :param version: the version of pfnlab that ran it
    :param kernels: the exact kernel or profile of each machine
    :param seed: the seed of random programs
    :param host: the class of the host: hosts in one class are equally fast
    """

    campaign: str
    shard: Amount
    version: str
    kernels: dict[str, str]
    seed: int | None
    host: HostClass


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result, and the shards that saw it.

    :param digest: identical for identical content, regardless of time and place
    :param kind: the run of one shard, a verdict on a property or program, or a difference between machines
    :param task: the task that found it
    :param machines: the machines it is about
    :param verdict: holds, violated, differs ...
    :param scope: for a search, its scope; otherwise empty
    :param subject: for a verdict, the property or program; for a difference, the key of its signature
    :param program: the smallest program that shows it; may be empty
    :param says: a description of the result
    :param detail: details, in a form that depends on the task
    :param sightings: the shards that saw it
    """

    #: Made from the content if empty.
    digest: Annotated[str, ALWAYS, Meta(extra_json_schema={"pattern": "^[0-9a-f]{32}$"})] = ""
    kind: ResultKindName
    task: TaskName
    machines: tuple[str, ...]
    verdict: Annotated[str, Meta(extra_json_schema={"enum": list(VERDICTS)})]
    scope: Annotated[str, ALWAYS] = ""
    subject: Annotated[str, ALWAYS] = ""
    program: Annotated[str, ALWAYS] = ""
    says: Annotated[str, ALWAYS] = ""
    detail: Annotated[dict[str, Any], ALWAYS] = {}
    #: None before it is stored.
    sightings: Annotated[tuple[Sighting, ...], ALWAYS, Meta(extra_json_schema={"minItems": 1})] = ()

    def __post_init__(self) -> None:
        """Make the digest."""
        if self.digest == "":
            content = msgspec.structs.replace(self, digest=UNSET, sightings=UNSET)
            msgspec.structs.force_setattr(self, "digest", digest_of(content))


class ResultFilter(msgspec.Struct, frozen=True, kw_only=True):
    """A filter for results; None matches anything.

    :param machine: one of their machines, or the start of its name up to a dot or comma
    """

    campaign: str | None = None
    kind: str | None = None
    task: str | None = None
    machine: str | None = None
    verdict: str | None = None
    scope: str | None = None
