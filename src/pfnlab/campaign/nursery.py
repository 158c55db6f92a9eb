"""A process that runs shards, each in a fork.

The process is a worker. It imports the modules that shards need once, so a fork starts right away, and no
shard affects the next one.
"""

import os
import signal
import time
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError

import msgspec

from pfnlab.base.errors import Killed, PfnlabError
from pfnlab.base.progress import silent
from pfnlab.base.supervised import supervised
from pfnlab.base.version import VERSION
from pfnlab.base.worker import End, Worker, WorkerEnded, executed, forked, hear
from pfnlab.campaign.shard import Attempt, AttemptEnd, encode
from pfnlab.campaign.store.rows import Shard, this_host

#: Seconds that a nursery has to start, on a busy host.
BEGINS = 120.0

#: Seconds between checks that an attempt is still wanted.
_LOOKS = 0.2

#: Signals that come from elsewhere, e.g. from the kernel when memory is short.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)


class Nursery:
    """The worker process, as seen from its parent. It runs one shard at a time.

    It starts with the first shard, and starts again after it was ended. The process ends with the thread that
    started it.
    """

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def run(self, shard: Shard, wanted: Callable[[], bool] = lambda: True) -> Attempt:
        """Make an attempt at *shard*, and wait for its end or its limit.

        :param wanted: called several times a second; once it returns False, the attempt is ended as lost
        """
        began = time.monotonic()
        if self._worker is None or self._worker.process.poll() is not None:
            self.end()
            # A shard's results must not depend on the process.
            self._worker = executed(_SHARDS, environment={"PYTHONHASHSEED": "0"})
        try:
            self._answer(None, BEGINS, wanted)
            return msgspec.json.decode(self._answer(shard, shard.seconds, wanted), type=Attempt)
        except TimeoutError as over:
            end, reason = AttemptEnd.HUNG, str(over)
        except CancelledError:
            end, reason = AttemptEnd.LOST, "the campaign no longer waits for it"
        except WorkerEnded:
            end, reason = AttemptEnd.LOST, "the process that runs shards was ended"
        except PfnlabError as trouble:
            end, reason = AttemptEnd.FAILED, f"it did not answer: {trouble}"
        self.end()
        return _attempt(end, reason, began)

    def _answer(self, request: Shard | None, seconds: float, wanted: Callable[[], bool]) -> bytes:
        assert self._worker is not None
        answer, until = self._worker.post(request), time.monotonic() + seconds
        while not answer.done():
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"it did not end within {seconds:g} s")
            if not wanted():
                raise CancelledError
            hear([self._worker], min(left, _LOOKS))
        content: bytes = answer.result()
        return content

    def end(self) -> None:
        """End the process and everything in its session."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()


def _attempt(end: AttemptEnd, reason: str, began: float) -> Attempt:
    reason, seconds = " ".join(reason.split()), time.monotonic() - began
    return Attempt(end=end, reason=reason, seconds=seconds, host=this_host(), version=VERSION)


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
        return _attempt(end, f"its process {word} ({how})", began)
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
        return _attempt(end, str(error), began)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})"
        return _attempt(AttemptEnd.FAILED, reason, began)
    return msgspec.structs.replace(_attempt(AttemptEnd.DONE, "", began), content=content)
