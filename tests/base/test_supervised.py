"""Work in a process that can be ended: its answer, its output, and what is said where it gives none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfnlab.base import own_code
from pfnlab.base.endings import signal_name
from pfnlab.base.errors import Defect, Killed, Misuse, PolicyError
from pfnlab.base.own_code import note_file
from pfnlab.base.processes import in_order
from pfnlab.base.supervised import supervised

FILE = "mine.py"

LOOPS = "it did not return within 1 processor seconds: does it loop?"
WAITS = "it did not return within 2 s: does it wait for ever?"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit, and no file of an earlier test."""
    monkeypatch.setattr(own_code, "LIMIT", 1.0)
    monkeypatch.setattr(own_code, "_files", {})


def called(body: str, method: str = "track") -> Callable[[], object]:
    """Work in which a method of a user's file does *body*."""
    names: dict[str, object] = {}
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    exec(compile(f"import itertools, os, signal, time\ndef {method}():\n{lines}", FILE, "exec"), names)
    act = names[method]
    assert callable(act)

    def work() -> object:
        note_file(FILE)
        return act()

    return work


def mistake(body: str) -> tuple[str, str | None, str]:
    """The file, the method and the reason that are given where a method does *body*."""
    with pytest.raises(PolicyError) as caught:
        supervised(called(body))
    return caught.value.path, caught.value.hook, caught.value.what


def is_alive(process: int) -> bool:
    """True for a process that is there, and is no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_answer_comes_from_another_process() -> None:
    """With all that is in it."""
    answer = supervised(lambda: (os.getpid(), ["a", {1: None}]))

    assert (True, ["a", {1: None}]) == (answer[0] != os.getpid(), answer[1])


def test_such_a_process_needs_no_other() -> None:
    """Work that is supervised already is done there."""

    def work() -> bool:
        here = os.getpid()
        return here == supervised(os.getpid)

    assert supervised(work)


def test_an_error_is_raised_here() -> None:
    """With its class and its text."""

    def work() -> None:
        raise Misuse("three is too many")

    with pytest.raises(Misuse, match=r"^three is too many$"):
        supervised(work)


@pytest.mark.parametrize("trouble", [ZeroDivisionError("odd"), SystemExit(0)])
def test_what_nobody_expects_is_a_defect(trouble: BaseException) -> None:
    """With its place."""

    def work() -> None:
        raise trouble

    with pytest.raises(Defect, match=rf"(?s)test_supervised.*{type(trouble).__name__}"):
        supervised(work)


def test_an_answer_that_cannot_be_sent_is_a_defect() -> None:
    """It is said here."""
    with pytest.raises(Defect, match="pickle"):
        supervised(lambda: lambda: None)


def test_its_output_is_written_here(capsys: pytest.CaptureFixture[str]) -> None:
    """In its order, and before what comes next."""
    supervised(lambda: print("one", "ä", end="\n\ntwo"))
    print(" three")

    assert "one ä\n\ntwo three\n" == capsys.readouterr().out


def test_what_waits_to_be_written_is_written_once(capfd: pytest.CaptureFixture[str]) -> None:
    """Though the process has a copy of it."""
    command = "print('waits', end='')\nfrom pfnlab.base.supervised import supervised\nsupervised(print)"

    subprocess.run([sys.executable, "-c", command], check=True)

    assert "waits\n" == capfd.readouterr().out


def test_a_call_that_ends_its_process_is_named() -> None:
    """Also with the code of success."""
    assert (FILE, None, "it ended the process it runs in (exit 0)") == mistake("os._exit(0)")


def test_an_exception_of_a_call_has_its_line() -> None:
    """And the method."""
    assert (FILE, "track", "it raised KeyError: 'x' (line 3)") == mistake("{}['x']")


@pytest.mark.parametrize(("body", "says"), [("while True: pass", LOOPS), ("time.sleep(600)", WAITS)])
def test_a_call_that_sees_signals_is_ended_with_its_name(
    body: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of it: one that loops after processor seconds, however long they take."""
    if says == WAITS:
        monkeypatch.setattr(own_code, "PATIENCE", 2.0)

    assert (FILE, "track", says) == mistake(body)


@pytest.mark.parametrize(
    ("body", "says"),
    [("sum(itertools.count())", LOOPS), ("os.kill(os.getpid(), signal.SIGSTOP)", WAITS)],
    ids=["in C", "stopped"],
)
def test_a_call_that_sees_no_signal_is_ended(body: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process stands still; which method it is in was perhaps not seen."""
    if says == WAITS:
        monkeypatch.setattr(own_code, "PATIENCE", 2.0)

    path, method, what = mistake(body)

    assert (FILE, True, says) == (path, method in (None, "track"), what)


def test_a_call_that_waits_for_a_processor_is_not_blamed() -> None:
    """On a busy machine, which a process that is stopped again and again stands for."""
    stops = "for _ in $(seq 20); do kill -STOP $PPID; sleep 0.2; kill -CONT $PPID; sleep 0.05; done"

    def work() -> str:
        with subprocess.Popen(["sh", "-c", stops]):
            called("while not os.waitpid(-1, os.WNOHANG)[0]: time.sleep(0.01)")()
        return "returned"

    assert "returned" == supervised(work)


def test_a_call_of_another_thread_is_ended() -> None:
    """No signal reaches it."""

    def act() -> None:
        thread = threading.Thread(target=called("while True: pass", "untrack"), daemon=True)
        thread.start()
        thread.join()

    with pytest.raises(PolicyError) as caught:
        supervised(act)

    assert (FILE, "untrack", LOOPS) == (caught.value.path, caught.value.hook, caught.value.what)


def test_calls_that_return_may_take_long_together() -> None:
    """Each has the limit for itself."""

    def work() -> int:
        for _ in range(6):
            called("time.sleep(0.5)")()
        return 1

    assert 1 == supervised(work)


def test_work_without_calls_may_take_long() -> None:
    """A long search is no loop of a policy."""

    def work() -> int:
        called("pass")()
        time.sleep(3)
        return 1

    assert 1 == supervised(work)


def test_memory_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the machine has none left; it is named with its method."""
    monkeypatch.setattr(own_code, "MOST_MEMORY", 4 << 30)

    says = "it took more than 4 GiB of memory: does it grow without end?"
    assert (FILE, "track", says) == mistake("bytearray(10 << 30)")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("os.close(1)", "it closed standard output, which it must leave open"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))",
            "it changed the limit of open files (RLIMIT_NOFILE), which it must leave alone",
        ),
    ],
)
def test_what_it_takes_from_its_process_is_named(body: str, says: str) -> None:
    """Though the call itself has returned."""
    assert (FILE, None, says) == mistake(body)


def test_a_process_of_several_is_named() -> None:
    """The mistake in one of them is that of the file, not the end of a process."""

    def work(piece: int) -> None:
        called("os._exit(0)" if piece == 1 else "pass")()

    def all_pieces() -> list[None]:
        note_file(FILE)
        return list(in_order(work, range(3), 2))

    with pytest.raises(PolicyError, match="it ended the process it runs in"):
        supervised(all_pieces)


@pytest.mark.parametrize("body", ["while True: pass", "sum(itertools.count())"], ids=["in Python", "in C"])
def test_a_process_of_several_that_loops_is_ended(body: str) -> None:
    """And all others with it."""

    def work(piece: int) -> None:
        called(body if piece == 1 else "pass")()

    with pytest.raises(PolicyError) as caught:
        supervised(lambda: list(in_order(work, range(3), 2)))

    assert LOOPS == caught.value.what


def test_a_call_that_forks_goes_on_once() -> None:
    """Its copy would do the command once more."""
    assert isinstance(supervised(called("return os.fork()")), int)


def test_an_end_from_outside_is_nobodys_mistake() -> None:
    """The kernel kills processes where memory is short."""

    def work() -> None:
        called("pass")()
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Killed, match=r"^mine\.py: its process was killed by SIGKILL; where memory is short"):
        supervised(work)


#: A command that says where it is, and waits inside and outside of a call.
COMMAND = """
import os, signal, sys, time
from pfnlab.base import own_code
from pfnlab.base import supervised
if sys.argv[1] == "slow":
    own_code.LIMIT = 1.0
signal.signal(signal.SIGINT, signal.default_int_handler)
def track(deaf, seconds):
    if deaf:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.write(2, b"%d\\n" % os.getpid())
    time.sleep(seconds)
track.__code__ = track.__code__.replace(co_filename="mine.py")
def work():
    if sys.argv[1] != "hears":
        own_code.note_file("mine.py")
    if sys.argv[1] == "slow":
        track(False, 0.5)
        return print("done")
    if sys.argv[1] == "deaf":
        track(True, 600)
    try:
        os.write(2, b"%d\\n" % os.getpid())
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        raise
try:
    supervised.supervised(work)
except KeyboardInterrupt:
    print("130")
"""


@pytest.fixture
def command() -> Iterator[Callable[[str], tuple[subprocess.Popen[str], int]]]:
    """Starts the command in a group of its own; gives it with the number of the process that works."""
    begun: list[subprocess.Popen[str]] = []

    def begin(kind: str) -> tuple[subprocess.Popen[str], int]:
        process = subprocess.Popen(
            [sys.executable, "-c", COMMAND, kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        begun.append(process)
        assert process.stderr is not None
        return process, int(process.stderr.readline())

    yield begin
    for process in begun:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("group", [False, True], ids=["process", "group"])
def test_an_interrupt_ends_the_work(
    command: Callable[[str], tuple[subprocess.Popen[str], int]], group: bool
) -> None:
    """Sent to the command alone or, as a terminal does, to all processes."""
    process, worker = command("hears")

    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)

    assert "interrupted\n130\n" == process.communicate(timeout=60)[0]
    assert not is_alive(worker)


def test_an_interrupt_ends_a_call_that_does_not_hear_it(
    command: Callable[[str], tuple[subprocess.Popen[str], int]],
) -> None:
    """Long before the limit."""
    process, worker = command("deaf")

    os.killpg(process.pid, signal.SIGINT)

    assert "130\n" == process.communicate(timeout=60)[0]
    assert not is_alive(worker)


def test_a_command_that_was_stopped_for_a_while_goes_on(
    command: Callable[[str], tuple[subprocess.Popen[str], int]],
) -> None:
    """Its calls have taken no time meanwhile."""
    process, _ = command("slow")

    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGCONT)

    assert "done\n" == process.communicate(timeout=60)[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_work_ends_with_the_command(
    command: Callable[[str], tuple[subprocess.Popen[str], int]], number: signal.Signals
) -> None:
    """However that ends."""
    process, worker = command("hears")

    process.send_signal(number)

    # The process writes there too; it is gone a moment after the text has ended.
    assert ("", -number) == (process.communicate(timeout=60)[0], process.returncode)
    until = time.monotonic() + 60
    while is_alive(worker) and time.monotonic() < until:
        time.sleep(0.01)
    assert not is_alive(worker)


def test_a_thread_may_have_work_done() -> None:
    """A server asks in threads; signals are held in none of them."""
    answers: list[object] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    thread = threading.Thread(target=lambda: answers.append(supervised(os.getpid)))
    thread.start()
    thread.join()

    assert (1, True) == (len(answers), os.getpid() not in answers)
    assert mask == signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_signal_without_a_name_has_its_number() -> None:
    """Real-time signals are such."""
    assert ("SIGKILL", "signal 40") == (signal_name(9), signal_name(40))
