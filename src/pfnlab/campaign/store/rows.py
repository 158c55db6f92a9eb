"""The rows of a store, as data: campaigns, shards, results, the places where they were seen, and hosts.

A result is what was found, and nothing of when and where; so the same finding of two shards, two campaigns or
two machines has one digest, and is stored once. Where and with what it was seen is a sighting.
"""

import hashlib
import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

#: A run is what one shard did; a verdict is of one property or program; a difference is of machines.
ResultKindName = Literal["run", "verdict", "difference"]

#: The verdicts that are a discovery, where a campaign does not say.
DISCOVERIES = ("differs", "violated", "alarm", "unexpected", "lost")

#: Every verdict that a result may have.
VERDICTS = (*DISCOVERIES, "agrees", "holds", "undecided", "unstable", "complete")

#: The tasks of shards; the file of a campaign has a list of tables for each.
TASK_NAMES = ("fuzz", "check", "catalogue", "meet", "sweep", "review")

#: The task of a shard.
TaskName = Annotated[str, Meta(extra_json_schema={"enum": list(TASK_NAMES)})]

#: A number of things, as schemas have it.
Amount = Annotated[int, Meta(extra_json_schema={"minimum": 0})]

#: Hexadecimal digits of a digest.
_DIGITS = 32


def json_text(content: Any) -> str:
    """Content as JSON, whose keys are in one order."""
    return msgspec.json.encode(content, order="deterministic").decode()


def digest_of(content: Any) -> str:
    """The digest of JSON content; the order of keys does not matter."""
    return hashlib.sha256(json_text(content).encode()).hexdigest()[:_DIGITS]


class StoredResult(msgspec.Struct, frozen=True, kw_only=True):
    """One result, without times and places.

    :param kind: run, verdict or difference
    :param task: what found it: ``fuzz``, ``check``, ``catalogue``, ``meet``, ``sweep`` or ``review``
    :param machines: the machines it is about, in order
    :param verdict: ``differs``, ``violated``, ``alarm``, ``unexpected``, ``lost``, ``agrees``, ``holds``,
        ``undecided``, ``unstable`` or ``complete``
    :param scope: of a verdict of a search, its scope
    :param subject: of a verdict the property or program; of a difference its signature
    :param program: the smallest program that shows it, as text; empty where there is none
    :param says: what it is, in words of one line
    :param detail: more of it, JSON
    """

    kind: ResultKindName
    task: str
    machines: tuple[str, ...]
    verdict: str
    scope: str = ""
    subject: str = ""
    program: str = ""
    says: str = ""
    detail: dict[str, Any] = {}

    @property
    def digest(self) -> str:
        """The same for the same content."""
        return digest_of(self)


class HostClass(msgspec.Struct, frozen=True):
    """The class of a host: hosts of one class are equally fast.

    :param cpu: the model of its processor
    :param cores: those that pfnlab could use
    :param memory: in MiB
    """

    cpu: str
    cores: Amount
    memory: Amount

    @property
    def digest(self) -> str:
        """The same for the same content."""
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
