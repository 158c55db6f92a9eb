"""`make demo`: as wide as the terminal it is seen on, although it goes through a file."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import termios
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[1] / "Makefile"

#: Stands for the command, and says how wide it was told to be.
PFNLAB = """#!/bin/sh
echo "width [$COLUMNS]"
echo "differ: model:6.1, qemu:6.1 |"
echo "  model:7.2, qemu:7.2"
echo "as expected"
exit ${CODE:-1}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demo can be made, without a kernel and without installing anything."""
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    command = tmp_path / ".venv" / "bin" / "pfnlab"
    command.write_text(PFNLAB)
    command.chmod(0o755)
    for done in ("pyproject.toml", ".venv/.demo"):
        (tmp_path / done).touch()
    return tmp_path


def demo(folder: Path, out: int, **more: str) -> int:
    """Make the demo with its output going to a descriptor; the exit code."""
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "MAKEFLAGS")}
    words = ["make", "-s", "-o", "system", "-o", ".venv/.demo", "demo"]
    ended = subprocess.run(
        words, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, env=environment | more, timeout=60
    )
    return ended.returncode


def on_terminal(folder: Path, columns: int, **more: str) -> list[str]:
    """What a terminal so many columns wide shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    code = demo(folder, theirs, **more)
    said = os.read(ours, 65536).decode().splitlines()
    os.close(ours)
    os.close(theirs)
    assert 0 == code
    return said


@pytest.mark.parametrize(("columns", "width"), [(64, 64), (200, 200), (0, 80)])
def test_the_terminal_says_how_wide(folder: Path, columns: int, width: int) -> None:
    """One that does not know has 80."""
    said = on_terminal(folder, columns)

    assert f"width [{width}]" == said[0]
    assert width >= max(map(len, said))


def test_who_asks_for_a_width_gets_it(folder: Path) -> None:
    """COLUMNS is stronger than the terminal."""
    assert "width [72]" == on_terminal(folder, 200, COLUMNS="72")[0]


def test_a_pipe_has_no_width(folder: Path) -> None:
    """There the command decides; and the story is told although its line was wrapped."""
    read, write = os.pipe()

    code = demo(folder, write)

    os.close(write)
    with os.fdopen(read) as out:
        said = out.read().splitlines()
    assert (0, "width []") == (code, said[0])
    assert (
        "The two kernels differ, as the story says: 6.1 forgets half of the mapping, 7.2 does not."
        == said[-1]
    )


@pytest.mark.parametrize("answered", ["0", "3", "4"])
def test_another_story_is_a_failure(folder: Path, answered: str) -> None:
    """Machines that agree are not what was promised; make says 2 of anything that fails."""
    read, write = os.pipe()

    ended = demo(folder, write, CODE=answered)

    os.close(read)
    os.close(write)
    assert 2 == ended
