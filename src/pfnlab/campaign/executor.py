"""Executors of shards: the protocol between a campaign and its workers, and local processes.

An executor only runs attempts. The campaign counts tries, reissues failed shards, and is the only one to
write to the store. So an executor may forget everything at any time, and may deliver the same attempt twice.

A :class:`~pfnlab.campaign.nursery.Nursery` runs a shard in a separate process, kills it when its time is up,
and turns a crash into an :class:`~pfnlab.campaign.shard.Attempt`; a worker on another host does the same.
Shards and attempts are sent as JSON (:func:`~pfnlab.campaign.shard.encode`).
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
    """Runs shards. Use it from one thread, as a context manager; leaving it ends everything still running."""

    def room(self, *, needs_qemu: bool) -> int:
        """The number of further shards that it accepts now, so that no worker is idle.

        :param needs_qemu: count shards that need QEMU; 0 while no worker has it
        """

    def submit(self, shard: Shard) -> None:
        """Start an attempt at *shard*, right away or when a worker is free. Does not wait.

        A shard with the same key is not submitted again until its attempt has completed.
        """

    def completed(self, seconds: float) -> Sequence[Attempt]:
        """The attempts that have ended since the last call, in any order; waits for at least one.

        A lost attempt (its worker went away, or the scheduler restarted) completes too, as
        :attr:`~pfnlab.campaign.shard.AttemptEnd.LOST`.

        :param seconds: how long to wait at most; 0 to not wait at all
        :raises Undecided: if the whole executor is gone, so no worker can answer
        """

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None:
        """End every running attempt and all its processes."""


#: The program needed to boot kernels.
_QEMU = "qemu-system-x86_64"


class LocalExecutor:
    """An :class:`~pfnlab.campaign.executor.Executor` that uses processes on this host.

    :param jobs: how many shards run concurrently; None for the number of processors
    """

    def __init__(self, jobs: int | None = None) -> None:
        self._nurseries = [Nursery() for _ in range(jobs or processors())]
        self._waiting: deque[Shard] = deque()
        self._has_qemu = shutil.which(_QEMU) is not None

    def room(self, *, needs_qemu: bool) -> int:
        """The number of idle processes."""
        if needs_qemu and not self._has_qemu:
            return 0
        return max(sum(not nursery.busy for nursery in self._nurseries) - len(self._waiting), 0)

    def submit(self, shard: Shard) -> None:
        """Start right away if a process is free, otherwise later."""
        self._waiting.append(shard)
        self._begin()

    def completed(self, seconds: float) -> Sequence[Attempt]:
        """The attempts that have ended, or have exceeded their limit."""
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
