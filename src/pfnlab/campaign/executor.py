"""Executors of shards: the protocol between a campaign and its workers, and local processes.

An executor only runs attempts. The campaign counts tries, reissues failed shards, and is the only one to
write to the store. So an executor may forget everything at any time.

A :class:`~pfnlab.campaign.nursery.Nursery` runs a shard in a separate process, kills it when its time is up,
and turns a crash into an :class:`~pfnlab.campaign.shard.Attempt`; a worker on another host does the same.
Shards and attempts are sent as JSON (:func:`~pfnlab.campaign.shard.encode`).
"""

from __future__ import annotations

import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event
from typing import Protocol

from pfnlab.base.processes import processors
from pfnlab.campaign.nursery import Nursery
from pfnlab.campaign.shard import Attempt
from pfnlab.campaign.store.rows import Shard


class Executor(Protocol):
    """Runs shards. Use it from one thread, as a context manager; leaving it ends everything still running."""

    def room(self, *, needs_qemu: bool) -> int:
        """The number of further shards that it accepts now, so that no worker is idle; ask every second.

        :param needs_qemu: count shards that need QEMU; 0 while no worker has it
        :raises Undecided: if the whole executor is gone, so no worker can answer
        """

    def submit(self, shard: Shard) -> Future[Attempt]:
        """Start an attempt at *shard*, right away or when a worker is free. Does not wait.

        A lost attempt (its worker went away, or the scheduler restarted) has a result too,
        :attr:`~pfnlab.campaign.shard.AttemptEnd.LOST`.
        """

    def __enter__(self) -> Executor: ...

    def __exit__(self, *_: object) -> None:
        """End every running attempt and all its processes."""


#: The program needed to boot kernels.
_QEMU = "qemu-system-x86_64"


class LocalExecutor:
    """An :class:`~pfnlab.campaign.executor.Executor` that uses processes on this host, a thread for each.

    :param jobs: how many shards run concurrently; None for the number of processors
    """

    def __init__(self, jobs: int | None = None) -> None:
        self._jobs = jobs or processors()
        self._threads = ThreadPoolExecutor(self._jobs)
        self._running: list[Future[Attempt]] = []
        self._idle = SimpleQueue[Nursery]()
        self._over = Event()
        self._has_qemu = shutil.which(_QEMU) is not None

    def room(self, *, needs_qemu: bool) -> int:
        """The number of idle processes."""
        self._running = [attempt for attempt in self._running if not attempt.done()]
        return 0 if needs_qemu and not self._has_qemu else self._jobs - len(self._running)

    def submit(self, shard: Shard) -> Future[Attempt]:
        """Start right away if a process is free, otherwise later."""
        self._running.append(self._threads.submit(self._attempt, shard))
        return self._running[-1]

    def __enter__(self) -> LocalExecutor:
        for _ in range(self._jobs):
            self._idle.put(Nursery())
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown(cancel_futures=True)
        while not self._idle.empty():
            self._idle.get().end()

    def _attempt(self, shard: Shard) -> Attempt:
        nursery = self._idle.get()
        try:
            return nursery.run(shard, wanted=lambda: not self._over.is_set())
        finally:
            self._idle.put(nursery)
