"""Other programs: missing, and too slow."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pfnlab.base.errors import MissingTool, TimedOut
from pfnlab.lab.images import tools


def test_missing_program_names_the_remedy() -> None:
    """
    A program that is not installed is a missing tool with its remedy.
    """
    with pytest.raises(MissingTool, match="`no-such-tool` is not on this machine: install it"):
        tools.run(["no-such-tool"], limit=5, remedy="install it")


def test_command_and_its_children_end_at_the_limit() -> None:
    """
    At its limit a command ends together with what it started.
    """
    begun = time.monotonic()

    with pytest.raises(TimedOut, match=r"did not end within 0.5 s"):
        tools.run(["sh", "-c", "sleep 60 & wait"], limit=0.5, remedy="none")

    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_command_and_its_children_end_with_their_owner(tmp_path: Path, number: signal.Signals) -> None:
    """
    A command and what it started end when the process that runs it is killed.
    """
    told = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {told}.part; mv {told}.part {told}; wait"
    code = f"from pfnlab.lab.images.tools import run; run(['sh', '-c', {script!r}], limit=50, remedy='-')"
    owner = subprocess.Popen([sys.executable, "-c", code])
    _until(told.exists)
    child = Path("/proc", told.read_text().strip())
    assert child.exists()

    owner.send_signal(number)
    owner.wait()

    _until(lambda: _has_ended(child))


def test_guard_of_a_command_that_ended_does_nothing(tmp_path: Path) -> None:
    """
    The script of a guard does not run where its context ends.
    """
    done = tmp_path / "done"

    with tools.when_gone('touch "$1"', str(done)):
        pass
    time.sleep(0.2)

    assert not done.exists()


def _has_ended(process: Path) -> bool:
    try:
        return "\nState:\tZ" in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
