"""A process that runs shards, each in a fork.

The process is a worker. It imports the modules that shards need once, so a fork starts right away, and no
shard affects the next one.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future

import msgspec

from pfnlab.base.errors import Killed, PfnlabError
from pfnlab.base.progress import silent
from pfnlab.base.supervised import supervised
from pfnlab.base.version import VERSION
from pfnlab.base.worker import End, Worker, WorkerEnded, executed, forked, hear
from pfnlab.campaign.shard import Attempt, AttemptEnd, Shard, encode
from pfnlab.campaign.store.rows import this_host

#: Seconds that a nursery has to start, on a busy host.
BEGINS = 120.0

#: Signals that come from elsewhere, e.g. from the kernel when memory is short.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)


class Nursery:
    """The worker process, as seen from its parent. It runs one shard at a time.

    It starts with the first shard, and starts again after it was ended. Use it from one thread only, which
    must outlive it: the process ends with that thread.
    """

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._shard: Shard | None = None
        # The message that the process is ready, and the one with its attempt.
        self._hello, self._answer = Future[None](), Future[bytes]()
        self._ready = False
        self._began = self._until = 0.0

    @property
    def busy(self) -> bool:
        """True while a shard is running."""
        return self._shard is not None

    @property
    def left(self) -> float:
        """Seconds until the running attempt is ended."""
        return max(self._until - time.monotonic(), 0.0)

    def fileno(self) -> int:
        """The descriptor that becomes readable when :meth:`poll` has something to read."""
        assert self._worker is not None
        return self._worker.fileno()

    def begin(self, shard: Shard) -> None:
        """Start an attempt at *shard*, without waiting for it."""
        if self._worker is None or self._worker.process.poll() is not None:
            self.end()
            # A shard's results must not depend on the process.
            self._worker = executed(_SHARDS, environment={"PYTHONHASHSEED": "0"})
            self._hello = self._worker.post()
        self._shard, self._answer = shard, self._worker.post(shard)
        self._ready, self._began = self._hello.done(), time.monotonic()
        self._until = self._began + (shard.seconds if self._ready else BEGINS)

    def poll(self) -> Attempt | None:
        """The attempt, if it has ended or exceeded its limit; None while it is running."""
        shard, worker = self._shard, self._worker
        assert shard is not None and worker is not None
        hear([worker], 0.0)
        if self._hello.done() and not self._ready:
            self._ready, self._until = True, time.monotonic() + shard.seconds
        if not self._answer.done():
            limit = shard.seconds if self._ready else BEGINS
            return None if self.left else self._over(AttemptEnd.HUNG, f"it did not end within {limit:g} s")
        try:
            attempt = msgspec.json.decode(self._answer.result(), type=Attempt)
        except WorkerEnded:
            return self._over(AttemptEnd.LOST, "the process that runs shards was ended")
        except PfnlabError as trouble:
            return self._over(AttemptEnd.FAILED, f"it did not answer: {trouble}")
        self._shard = None
        return attempt

    def _over(self, end: AttemptEnd, reason: str) -> Attempt:
        assert self._shard is not None
        attempt = _attempt(self._shard, end, reason, self._began)
        self.end()
        return attempt

    def end(self) -> None:
        """End the process and everything in its session."""
        worker, self._worker, self._shard = self._worker, None, None
        if worker is not None:
            worker.end()


def _attempt(shard: Shard, end: AttemptEnd, reason: str, began: float) -> Attempt:
    reason, seconds = " ".join(reason.split()), time.monotonic() - began
    return Attempt(key=shard.key, end=end, reason=reason, seconds=seconds, host=this_host(), version=VERSION)


#: The code that runs in the process.
_SHARDS = "pfnlab.campaign.nursery:shards"


def shards(end: End) -> Callable[[Shard | None], bytes]:
    """Run attempts at shards, each in a fork, exchanged as JSON, as on a cluster; None means no shard."""
    from pfnlab.campaign import work  # noqa: F401  (imported once, for all forks)

    return lambda shard: encode(_in_a_fork(shard)) if shard is not None else b""


def _in_a_fork(shard: Shard) -> Attempt:
    began = time.monotonic()
    worker = forked(lambda: _attempted)
    try:
        attempt: Attempt = worker.ask((shard, began))
        return attempt
    except WorkerEnded as lost:
        code = lost.code or 0
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        end = AttemptEnd.LOST if -code in _FROM_OUTSIDE else AttemptEnd.FAILED
        word = "was ended" if end is AttemptEnd.LOST else "crashed"
        return _attempt(shard, end, f"its process {word} ({how})", began)
    finally:
        worker.end()


def _attempted(request: tuple[Shard, float]) -> Attempt:
    from pfnlab.campaign.work import perform

    shard, began = request
    # A policy that changes this handler is at fault, and the search checks for that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with silent():
            # A search that may run a user's policy is ended long before its limit.
            content = supervised(lambda: perform(shard)) if b".py" in encode(shard) else perform(shard)
    except PfnlabError as error:
        end = AttemptEnd.LOST if isinstance(error, Killed) else AttemptEnd.FAILED
        return _attempt(shard, end, str(error), began)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})"
        return _attempt(shard, AttemptEnd.FAILED, reason, began)
    return msgspec.structs.replace(_attempt(shard, AttemptEnd.DONE, "", began), content=content)
