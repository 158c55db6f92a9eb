"""A child process of ours: how it begins, the messages between it and this process, and how it ends.

A worker is a fork, which knows what this process knows, or an interpreter of its own. It answers one request
after the other: with lines of progress, and then with a result or the error of the work. It ends with its
maker, and when nobody asks it any more; one that does not is killed with everything in its session.

Messages are pickled, each behind its length: states, programs and errors are of any class, and both sides are
the same program.
"""

import os
import pickle
import pkgutil
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, NamedTuple

from pfnlab.base.endings import end_with, ending
from pfnlab.base.errors import Defect, PfnlabError, Undecided
from pfnlab.base.own_code import mistake_ended, mistake_of
from pfnlab.base.progress import heard_by, say

#: Seconds that a worker has to end once it has closed its end of the stream.
_END_LIMIT = 5.0

#: What a worker sends: a line of progress, a result, an error.
_LINE, _RESULT, _ERROR = "line", "result", "error"

_LENGTH = struct.Struct("Q")

_READ = 1 << 18


class Ended(Undecided):
    """A worker ended without an answer, with this exit code, negative for the signal that has ended it."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"its process {ending(code)}")
        self.code = code


class _LostMessage(NamedTuple):
    """A message that came and cannot be read, as who hears it takes it: an error."""

    kind: str
    error: PfnlabError


class End:
    """One end of a stream of messages; EOFError is raised after the last of those that come."""

    def __init__(self, stream: socket.socket) -> None:
        self.fileno, self.close = stream.fileno, stream.close
        self._stream, self._received = stream, bytearray()
        self._meanwhile: Callable[[], bool] = lambda: False
        self.messages = self._messages()

    def send(self, message: Any) -> None:
        """Send a message; OSError if nobody reads at the other end, or this one was closed."""
        self._write(pickle.dumps(message))

    def say(self, line: str) -> None:
        """Send a line of progress, or of output."""
        self.send((_LINE, line))

    def answer(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Send the result of *work*, or its error: a defect where nobody expects it. Errors of `send`."""
        try:
            # It may be nothing that another process can have.
            message = pickle.dumps((_RESULT, work(*arguments)))
        except BaseException as error:
            expected = isinstance(error, (PfnlabError, OSError, KeyboardInterrupt))
            said = mistake_of(error) or (error if expected else Defect(traceback.format_exc()))
            message = pickle.dumps((_ERROR, said))
        self._write(message)

    def serve(
        self,
        make: Callable[..., Callable[[Any], Any]],
        *arguments: Any,
        meanwhile: Callable[[], bool] = lambda: False,
    ) -> None:
        """Answer requests until nobody asks any more.

        :param make: makes what answers a request
        :param meanwhile: does a piece of work where nobody asks; False where none is left until a request
        """
        heard_by(self.say)
        work = make(*arguments)
        self._meanwhile = meanwhile
        # A user's code may close what it did not open.
        with suppress(EOFError, OSError):
            for request in self.messages:
                if isinstance(request, _LostMessage):
                    self._write(pickle.dumps((_ERROR, request.error)))
                else:
                    self.answer(work, request)

    def _messages(self) -> Iterator[Any]:
        come = select.poll()
        come.register(self.fileno(), select.POLLIN)
        while True:
            while not come.poll(0) and self._meanwhile():
                pass
            yield from self.read()

    def read(self) -> list[Any]:
        """The messages that are whole after one look, which waits for a byte; EOFError if it is closed."""
        part = self._stream.recv(_READ)
        if not part:
            raise EOFError
        self._received += part
        messages = []
        while len(self._received) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self._received)[0]
            if len(self._received) < end:
                break
            try:
                messages.append(pickle.loads(self._received[_LENGTH.size : end]))
            except MemoryError:
                says = "a message of a process takes more memory than there is"
                messages.append(_LostMessage(_ERROR, Undecided(says)))
            except Exception as trouble:
                says = f"a message of a process cannot be read: {type(trouble).__name__}: {trouble}"
                messages.append(_LostMessage(_ERROR, Defect(says)))
            del self._received[:end]
        return messages

    def _write(self, message: bytes) -> None:
        self._stream.sendall(_LENGTH.pack(len(message)) + message)


class _Fork:
    """A forked process, with what is used here of :class:`subprocess.Popen`."""

    def __init__(self, do: Callable[[], object]) -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            # Else the child may write it once more; it may be closed.
            with suppress(ValueError):
                stream.flush()
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            code = 1
            try:
                do()
                code = 0
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        """The exit code, None where it goes on; 0 where the system was asked not to remember it."""
        if self.returncode is None:
            process, status = self.pid, 0
            with suppress(ChildProcessError):
                process, status = os.waitpid(self.pid, os.WNOHANG)
            if process:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


Process = subprocess.Popen[bytes] | _Fork


class Worker:
    """A child process and the stream to it.

    :ivar owed: the requests that are not answered, the oldest first: the result, and what hears the lines
    """

    def __init__(self, process: Process, end: End) -> None:
        self.process, self._end = process, end
        #: The descriptor that can be read from where there is something to hear, -1 once it is closed.
        self.fileno = end.fileno
        self.owed: deque[tuple[Future[Any], Callable[[str], object]]] = deque()
        self._lost: PfnlabError | None = None

    def post(self, request: Any = None, hearer: Callable[[str], object] = say) -> Future[Any]:
        """Send a request, which is worked on after those before it.

        :param hearer: takes the lines of progress
        :return: the result, once :func:`hear` has it, or the error: that of the work, a PolicyError where a
            user's code has ended the process, else :class:`Ended`
        """
        result = Future[Any]()
        self.owed.append((result, hearer))
        if self._lost is not None:
            self.lose()
        # One that has just ended is noticed where it is heard.
        with suppress(OSError):
            self._end.send(request)
        return result

    def ask(self, request: Any, hearer: Callable[[str], object] = say) -> Any:
        """The result of a request, which is waited for."""
        result = self.post(request, hearer)
        while not result.done():
            hear([self])
        return result.result()

    def hear(self) -> None:
        """Take what has come; it waits where nothing has."""
        try:
            messages = self._end.read()
        except (EOFError, OSError):
            self.lose()
            return
        for kind, value in messages:
            if kind == _LINE:
                (self.owed[0][1] if self.owed else say)(value)
            elif kind == _ERROR:
                self.owed.popleft()[0].set_exception(value)
            else:
                self.owed.popleft()[0].set_result(value)

    def lose(self) -> None:
        """It has ended: nothing that it owes has a result."""
        if self._lost is None:
            self.end(_END_LIMIT)
            code = self.process.returncode
            self._lost = mistake_ended(code) or Ended(code)
        while self.owed:
            self.owed.popleft()[0].set_exception(self._lost)

    def end(self, seconds: float = 0.0) -> None:
        """Close the stream, so that it ends by itself; it is killed where it does not in so many seconds."""
        self._end.close()
        end(self.process, seconds)


def fork(do: Callable[[End], object]) -> Worker:
    """A fork that does *do* with its end of the stream; it ends with the thread that calls this."""
    here, there = map(End, socket.socketpair())
    maker = os.getpid()

    def begin() -> None:
        here.close()
        end_with(maker)
        do(there)

    process = _Fork(begin)
    there.close()
    return Worker(process, here)


def forked(make: Callable[[], Callable[[Any], Any]], meanwhile: Callable[[], bool] = lambda: False) -> Worker:
    """A fork that answers requests, as :meth:`End.serve`; Ctrl-C, which reaches all, does not end it."""

    def do(end: End) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end.serve(make, meanwhile=meanwhile)

    return fork(do)


def executed(
    make: str, *arguments: Any, dies: bool = True, environment: Mapping[str, str] | None = None
) -> Worker:
    """An interpreter in a session of its own that answers requests. What it prints goes to standard error.

    :param make: ``package.module:function``, which makes there what answers a request, of its end of the
        stream and *arguments*
    :param dies: it ends with the thread that calls this; else only where the stream is closed
    :param environment: variables set in addition to those of this process
    """
    here, there = socket.socketpair()
    with there:
        descriptor = there.fileno()
        words = "-m", "pfnlab.base.worker", make, str(descriptor), str(os.getpid() if dies else 0)
        process = python(words, environment, stdout=2, pass_fds=(descriptor,))
    stream = End(here)
    stream.send((os.environ.get("PYTHONPATH", ""), arguments))
    return Worker(process, stream)


def python(
    words: Iterable[str], environment: Mapping[str, str] | None = None, **streams: Any
) -> subprocess.Popen[bytes]:
    """Start Python with these words, the modules of this process and a session of its own.

    :param environment: variables set in addition to those of this process
    :param streams: as those of :class:`subprocess.Popen`
    """
    return subprocess.Popen(
        [sys.executable, "-P", *words],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        **streams,
    )


def tell(process: Process, sign: signal.Signals) -> None:
    """Send a signal to a fork that goes on, or to everything in the session of an interpreter."""
    with suppress(ProcessLookupError):
        if isinstance(process, subprocess.Popen):
            os.killpg(process.pid, sign)
        elif process.poll() is None:
            os.kill(process.pid, sign)


def end(process: Process, seconds: float = 0.0) -> None:
    """Wait *seconds* for the end of a process, and kill what is left then of it and its session."""
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    tell(process, signal.SIGKILL)
    while process.poll() is None:
        time.sleep(0.001)


def end_all(workers: Sequence[Worker]) -> None:
    """End workers, all at the same time."""
    for worker in workers:
        tell(worker.process, signal.SIGTERM)
    for worker in workers:
        worker.end(_END_LIMIT)


def hear(workers: Iterable[Worker], seconds: float = 1.0) -> None:
    """Take what has come from workers that owe answers; it waits so many seconds at most."""
    owing = {worker.fileno(): worker for worker in workers if worker.owed}
    # One whose process is gone says no more than what has come, though another one may hold its stream.
    gone = {descriptor for descriptor, worker in owing.items() if worker.process.poll() is not None}
    poll = select.poll()
    for descriptor in owing:
        # Another thread may end it meanwhile.
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(0 if gone else 1000 * seconds)}
    for descriptor, worker in owing.items():
        if descriptor in ready:
            worker.hear()
        elif descriptor in gone:
            worker.lose()


def main(make: str, descriptor: str, maker: str) -> None:
    """Be the worker of :func:`executed`."""
    if int(maker):
        end_with(int(maker))
    stream = End(socket.socket(fileno=int(descriptor)))
    with suppress(EOFError, ConnectionError):
        # What it starts may be another Python.
        os.environ["PYTHONPATH"], arguments = next(stream.messages)
        stream.serve(pkgutil.resolve_name(make), stream, *arguments)


if __name__ == "__main__":
    # What is sent has classes of this module, none of ``__main__``.
    from pfnlab.base.worker import main as begin

    begin(*sys.argv[1:])
