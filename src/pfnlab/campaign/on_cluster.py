"""Campaign shards on the workers of a cluster."""

from __future__ import annotations

import threading
import time
from asyncio import CancelledError
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.campaign.cluster.connection import (
    QEMU,
    check_same,
    connected,
    dask_distributed,
    versions,
    worker_addresses,
)
from pfnlab.campaign.nursery import Nursery
from pfnlab.campaign.shard import Attempt, AttemptEnd, encode
from pfnlab.campaign.store.rows import Shard

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as DaskFuture

#: Seconds until a scheduler that went away, or a first worker, must be available.
COMES_BACK = 25.0

#: Seconds between checks for workers.
_LOOKS = 1.0

#: Shards per worker thread: one running and one queued.
_AHEAD = 2

#: The process that runs this worker thread's shards. It ends with the thread.
_THREAD = threading.local()


def run_shard(line: bytes, client: Mapping[str, str]) -> bytes:
    """Run a shard in a separate process; called on a worker.

    :param client: the client's versions, see :func:`.connection.versions`
    :return: the attempt
    :raises Misuse: if this worker has different versions
    """
    worker = dask_distributed().get_worker()
    check_same(f"worker {worker.address}", client, versions())
    key = worker.get_current_task()

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state not in ("cancelled", "resumed")

    if not hasattr(_THREAD, "nursery"):
        _THREAD.nursery = Nursery()
    return encode(_THREAD.nursery.run(msgspec.json.decode(line, type=Shard), wanted))


class ClusterExecutor:
    """An :class:`~pfnlab.campaign.executor.Executor` that uses the workers of a dask scheduler.

    A shard that needs QEMU goes to a worker that has QEMU as a resource, ``--resources "qemu=1"``; other
    shards go to any worker. If a worker goes away, dask moves its shards to another.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._stack = ExitStack()
        self._client: Client | None = None
        self._running: dict[Future[Attempt], tuple[Shard, DaskFuture]] = {}
        #: The time since which no worker has been able to answer.
        self._alone_since: float | None = None
        self._looked = float("-inf")
        self._threads = self._with_qemu = 0

    def room(self, *, needs_qemu: bool) -> int:
        """Two shards per thread; for shards that need QEMU, two per QEMU resource."""
        self._look()
        self._running = {ended: task for ended, task in self._running.items() if not ended.done()}
        if needs_qemu:
            running = sum(shard.needs_qemu for shard, _ in self._running.values())
            return max(_AHEAD * self._with_qemu - running, 0)
        return max(_AHEAD * self._threads - len(self._running), 0)

    def submit(self, shard: Shard) -> Future[Attempt]:
        """Submit *shard* to the scheduler. If the scheduler is gone, the attempt is lost."""
        assert self._client is not None
        attempt = Future[Attempt]()
        resources = {QEMU: 1} if shard.needs_qemu else None
        try:
            task = self._client.submit(
                run_shard, encode(shard), versions(), resources=resources, pure=False, key=_key(shard)
            )
        except Exception as trouble:
            if self._client.status == "running":
                raise
            attempt.set_result(_lost(f"the scheduler is gone: {type(trouble).__name__}"))
            return attempt
        self._running[attempt] = shard, task
        task.add_done_callback(partial(_settle, attempt))
        return attempt

    def __enter__(self) -> ClusterExecutor:
        self._connect()
        self._look()
        return self

    def __exit__(self, *_: object) -> None:
        if self._client is not None and self._client.status == "running":
            self._client.cancel([future for _, future in self._running.values()], force=True)
        self._running.clear()
        self._stack.close()

    def _connect(self) -> None:
        self._client = self._stack.enter_context(connected(self._address))

    def _look(self) -> None:
        """Check periodically which workers are available.

        :raises Undecided: if there have been no workers or no scheduler for too long
        """
        now = time.monotonic()
        if now - self._looked < _LOOKS:
            return
        self._looked = now
        self._threads = self._with_qemu = 0
        if self._client is not None and self._client.status == "running":
            with suppress(OSError, TimeoutError, Undecided):
                heard = worker_addresses(self._client)
                known = self._client.scheduler_info(n_workers=-1)["workers"]
                workers = [known[address] for address in heard if address in known]
                self._threads = sum(worker["nthreads"] for worker in workers)
                self._with_qemu = sum(int(worker["resources"].get(QEMU, 0)) for worker in workers)
        if self._threads:
            self._alone_since = None
            return
        if self._alone_since is None:
            self._alone_since = now
        if self._client is None or self._client.status == "closed":
            # Its futures are lost, and have already been reported as lost.
            self._client = None
            self._stack.close()
            with suppress(Undecided):
                self._connect()
        if time.monotonic() - self._alone_since > COMES_BACK:
            raise Undecided(
                f"no scheduler or worker is left at {self._address}: start the scheduler and workers again, "
                "then pfnlab campaign resume"
            )


def _settle(attempt: Future[Attempt], task: DaskFuture) -> None:
    try:
        attempt.set_result(_attempt_of(task))
    except Misuse as error:
        attempt.set_exception(error)


def _attempt_of(task: DaskFuture) -> Attempt:
    """The attempt that a task made.

    :raises Misuse: if its worker has another version of pfnlab
    """
    if task.status not in ("finished", "error"):
        return _lost("the scheduler is gone")
    try:
        return msgspec.json.decode(task.result(timeout=COMES_BACK), type=Attempt)
    except Misuse:
        raise
    except (Exception, CancelledError) as trouble:
        kind = type(trouble).__name__
        if task.status != "error":
            # Its answer was lost along with its worker.
            return _lost(f"its answer is lost: {kind}")
        if kind == "KilledWorker":
            return _lost("every worker that had it is gone")
        return Attempt(end=AttemptEnd.FAILED, reason=" ".join(f"{kind}: {trouble}".split()))


def _key(shard: Shard) -> str:
    """A unique key for the task that makes an attempt."""
    return f"pfnlab-{shard.task}-{shard.digest}-{time.monotonic_ns()}"


def _lost(reason: str) -> Attempt:
    return Attempt(end=AttemptEnd.LOST, reason=reason)
