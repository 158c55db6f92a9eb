"""Work in a process that can be ended: its answer, its output, and what is said where it gives none."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pfnlab import limit
from pfnlab import supervised as supervision
from pfnlab.endings import STAYS, signal_name
from pfnlab.errors import Defect, Killed, Misuse, PolicyError
from pfnlab.own_code import own_code
from pfnlab.processes import in_order
from pfnlab.supervised import supervised

FILE = "mine.py"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short limit."""
    monkeypatch.setattr(limit, "LIMIT", 0.5)
    monkeypatch.setattr(supervision, "GRACE", 0.5)


def called(act: Callable[[], object], method: str | None = "track") -> Callable[[], object]:
    """Work in which a method of a user's file does *act*."""

    def work() -> object:
        with own_code(FILE, method):
            return act()

    return work


def mistake(act: Callable[[], object]) -> tuple[str, str | None, str]:
    """The file, the method and the reason that are given where a method does *act*."""
    with pytest.raises(PolicyError) as caught:
        supervised(called(act))
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
    command = "print('waits', end='')\nfrom pfnlab.supervised import supervised\nsupervised(print)"

    subprocess.run([sys.executable, "-c", command], check=True)

    assert "waits\n" == capfd.readouterr().out


def test_a_call_that_ends_its_process_is_named() -> None:
    """Also with the code of success."""
    assert (FILE, "track", "it ended the process it is called in (exit 0)") == mistake(lambda: os._exit(0))


def test_a_call_that_sees_no_signal_is_ended() -> None:
    """It goes on in C alone."""
    says = "it did not return within 0.5 s: does it loop?"

    assert (FILE, "track", says) == mistake(lambda: sum(itertools.count()))


def test_a_call_of_another_thread_is_ended() -> None:
    """The clock's signal does not reach it."""

    def act() -> None:
        thread = threading.Thread(target=called(lambda: sum(itertools.count()), "untrack"), daemon=True)
        thread.start()
        thread.join()

    with pytest.raises(PolicyError) as caught:
        supervised(act)

    assert (FILE, "untrack", limit.too_long()) == (
        caught.value.path,
        caught.value.hook,
        caught.value.what,
    )


def test_calls_that_return_may_take_long_together() -> None:
    """Each has the limit for itself."""

    def work() -> int:
        for _ in range(6):
            called(lambda: time.sleep(0.3))()
        return 1

    assert 1 == supervised(work)


def test_memory_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the machine has none left."""
    monkeypatch.setattr(limit, "LIMIT", 60.0)
    monkeypatch.setattr(supervision, "MOST_MEMORY", 64 << 20)
    taken: list[bytes] = []

    def grow() -> None:
        while True:
            taken.append(b"x" * (1 << 20))
            time.sleep(0.005)

    assert "it took more than 0 GiB of memory: does it grow without end?" == mistake(grow)[2]


def test_a_process_of_several_is_named() -> None:
    """The mistake of one of them is named, not the end of its process."""

    def work(piece: int) -> None:
        called(lambda: os._exit(0) if piece == 1 else None, f"method {piece}")()

    with pytest.raises(PolicyError) as caught:
        supervised(lambda: list(in_order(work, range(3), 2)))

    assert "method 1" == caught.value.hook


def test_a_process_of_several_that_loops_is_ended() -> None:
    """And all others with it."""

    def work(piece: int) -> None:
        called(lambda: sum(itertools.count()) if piece == 1 else None, f"method {piece}")()

    with pytest.raises(PolicyError) as caught:
        supervised(lambda: list(in_order(work, range(3), 2)))

    assert ("method 1", limit.too_long()) == (caught.value.hook, caught.value.what)


def test_a_process_that_was_ended_is_not_waited_for() -> None:
    """The others were given up in the middle of a call, which is no long one."""

    def work(piece: int) -> int:
        if piece:
            called(lambda: time.sleep(600))()
        return piece

    def first() -> int:
        found = next(iter(in_order(work, range(2), 2)))
        time.sleep(2)
        return found

    assert 0 == supervised(first)


def test_an_end_outside_of_all_calls_is_nobodys_mistake() -> None:
    """The kernel kills processes where memory is short."""

    def work() -> None:
        called(lambda: None)()
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Killed, match=r"^mine\.py: its process was killed by SIGKILL; where memory is short"):
        supervised(work)


def test_an_exit_outside_of_all_calls_is_of_the_file() -> None:
    """Only its code can have asked for it, perhaps in a thread."""

    def work() -> None:
        called(lambda: None)()
        os._exit(0)

    with pytest.raises(PolicyError, match=r"^mine\.py: it ended the process \(exit 0\) while no method ran$"):
        supervised(work)


def test_what_is_left_behind_is_ended() -> None:
    """Wherever it has gone."""
    code = "import os, sys, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(3600)"

    def work() -> int:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout is not None
        return int(process.stdout.readline())

    assert not is_alive(supervised(work))


def test_what_ends_by_itself_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have to clean up behind one that is gone."""
    monkeypatch.setattr(supervision, "GRACE", 60.0)
    file = tmp_path / "done"

    supervised(lambda: subprocess.Popen(["/bin/sh", "-c", f"sleep 0.2; touch {file}"]).pid)

    assert file.exists()


def test_what_is_to_stay_stays() -> None:
    """A browser that was opened is the user's."""

    def work() -> int:
        environment = {**os.environ, STAYS: "1"}
        process = subprocess.Popen(["sleep", "3600"], env=environment, start_new_session=True)
        return process.pid

    process = supervised(work)

    assert is_alive(process)
    os.kill(process, signal.SIGKILL)


#: A command that says where it is, and waits inside and outside of a call.
COMMAND = """
import os, signal, sys, time
from pfnlab import limit, supervised
from pfnlab.own_code import own_code
if sys.argv[1] == "slow":
    limit.LIMIT = supervised.GRACE = 1.0
signal.signal(signal.SIGINT, signal.default_int_handler)
def work():
    if sys.argv[1] == "slow":
        with own_code("mine.py", "track"):
            os.write(2, b"%d\\n" % os.getpid())
            time.sleep(0.5)
        return print("done")
    if sys.argv[1] == "deaf":
        with own_code("mine.py", "track"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.write(2, b"%d\\n" % os.getpid())
            time.sleep(600)
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

    # The process writes there too, so that its end is where the text ends.
    assert ("", -number) == (process.communicate(timeout=60)[0], process.returncode)
    assert not is_alive(worker)


def test_a_thread_may_have_work_done() -> None:
    """A server asks in threads; signals are held in none of them."""
    answers: list[object] = []
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    thread = threading.Thread(target=lambda: answers.append(supervised(called(os.getpid))))
    thread.start()
    thread.join()

    assert (1, True) == (len(answers), os.getpid() not in answers)
    assert mask == signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_signal_without_a_name_has_its_number() -> None:
    """Real-time signals are such."""
    assert ("SIGKILL", "signal 40") == (signal_name(9), signal_name(40))
