"""Child processes: how they start, the messages exchanged with them, and how they end.

A worker is a fork, which inherits this process's state, or a separate interpreter. It answers requests in
order, each with progress lines followed by a result or the error that the work raised. It ends with its
parent, and when its stream is closed; if it does not end, it is killed along with everything in its session.

Messages are pickled and length-prefixed, since states, programs and errors are of any class and both
sides run the same program.
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

#: Number of seconds a worker has to exit once its end of the stream is closed.
_END_LIMIT = 5.0

#: The kinds of messages from a worker: a progress line, a result, an error.
_LINE, _RESULT, _ERROR = "line", "result", "error"

_LENGTH = struct.Struct("Q")

_READ = 1 << 18


class WorkerEnded(Undecided):
    """A worker ended without an answer, with this exit code (negative for a signal)."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"its process {ending(code)}")
        self.code = code


class _LostMessage(NamedTuple):
    """A message that arrived but cannot be read, delivered as an error."""

    kind: str
    error: PfnlabError


class End:
    """One end of a message stream; raises EOFError after the last message."""

    def __init__(self, stream: socket.socket) -> None:
        self.fileno, self.close = stream.fileno, stream.close
        self._stream, self._received = stream, bytearray()
        self._meanwhile: Callable[[], bool] = lambda: False
        self.messages = self._messages()

    def send(self, message: Any) -> None:
        """Send a message; OSError if either end is closed."""
        self._write(pickle.dumps(message))

    def say(self, line: str) -> None:
        """Send a line of progress or output."""
        self.send((_LINE, line))

    def answer(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Send the result of *work*, or its error, which is a defect if unexpected. Errors as for `send`."""
        try:
            # The result may not be picklable.
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
        """Answer requests until the stream is closed.

        :param make: creates the function that answers a request
        :param meanwhile: does a piece of background work while idle; returns False once there is nothing left
            to do until the next request
        """
        heard_by(self.say)
        work = make(*arguments)
        self._meanwhile = meanwhile
        # User code may close descriptors that it did not open.
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
        """Wait for data, and return the complete messages; EOFError if the stream is closed."""
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
    """A forked process, with the subset of :class:`subprocess.Popen` used here."""

    def __init__(self, do: Callable[[], object]) -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            # Otherwise the child may write it again; the stream may be closed.
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
        """The exit code; None while running, 0 if the system does not keep it (SIGCHLD ignored)."""
        if self.returncode is None:
            process, status = self.pid, 0
            with suppress(ChildProcessError):
                process, status = os.waitpid(self.pid, os.WNOHANG)
            if process:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


Process = subprocess.Popen[bytes] | _Fork


class Worker:
    """A child process and the message stream to it.

    :ivar owed: pending requests, oldest first: the future for the result, and the receiver of progress lines
    """

    def __init__(self, process: Process, end: End) -> None:
        self.process, self._end = process, end
        #: A descriptor that is readable when there are messages, -1 once it is closed.
        self.fileno = end.fileno
        self.owed: deque[tuple[Future[Any], Callable[[str], object]]] = deque()
        self._lost: PfnlabError | None = None

    def post(self, request: Any = None, hearer: Callable[[str], object] = say) -> Future[Any]:
        """Send a request, which is handled after those before it.

        :param hearer: receives the progress lines
        :return: a future for the result, set by :func:`hear`, or for the error: the one that the work raised,
            a PolicyError if user code ended the process, else :class:`WorkerEnded`
        """
        result = Future[Any]()
        self.owed.append((result, hearer))
        if self._lost is not None:
            self.lose()
        # If a process has just ended, this is noticed when its messages are read.
        with suppress(OSError):
            self._end.send(request)
        return result

    def ask(self, request: Any, hearer: Callable[[str], object] = say) -> Any:
        """Send a request and wait for its result."""
        result = self.post(request, hearer)
        while not result.done():
            hear([self])
        return result.result()

    def hear(self) -> None:
        """Receive messages; wait for one if necessary."""
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
        """Fail all pending requests, because the process has ended."""
        if self._lost is None:
            self.end(_END_LIMIT)
            code = self.process.returncode
            self._lost = mistake_ended(code) or WorkerEnded(code)
        while self.owed:
            self.owed.popleft()[0].set_exception(self._lost)

    def end(self, seconds: float = 0.0) -> None:
        """Close the stream, give the process *seconds* to exit, and then kill it."""
        self._end.close()
        end(self.process, seconds)


def fork(do: Callable[[End], object]) -> Worker:
    """A fork that runs *do* with its end of the stream; it ends along with the calling thread."""
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
    """A fork that answers requests like :meth:`End.serve`; it ignores Ctrl-C, sent to its whole group."""

    def do(end: End) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        end.serve(make, meanwhile=meanwhile)

    return fork(do)


def executed(
    make: str, *arguments: Any, dies: bool = True, environment: Mapping[str, str] | None = None
) -> Worker:
    """A Python interpreter in its own session that answers requests; its output goes to standard error.

    :param make: ``package.module:function``, called in the interpreter with its end of the stream
        and *arguments*; it returns the function that answers requests
    :param dies: end it along with the calling thread; otherwise it ends only when the stream is closed
    :param environment: variables to set in addition to this process's
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
    """Start Python with these arguments in its own session, with this process's module path.

    :param environment: variables to set in addition to this process's
    :param streams: as for :class:`subprocess.Popen`
    """
    return subprocess.Popen(
        [sys.executable, "-P", *words],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})},
        **streams,
    )


def tell(process: Process, sign: signal.Signals) -> None:
    """Send a signal to a running fork, or to the whole session of an interpreter."""
    with suppress(ProcessLookupError):
        if isinstance(process, subprocess.Popen):
            os.killpg(process.pid, sign)
        elif process.poll() is None:
            os.kill(process.pid, sign)


def end(process: Process, seconds: float = 0.0) -> None:
    """Wait *seconds* for a process to exit, then kill what is left of it and of its session."""
    until = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    tell(process, signal.SIGKILL)
    while process.poll() is None:
        time.sleep(0.001)


def end_all(workers: Sequence[Worker]) -> None:
    """End workers in parallel."""
    for worker in workers:
        tell(worker.process, signal.SIGTERM)
    for worker in workers:
        worker.end(_END_LIMIT)


def hear(workers: Iterable[Worker], seconds: float = 1.0) -> None:
    """Receive messages from workers that owe answers, waiting at most *seconds*."""
    owing = {worker.fileno(): worker for worker in workers if worker.owed}
    # Nothing more comes from a process that has exited, even if another process holds its stream open.
    gone = {descriptor for descriptor, worker in owing.items() if worker.process.poll() is not None}
    poll = select.poll()
    for descriptor in owing:
        # Another thread may have ended it in the meantime.
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    ready = {descriptor for descriptor, _ in poll.poll(0 if gone else 1000 * seconds)}
    for descriptor, worker in owing.items():
        if descriptor in ready:
            worker.hear()
        elif descriptor in gone:
            worker.lose()


def main(make: str, descriptor: str, maker: str) -> None:
    """Run as the worker of :func:`executed`."""
    if int(maker):
        end_with(int(maker))
    stream = End(socket.socket(fileno=int(descriptor)))
    with suppress(EOFError, ConnectionError):
        # It may start another Python.
        os.environ["PYTHONPATH"], arguments = next(stream.messages)
        stream.serve(pkgutil.resolve_name(make), stream, *arguments)


if __name__ == "__main__":
    # Messages use the classes from this module, not from ``__main__``.
    from pfnlab.base.worker import main as begin

    begin(*sys.argv[1:])
