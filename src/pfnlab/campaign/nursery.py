"""A process that runs shards, each in a fork of its own: ``python -m pfnlab.campaign.nursery``.

It imports once what shards need; a fork of it begins at once, and nothing that a shard does reaches the next
one. A line of JSON comes in for each shard, and one goes out for each attempt, behind an empty one that says
that it has begun. It has a session of its own, so that all of it can be ended together, and ends when the
process that started it is gone.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from types import TracebackType

import msgspec

from pfnlab.campaign.shard import (
    Attempt,
    AttemptEnd,
    Shard,
    ShardResults,
    decode_attempt,
    decode_shard,
    encode,
)
from pfnlab.endings import end_with
from pfnlab.errors import Killed, PfnlabError
from pfnlab.store.host import this_host
from pfnlab.version import VERSION

#: Seconds that a nursery has to begin, on a host that is busy.
BEGINS = 120.0

_READ = 1 << 16

#: Signals that somebody else sends, the kernel where memory is short among them.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM)


class Nursery:
    """The process, seen from the one that started it. One shard at a time.

    It is started with the first shard, and anew after it was ended. Use it in one thread only, which lives as
    long: the process ends with that thread.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._shard: Shard | None = None
        self._began = 0.0
        self._until = 0.0
        self._ready = False
        self._received = b""

    @property
    def process_id(self) -> int | None:
        """The number of the process, which is that of its session; None where there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def busy(self) -> bool:
        """Whether a shard runs."""
        return self._shard is not None

    @property
    def left(self) -> float:
        """Seconds until the attempt that runs is ended."""
        return max(self._until - time.monotonic(), 0.0)

    def fileno(self) -> int:
        """The descriptor that can be read from when :meth:`poll` has something to look at."""
        assert self._process is not None and self._process.stdout is not None
        return self._process.stdout.fileno()

    def attempt(self, shard: Shard) -> Attempt:
        """Run *shard* and wait for its end, or for its limit."""
        self.begin(shard)
        while True:
            select.select([self], [], [], self.left)
            attempt = self.poll()
            if attempt is not None:
                return attempt

    def begin(self, shard: Shard) -> None:
        """Begin an attempt at *shard*; returns at once."""
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._start()
        self._shard, self._received = shard, b""
        self._began = time.monotonic()
        self._until = self._began + (shard.seconds if self._ready else BEGINS)
        assert self._process is not None and self._process.stdin is not None
        # One that has just ended is seen when its answer is read.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(encode(shard) + b"\n")
            self._process.stdin.flush()

    def poll(self) -> Attempt | None:
        """The attempt, where it has ended or its limit has passed; None where it goes on."""
        shard = self._shard
        assert shard is not None
        while b"\n" not in self._received:
            if not select.select([self], [], [], 0.0)[0]:
                if self.left:
                    return None
                limit = shard.seconds if self._ready else BEGINS
                return self._over(shard, AttemptEnd.HUNG, f"it did not end within {limit:g} s")
            part = os.read(self.fileno(), _READ)
            if not part:
                return self._over(shard, AttemptEnd.LOST, "the process that runs shards was ended")
            self._received += part
            if not self._ready and self._received.startswith(b"\n"):
                self._ready, self._received = True, self._received[1:]
                self._until = time.monotonic() + shard.seconds
        line, _, self._received = self._received.partition(b"\n")
        self._shard = None
        try:
            return decode_attempt(line)
        except msgspec.DecodeError as trouble:
            return self._over(shard, AttemptEnd.FAILED, f"its answer cannot be read: {trouble}")

    def _over(self, shard: Shard, end: AttemptEnd, reason: str) -> Attempt:
        seconds = time.monotonic() - self._began
        self.end()
        return _attempt(shard, end, reason, seconds)

    def end(self) -> None:
        """End the process and everything that runs in its session."""
        process, self._process, self._shard = self._process, None, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _start(self) -> None:
        self._ready = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pfnlab.campaign.nursery", str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            # What a shard finds may not depend on the process.
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )


def _attempt(shard: Shard, end: AttemptEnd, reason: str, seconds: float) -> Attempt:
    return Attempt(key=shard.key, end=end, reason=reason, seconds=seconds, host=this_host(), version=VERSION)


def serve(maker: int) -> None:
    """Run the shards that come in on standard input until it ends.

    :param maker: the number of the process that started this one
    """
    end_with(maker)
    # What shards print on standard output is not for the one who reads the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    from pfnlab.campaign import work  # noqa: F401  (imported once, for all forks)

    _write(answers, b"\n")
    for line in sys.stdin.buffer:
        shard = decode_shard(line)
        _write(answers, encode(_in_a_fork(shard)) + b"\n")


def _in_a_fork(shard: Shard) -> Attempt:
    began = time.monotonic()
    reading, writing = os.pipe()
    maker = os.getpid()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            end_with(maker)
            _write(writing, encode(_answer(shard, began)))
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    parts = []
    while part := os.read(reading, _READ):
        parts.append(part)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    try:
        return decode_attempt(b"".join(parts))
    except msgspec.DecodeError:
        code = os.waitstatus_to_exitcode(status)
        how = f"signal {-code}" if code < 0 else f"exit {code}"
        end = AttemptEnd.LOST if -code in _FROM_OUTSIDE else AttemptEnd.FAILED
        word = "was ended" if end is AttemptEnd.LOST else "crashed"
        return _attempt(shard, end, f"its process {word} ({how})", time.monotonic() - began)


def _answer(shard: Shard, began: float) -> Attempt:
    from pfnlab.campaign.work import perform
    from pfnlab.progress import silent

    try:
        with silent():
            content = _supervised(shard) if b".py" in encode(shard) else perform(shard)
    except PfnlabError as error:
        reason = " ".join(str(error).split())
        end = AttemptEnd.LOST if isinstance(error, Killed) else AttemptEnd.FAILED
        return _attempt(shard, end, reason, time.monotonic() - began)
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"{type(error).__name__}: {error} ({os.path.basename(place.filename)}:{place.lineno})"
        return _attempt(shard, AttemptEnd.FAILED, " ".join(reason.split()), time.monotonic() - began)
    done = _attempt(shard, AttemptEnd.DONE, "", time.monotonic() - began)
    return msgspec.structs.replace(done, content=content)


def _supervised(shard: Shard) -> ShardResults:
    """The content of a shard that may run a user's policy, which is ended long before the shard's limit."""
    from pfnlab.campaign.work import perform
    from pfnlab.supervised import supervised

    return supervised(lambda: perform(shard))


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


if __name__ == "__main__":
    serve(int(sys.argv[1]))
