"""A child process: its answers, its errors, and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pfnlab.base.errors import Defect, LostGuest, Misuse
from pfnlab.base.progress import say
from pfnlab.base.worker import End, Worker, WorkerEnded, executed, fork, forked, hear

Begun = Callable[[Worker], Worker]


@pytest.fixture
def begun() -> Iterator[Begun]:
    """Hands workers on that end with the test."""
    workers: list[Worker] = []

    def begin(worker: Worker) -> Worker:
        workers.append(worker)
        return worker

    yield begin
    for worker in workers:
        worker.end()


def obeying(end: End, *arguments: object) -> Callable[[Any], Any]:
    """Makes what answers: with what it was made of, and with what its request does."""
    return lambda request: request() if callable(request) else (arguments, request, os.getpid())


def obeys() -> Callable[[Any], Any]:
    """The same for a fork."""
    return lambda request: request()


def test_a_fork_answers_one_request_after_the_other(begun: Begun) -> None:
    """What it has is what this process had."""
    numbers = [3, 4]
    worker = begun(forked(lambda: numbers.__getitem__))

    results = [worker.post(request) for request in (0, 1, -1)]
    while worker.owed:
        hear([worker])

    assert [3, 4, 4] == [result.result() for result in results]


def test_an_interpreter_answers(begun: Begun) -> None:
    """It is made of its arguments, in a session of its own."""
    worker = begun(executed("test_worker:obeying", "a", {1: None}))

    assert (("a", {1: None}), "b", worker.process.pid) == worker.ask("b")
    assert os.getsid(worker.process.pid) == worker.process.pid


def search_path() -> str | None:
    """The places in which what this process starts looks for modules of Python first."""
    return os.environ.get("PYTHONPATH")


def test_an_interpreter_hands_no_search_path_on(begun: Begun, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it starts may be another Python, to which those of this one are of no use."""
    monkeypatch.setenv("PYTHONPATH", "/mine")
    worker = begun(executed("test_worker:obeying"))

    assert "/mine" == worker.ask(search_path)


def lost() -> None:
    """Raises an error with a part that is not its text."""
    raise LostGuest("it hung", console="console.txt")


def divided() -> float:
    """Raises what nobody expects."""
    return 1 / 0


def test_an_error_comes_with_its_parts(begun: Begun) -> None:
    """And the worker goes on."""
    worker = begun(forked(obeys))

    with pytest.raises(LostGuest, match=r"^it hung \(console kept in console.txt\)$") as caught:
        worker.ask(lost)

    assert ("console.txt", os.getcwd()) == (caught.value.console, worker.ask(os.getcwd))


def test_an_error_that_nobody_expects_is_a_defect_with_its_place(begun: Begun) -> None:
    """An exit is one too: the worker goes on."""
    worker = begun(forked(obeys))

    for act, place in ((divided, "in divided"), (sys.exit, "SystemExit")):
        with pytest.raises(Defect, match=place):
            worker.ask(act)


class Odd(Misuse):
    """An error that cannot be made anew."""

    def __reduce__(self) -> tuple[Any, ...]:
        return divided, ()


def odd() -> None:
    """Raises it."""
    raise Odd("odd")


def test_an_answer_that_cannot_be_read_is_a_defect(begun: Begun) -> None:
    """What comes behind it is read."""
    worker = begun(forked(obeys))

    with pytest.raises(Defect, match=r"^a message of a process cannot be read: ZeroDivisionError"):
        worker.ask(odd)

    assert os.getcwd() == worker.ask(os.getcwd)


def test_lines_come_before_the_answer(begun: Begun) -> None:
    """As they are said."""
    lines: list[str] = []
    worker = begun(forked(lambda: say))

    worker.ask("one")
    worker.ask("two", lines.append)

    assert ["two"] == lines


def test_a_part_of_a_message_is_not_waited_for(begun: Begun) -> None:
    """Who has a limit sees it pass."""
    worker = begun(fork(lambda end: (os.write(end.fileno(), b"\xff\0\0\0\0\0\0\0part"), time.sleep(600))))
    result = worker.post()

    hear([worker])
    hear([worker], 0.0)

    assert not result.done()


def left_behind() -> None:
    """Ends while a fork of it has the stream."""
    if not os.fork():
        time.sleep(60)
    os._exit(9)


def test_an_end_is_noticed_though_another_process_has_its_stream(begun: Begun) -> None:
    """Nobody writes there any more."""
    worker = begun(forked(obeys))
    began = time.monotonic()

    with pytest.raises(WorkerEnded, match=r"^its process ended without an answer \(exit 9\)$"):
        worker.ask(left_behind)

    assert time.monotonic() - began < 50


def test_one_that_has_ended_answers_nothing_more(begun: Begun) -> None:
    """With the same words."""
    worker = begun(forked(lambda: os._exit))

    for _ in range(2):
        with pytest.raises(WorkerEnded, match="exit 7"):
            worker.ask(7)


def stubborn() -> None:
    """Goes on when it is asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


@pytest.mark.parametrize("begin", [lambda: forked(obeys), lambda: executed("test_worker:obeying")])
def test_one_that_does_not_end_by_itself_is_killed(begin: Callable[[], Worker]) -> None:
    """At the end of its time."""
    worker = begin()
    worker.post(stubborn)

    worker.end(0.1)

    assert not Path(f"/proc/{worker.process.pid}").exists()


def beside() -> int:
    """The number of a process that goes on beside."""
    return subprocess.Popen(["sleep", "600"]).pid


def test_an_interpreter_ends_with_its_session(begun: Begun) -> None:
    """Whatever runs there."""
    worker = begun(executed("test_worker:obeying"))
    other = worker.ask(beside)

    worker.end()

    until = time.monotonic() + 60
    while _runs(other) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _runs(other)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_an_interpreter_may_end_after_the_last_request(tmp_path: Path, begun: Begun) -> None:
    """It has its time to clean up."""
    worker = begun(executed("test_worker:tidy", str(tmp_path / "clean"), dies=False))
    worker.ask(None)

    worker.end(60.0)

    assert (tmp_path / "clean").exists()


def tidy(end: End, file: str) -> Callable[[Any], Any]:
    """Makes a file at the end of its process."""
    import atexit

    atexit.register(Path(file).touch)
    return bool
