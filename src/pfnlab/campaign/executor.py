"""Where shards run: the protocol between a campaign and those who work for it, and processes of this host.

An executor gives out attempts, nothing more. The campaign keeps count of tries, gives a failed shard out
again, and is the only one that writes to the store; so an executor may forget everything at any time, and may
hand over the same attempt twice.

A :class:`~pfnlab.campaign.nursery.Nursery` runs a shard in a process of its own, ends it at its limit and
makes a crash an :class:`~pfnlab.campaign.shard.Attempt`; a worker on another host does the same. Shards and
attempts are sent as JSON (:func:`~pfnlab.campaign.shard.encode`).
"""

from __future__ import annotations

import select
import shutil
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from pfnlab.base.processes import processors
from pfnlab.campaign.nursery import Nursery
from pfnlab.campaign.shard import Attempt, Shard


class Executor(Protocol):
    """Runs shards somewhere. Used by one thread, as a context; leaving it ends everything that still runs."""

    def room(self, *, needs_qemu: bool) -> int:
        """How many more shards it wants now, so that no worker waits for the next one.

        :param needs_qemu: of those that need QEMU; 0 as long as no worker has it
        """

    def submit(self, shard: Shard) -> None:
        """Begin an attempt at *shard*, at once or when a worker is free. Returns at once.

        A shard with the same key is not submitted again before its attempt was completed.
        """

    def completed(self, seconds: float) -> Sequence[Attempt]:
        """The attempts that ended since the last call, in any order; waits for the first of them.

        An attempt that the executor lost (a worker that went away, a scheduler that was started again) is
        completed too, as :attr:`~pfnlab.campaign.shard.AttemptEnd.LOST`.

        :param seconds: the most to wait; with 0 it does not wait
        :raises Undecided: no worker can ever answer: the whole executor is gone
        """

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None:
        """End every attempt that still runs, and all processes of it."""


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
