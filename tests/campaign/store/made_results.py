"""Results and shards for tests of the store."""

from __future__ import annotations

from typing import Any

import msgspec

from pfnlab.campaign.store.rows import HostClass, Shard, Sighting, StoredResult

HOST = HostClass("a processor", 2, 4096)


def sighting(campaign: str, shard: int, **changed: Any) -> Sighting:
    """Where a shard saw its results."""
    content = {"version": "0.1.0", "kernels": {"model:7.2": "7.2.13"}, "seed": 3, "host": HOST}
    return Sighting(campaign, shard, **{**content, **changed})


def result(number: int = 0, **changed: object) -> StoredResult:
    """A difference of two models, another one for each *number*."""
    content = {
        "kind": "difference",
        "task": "fuzz",
        "machines": ("model:6.1", "model:7.2"),
        "verdict": "differs",
        "subject": f"{number:012x}",
        "program": "munmap a\n",
        "says": "log at munmap",
        "detail": {"op": "munmap"},
    }
    return msgspec.convert({**content, **changed}, StoredResult)


def shards(count: int) -> list[Shard]:
    """Shards with different work."""
    return [
        Shard(number=number, digest=f"shard {number}", task="fuzz", work={"seed": number}, seconds=5.0)
        for number in range(count)
    ]
