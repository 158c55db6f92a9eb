"""A shard: the policies that it would run, and the outcome of an attempt at it."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.base.json_text import values_in
from pfnlab.campaign.store.rows import HostClass, Shard, StoredResult
from pfnlab.kernel.policies.own import files_in


def policies_of(shards: Iterable[Shard]) -> list[str]:
    """The policy files that *shards* name, each once; running the shards runs these files."""
    # Any text may name a machine; the store may come from anyone.
    texts = (text for shard in shards for text in values_in(shard.work) if isinstance(text, str))
    return list(dict.fromkeys(file for text in texts for file in files_in(text)))


def check_trust(shards: Iterable[Shard], source: str) -> None:
    """Check that *shards* name no policy file, since running the shards would run it.

    :param source: the name of their store, for the message
    :raises Misuse: if one of them names a policy file
    """
    for file in policies_of(shards):
        names = f"{visible_name(source)} names {visible_name(file)}"
        raise Misuse(f"{names}, which would be run: read that policy, then say --trust")


class ShardResults(msgspec.Struct, frozen=True, kw_only=True):
    """The results that a shard has found.

    :param results: in the order of discovery
    :param kernels: the exact kernel or profile of each machine, by name
    :param seed: the seed of random programs, if there is one
    :param programs: how many programs were run, for the budget
    """

    results: tuple[StoredResult, ...]
    kernels: dict[str, str] = {}
    seed: int | None = None
    programs: int = 0


class AttemptEnd(StrEnum):
    """The way in which an attempt ended."""

    DONE = "done"
    #: It raised an error, or its process crashed; this counts as a try.
    FAILED = "failed"
    #: It was ended at its limit; this counts as a try.
    HUNG = "hung"
    #: The worker went away, or its process was killed; the shard is reissued, and this does
    #: not count as a try.
    LOST = "lost"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a shard.

    :param content: what it found, if it is done
    :param reason: why it is not done, in one line
    :param seconds: how long it took, on a monotonic clock
    """

    end: AttemptEnd
    content: ShardResults | None = None
    reason: str = ""
    seconds: float = 0.0
    host: HostClass | None = None
    version: str = ""


def encode(value: Shard | Attempt) -> bytes:
    """One line of JSON, without a newline, to send to another process."""
    return msgspec.json.encode(value)
