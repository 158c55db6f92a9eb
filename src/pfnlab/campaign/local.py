"""Shards in processes of this host."""

from __future__ import annotations

import select
import shutil
from collections import deque
from collections.abc import Sequence

from pfnlab.base.processes import processors
from pfnlab.campaign.nursery import Nursery
from pfnlab.campaign.shard import Attempt, Shard

#: The program without which no kernel is booted.
_QEMU = "qemu-system-x86_64"


class LocalExecutor:
    """An :class:`~pfnlab.campaign.executor.Executor` with processes of this host.

    :param jobs: shards that run at a time; None for as many as there are processors
    """

    def __init__(self, jobs: int | None = None) -> None:
        self._nurseries = [Nursery() for _ in range(jobs or processors())]
        self._waiting: deque[Shard] = deque()
        self._has_qemu = shutil.which(_QEMU) is not None

    def room(self, *, needs_qemu: bool) -> int:
        """The processes that have nothing to do."""
        if needs_qemu and not self._has_qemu:
            return 0
        return max(sum(not nursery.busy for nursery in self._nurseries) - len(self._waiting), 0)

    def submit(self, shard: Shard) -> None:
        """Begin at once where a process is free, else later."""
        self._waiting.append(shard)
        self._begin()

    def completed(self, seconds: float) -> Sequence[Attempt]:
        """The attempts that have ended, or passed their limit."""
        busy = [nursery for nursery in self._nurseries if nursery.busy]
        if busy:
            select.select(busy, [], [], min(seconds, *(nursery.left for nursery in busy)))
        ended = [attempt for nursery in busy if (attempt := nursery.poll()) is not None]
        self._begin()
        return ended

    def _begin(self) -> None:
        for nursery in self._nurseries:
            if self._waiting and not nursery.busy:
                nursery.begin(self._waiting.popleft())

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *_: object) -> None:
        for nursery in self._nurseries:
            nursery.end()
