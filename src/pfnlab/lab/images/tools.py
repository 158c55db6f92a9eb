"""Running other programs with a time limit and captured output, and reporting failures in one line."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pfnlab.base.errors import MissingTool, TimedOut
from pfnlab.base.worker import tell
from pfnlab.lab.images.cache import NO_ROOM

#: For `when_gone`: kills the session of command ``$1``. Not `kill -9 --`, which dash does not understand.
END_ALL = 'kill -s KILL -- "-$1"'

#: Seconds between calls to *meanwhile* while a command runs.
_MEANWHILE = 5.0


@contextmanager
def started(
    command: Sequence[str], *, remedy: str, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start *command* in its own session, so that it and its children can be ended together.

    They also end when this process does, no matter how it ends.

    :param remedy: advice to give if the program is not installed
    :param env: variables to set on top of the caller's own
    :raises MissingTool: if the program does not exist
    """
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            start_new_session=True,
            umask=_umask(),
        )
    except FileNotFoundError as error:
        raise MissingTool(f"`{command[0]}` is not on this machine: {remedy}") from error
    with process:
        try:
            with when_gone(END_ALL, str(process.pid)):
                yield process
        finally:
            if process.poll() is None:
                tell(process, signal.SIGKILL)


def _umask() -> int:
    """This process's umask, minus write permission for group and others."""
    # Querying it through the system call would change it for other threads.
    found = re.search(r"^Umask:\s*([0-7]+)$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return (int(found[1], 8) if found else 0) | 0o022


@contextmanager
def when_gone(script: str, *arguments: str) -> Iterator[None]:
    """Have the shell run *script* with *arguments* if this process ends inside the context."""
    guard = start_guard(script, *arguments)
    try:
        yield
    finally:
        # Before the pipe closes, because the script must run only if its owner has gone.
        guard.kill()
        guard.communicate()


def start_guard(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process that runs *script*, as in `when_gone`, once this process ends or closes its pipe."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read -r _; {script}", "sh", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def run(
    command: Sequence[str],
    *,
    limit: float,
    remedy: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    meanwhile: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run *command* to completion and return its output. The caller checks the exit status.

    :param limit: seconds after which the command is killed
    :param meanwhile: called every few seconds while the command runs
    :raises MissingTool: if the program does not exist
    :raises TimedOut: if the limit has passed
    :raises OSError: if the command failed because the disk is full
    """
    with started(command, remedy=remedy, env=env, cwd=cwd) as process:
        deadline = time.monotonic() + limit
        while True:
            seconds = deadline - time.monotonic()
            try:
                out, err = process.communicate(
                    timeout=seconds if meanwhile is None else min(seconds, _MEANWHILE)
                )
                break
            except subprocess.TimeoutExpired as error:
                if meanwhile is not None and time.monotonic() < deadline:
                    meanwhile()
                    continue
                tell(process, signal.SIGKILL)
                raise TimedOut(
                    f"`{command_text(command)}` did not end within {limit:g} s: {remedy}"
                ) from error
    stderr = err.decode(errors="replace")
    if process.returncode:
        for number in NO_ROOM:
            if os.strerror(number) in stderr:
                raise OSError(number, os.strerror(number))
    return subprocess.CompletedProcess(
        list(command), process.returncode, out.decode(errors="replace"), stderr
    )


def command_text(command: Sequence[str]) -> str:
    """The first words of *command*, enough to recognise it."""
    return " ".join(command[:3]) + (" ..." if len(command) > 3 else "")


def complaint(text: str) -> str:
    """The line in *text* that best describes the failure: the first error, or else the first warning."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for mark in ("E:", "W:", "dpkg-deb: error:"):
        for line in lines:
            if line.startswith(mark):
                return line.removeprefix(mark).strip()
    return lines[-1] if lines else "no message"
