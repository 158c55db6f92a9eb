"""Folders that go with the process that made them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pfnlab.checker.search.explore import FOLDERS
from pfnlab.checker.search.scratch import scratch

#: Makes a folder with a file in it, says so, and waits. Under nohup a process begins with SIGHUP ignored.
MAKER = (
    "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
    "import time; from pfnlab.checker.search.scratch import scratch\n"
    "with scratch('made-') as folder:\n"
    "    (folder / 'file').write_text(''); print(folder, flush=True); time.sleep(600)\n"
)


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary folders are made in the test's own."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def maker(folder: Path) -> subprocess.Popen[str]:
    """A process that has made a folder."""
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", MAKER], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def ended(process: subprocess.Popen[str], number: int) -> int:
    """How it ended."""
    process.send_signal(number)
    process.communicate(timeout=60)
    return process.returncode


def test_a_folder_goes_when_it_is_of_no_more_use(tmp_path: Path) -> None:
    """With what is in it; others cannot look into it."""
    with scratch("made-") as folder:
        (folder / "file").write_text("")
        mode = folder.stat().st_mode & 0o777

    assert (0o700, []) == (mode, list(tmp_path.iterdir()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_folder_goes_with_its_maker(number: int, tmp_path: Path) -> None:
    """At once; the maker ends as the signal would have ended it."""
    process = maker(tmp_path)

    assert (-number, []) == (ended(process, number), list(tmp_path.iterdir()))


def test_what_a_killed_process_left_goes_when_the_next_begins(tmp_path: Path) -> None:
    """And only that: not what a living one has, nor what only looks alike."""
    living, killed = maker(tmp_path), maker(tmp_path)
    (tmp_path / "made-file").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "made-link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "other").mkdir()
    ended(killed, signal.SIGKILL)
    before = len(list(tmp_path.iterdir()))

    try:
        with scratch("made-"):
            pass
        after = sorted(one.name[:8] for one in tmp_path.iterdir())
    finally:
        ended(living, signal.SIGKILL)

    assert before - 1 == len(after)
    assert ["made-fil", "made-lin"] == [name for name in after if name in ("made-fil", "made-lin")]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_what_is_somebody_elses_stays(tmp_path: Path) -> None:
    """Even for root, and though nobody holds it."""
    theirs = tmp_path / "made-theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)

    with scratch("made-"):
        pass

    assert theirs.is_dir()


def test_signals_do_afterwards_what_they_did(tmp_path: Path) -> None:
    """And a program that handles one itself goes on doing so."""
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
    try:
        with scratch("made-"):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

    assert ([signal.SIGHUP], signal.SIG_DFL) == (heard, signal.getsignal(signal.SIGTERM))


def search(folder: Path) -> subprocess.Popen[str]:
    """A search that keeps states on disk, and is under way."""
    command = "from pfnlab.cli import main; main()"
    argv = ("check", "--scope", "wide", "--memory", "1")
    process = subprocess.Popen(
        [sys.executable, "-c", command, *argv],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    end = time.monotonic() + 60
    while not list(folder.glob(f"{FOLDERS}*")):
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


AT_ONCE = """
import os, signal, tempfile
from pfnlab.checker.search.scratch import scratch
make = tempfile.mkdtemp
def made(**how):
    folder = make(**how)
    os.kill(os.getpid(), signal.SIGTERM)
    return folder
tempfile.mkdtemp = made
with scratch("made-"):
    pass
"""


def test_a_signal_just_when_the_folder_is_made_leaves_nothing(tmp_path: Path) -> None:
    """It comes before anybody could handle it."""
    process = subprocess.run([sys.executable, "-c", AT_ONCE], env={**os.environ, "TMPDIR": str(tmp_path)})

    assert (-signal.SIGTERM, []) == (process.returncode, list(tmp_path.iterdir()))


@pytest.mark.target("long")
def test_searches_on_disk_leave_nothing(tmp_path: Path) -> None:
    """One that is told to end takes its folder along; that of one that was killed is taken by the next."""
    ended(search(tmp_path), signal.SIGTERM)
    after_term = list(tmp_path.iterdir())
    killed = search(tmp_path)
    ended(killed, signal.SIGKILL)
    (left,) = tmp_path.iterdir()

    later = search(tmp_path)
    try:
        end = time.monotonic() + 60
        while left.exists() and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        ended(later, signal.SIGTERM)

    assert ([], []) == (after_term, list(tmp_path.iterdir()))
