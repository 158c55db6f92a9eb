"""A bench in a process: what comes back through the pipes, and what ends it."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from typing import Any

import pytest
from fake_guests import PROGRAM

from pfnlab.errors import Defect, MissingTool, PfnlabError, Why
from pfnlab.lab.running import bench_process
from pfnlab.lab.running.bench_process import BenchProcess, serve
from pfnlab.lab.vm.boots import Stopped
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Reason, Run

RUN = Run("qemu:6.1", "linux 6.1.1-1", (), lost=Reason("nobody is there", Why.GUEST))


class Made:
    """A machine that notes what is asked of it, and has trouble where it is told to."""

    def __init__(self, guests: int, say: object, trouble: Exception | None = None, line: str = "") -> None:
        assert guests == 1
        self.trouble, self.noted = trouble, ["made"]
        if line and callable(say):
            say(line)

    def run(self, programs: list[Program]) -> list[Run]:
        """Always the same."""
        self.noted.append("run")
        if self.trouble is not None:
            raise self.trouble
        return [RUN] * len(programs)

    def reboot(self) -> None:
        """Noted."""
        self.noted.append("reboot")

    def close(self) -> None:
        """Noted."""
        self.noted.append("close")


def answers(settings: dict[str, object], *requests: object) -> tuple[list[object], list[str]]:
    """What the process answers, and what its machine noted."""
    sent, got, made = io.BytesIO(), io.BytesIO(), []

    def machine(**settings: Any) -> Made:
        made.append(Made(**settings))
        return made[0]

    for value in (settings, *requests):
        pickle.dump(value, sent)
    sent.seek(0)
    serve(sent, got, machine)
    got.seek(0)
    values = []
    while got.tell() < len(got.getbuffer()):
        values.append(pickle.load(got))
    return values, made[0].noted


def test_programs_are_run_until_there_are_no_more() -> None:
    """A run is equal to itself on the other side, and the machine is closed."""
    assert ([("run", RUN), ("run", None)], ["made", "run", "reboot", "close"]) == answers({}, PROGRAM, "drop")


def test_lines_come_before_the_answer() -> None:
    """What takes time is said where the user sees it."""
    values, _ = answers({"line": "compiling"}, PROGRAM)

    assert [("say", "compiling"), ("run", RUN)] == values


@pytest.mark.parametrize(
    ("trouble", "name", "text"),
    [
        (MissingTool("no QEMU"), "MissingTool", "no QEMU"),
        (ZeroDivisionError("by zero"), "Defect", "ZeroDivisionError: by zero"),
    ],
)
def test_errors_keep_their_kind(trouble: Exception, name: str, text: str) -> None:
    """Those that are nobody's are defects; the process goes on."""
    values, _ = answers({"trouble": trouble}, PROGRAM, "drop")

    assert [("error", (name, text)), ("run", None)] == values


#: The other side: answers every request with what the settings say.
_ECHO = """
import pickle, sys
said = pickle.load(sys.stdin.buffer)["answers"]
for answer in said:
    pickle.load(sys.stdin.buffer)
    if answer is None:
        sys.exit(1)
    for part in answer:
        sys.stdout.buffer.write(pickle.dumps(part))
    sys.stdout.buffer.flush()
sys.stdin.buffer.read()
"""


@pytest.fixture(autouse=True)
def other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that need no guest."""
    monkeypatch.setattr(bench_process, "_SERVE", _ECHO)


def test_a_run_comes_back() -> None:
    """After what is said on the way."""
    said: list[str] = []
    bench = BenchProcess({"answers": [[("say", "hello"), ("run", RUN)]]}, said.append)

    run = bench.run(PROGRAM)

    assert (RUN, ["hello"], True) == (run, said, bench.is_up)
    bench.close()


@pytest.mark.parametrize("kind", [MissingTool, Defect])
def test_an_error_is_raised_again(kind: type[PfnlabError]) -> None:
    """As what it was."""
    bench = BenchProcess({"answers": [[("error", (kind.__name__, "no QEMU"))]]})

    with pytest.raises(kind, match="no QEMU"):
        bench.run(PROGRAM)
    bench.close()


def test_a_process_that_ends_is_noticed() -> None:
    """Nobody waits for it for ever."""
    bench = BenchProcess({"answers": [None]})

    with pytest.raises(Defect, match="ended with status"):
        bench.run(PROGRAM)

    assert not bench.is_up


def test_a_process_that_was_killed_stops_the_run() -> None:
    """As a run that was given up."""
    bench = BenchProcess({"answers": [[("run", RUN)], None]})
    bench.run(PROGRAM)

    bench.kill()

    with pytest.raises(Stopped):
        bench.run(PROGRAM)


def test_closing_ends_the_process() -> None:
    """And nothing is left of it."""
    bench = BenchProcess({"answers": [[("run", RUN)]]})
    bench.run(PROGRAM)
    process = bench._process
    assert isinstance(process, subprocess.Popen) and sys.executable in str(process.args)

    bench.close()

    assert process.poll() == 0
