"""What a shard does, by its task. Nothing here writes to the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pfnlab.campaign.shard import Shard, ShardContent
from pfnlab.errors import Defect

#: What does the work of a task.
TASKS: dict[str, Callable[[Mapping[str, Any]], ShardContent]] = {}


def perform(shard: Shard) -> ShardContent:
    """Do what *shard* says, in this process.

    :raises Defect: nothing does such a task
    """
    if shard.task not in TASKS:
        raise Defect(f"there is no task {shard.task!r}")
    return TASKS[shard.task](shard.work)
