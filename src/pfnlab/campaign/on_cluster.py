"""Campaign shards on the workers of a cluster."""

from __future__ import annotations

import queue
import select
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
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
from pfnlab.campaign.shard import Attempt, AttemptEnd, Shard, encode

if TYPE_CHECKING:
    from distributed import Client, Future

#: Seconds until a scheduler that went away, or a first worker, must be available.
COMES_BACK = 25.0

#: Seconds between checks that an attempt is still wanted.
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
    shard, key = msgspec.json.decode(line, type=Shard), worker.get_current_task()
    if not hasattr(_THREAD, "nursery"):
        _THREAD.nursery = Nursery()
    nursery: Nursery = _THREAD.nursery
    nursery.begin(shard)
    while True:
        select.select([nursery], [], [], min(nursery.left, _LOOKS))
        attempt = nursery.poll()
        if attempt is not None:
            return encode(attempt)
        task = worker.state.tasks.get(key)
        if task is None or task.state in ("cancelled", "resumed"):
            nursery.end()
            return encode(_lost(shard.key, "the campaign no longer waits for it"))


class ClusterExecutor:
    """An :class:`~pfnlab.campaign.executor.Executor` that uses the workers of a dask scheduler.

    A shard that needs QEMU goes to a worker that has QEMU as a resource, ``--resources "qemu=1"``; other
    shards go to any worker. If a worker goes away, dask moves its shards to another.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._stack = ExitStack()
        self._client: Client | None = None
        self._running: dict[str, tuple[Shard, Future]] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        #: Attempts that were lost before they started.
        self._refused: list[Attempt] = []
        #: The time since which no worker has been able to answer.
        self._alone_since: float | None = None
        self._looked = float("-inf")
        self._threads = self._with_qemu = 0

    def room(self, *, needs_qemu: bool) -> int:
        """Two shards per thread; for shards that need QEMU, two per QEMU resource."""
        self._look()
        if needs_qemu:
            running = sum(shard.needs_qemu for shard, _ in self._running.values())
            return max(_AHEAD * self._with_qemu - running, 0)
        return max(_AHEAD * self._threads - len(self._running), 0)

    def submit(self, shard: Shard) -> None:
        """Submit *shard* to the scheduler. If the scheduler is gone, the attempt is lost."""
        assert self._client is not None
        resources = {QEMU: 1} if shard.needs_qemu else None
        try:
            future = self._client.submit(
                run_shard, encode(shard), versions(), resources=resources, pure=False, key=_key(shard)
            )
        except Exception as trouble:
            if self._client.status == "running":
                raise
            self._refused.append(_lost(shard.key, f"the scheduler is gone: {type(trouble).__name__}"))
            return
        self._running[shard.key] = shard, future
        future.add_done_callback(self._ended.put)

    def completed(self, seconds: float) -> Sequence[Attempt]:
        """The attempts that have ended.

        :raises Misuse: if a worker has another version of pfnlab
        :raises Undecided: if the scheduler, or the last worker, has been gone too long
        """
        self._look()
        attempts, self._refused = self._refused, []
        with suppress(queue.Empty):
            # Wait only until one has ended.
            wait = seconds > 0 and not attempts
            while True:
                future = self._ended.get(timeout=seconds) if wait else self._ended.get_nowait()
                wait = False
                attempts += self._attempts(future)
        return attempts

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

    def _attempts(self, future: Future) -> Sequence[Attempt]:
        """The attempt that a task made, if the campaign is still waiting for it."""
        shard = next((shard for shard, other in self._running.values() if other is future), None)
        if shard is None:
            return []
        del self._running[shard.key]
        if future.status == "finished":
            try:
                return [msgspec.json.decode(future.result(timeout=COMES_BACK), type=Attempt)]
            except Exception as trouble:
                # Its answer was lost along with its worker.
                return [_lost(shard.key, f"its answer is lost: {type(trouble).__name__}")]
        if future.status == "error":
            error = future.exception()
            if isinstance(error, Misuse):
                raise error
            if type(error).__name__ == "KilledWorker":
                return [_lost(shard.key, "every worker that had it is gone")]
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return [Attempt(key=shard.key, end=AttemptEnd.FAILED, reason=reason)]
        return [_lost(shard.key, "the scheduler is gone")]


def _key(shard: Shard) -> str:
    """A unique key for the task that makes an attempt."""
    return f"pfnlab-{shard.task}-{shard.key}-{time.monotonic_ns()}"


def _lost(key: str, reason: str) -> Attempt:
    return Attempt(key=key, end=AttemptEnd.LOST, reason=reason)
