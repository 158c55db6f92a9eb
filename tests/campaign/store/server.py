"""A PostgreSQL server of the distribution's packages, in a temporary folder, on a socket of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

#: Seconds until it answers, and until it has ended.
STARTS = 60

#: Who runs it where the tests are root's, whom it refuses.
UNPRIVILEGED = "nobody"


def programs() -> Path | None:
    """The folder of the server's programs, of the newest version that is installed; None where none is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a database on a server that lives as long as the context."""
    folder = programs()
    assert folder is not None, "install postgresql"
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    home = Path(mkdtemp(prefix="pfnlab-pg-", dir="/tmp"))
    if user is not None:
        shutil.chown(home, user)

    def run(*command: str) -> None:
        done = subprocess.run(
            command, user=user, cwd=home, capture_output=True, text=True, timeout=STARTS, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    data = str(home / "data")
    run(str(folder / "initdb"), "-D", data, "-A", "trust", "-U", "lab", "--no-sync", "-E", "UTF8")
    server = subprocess.Popen(
        [str(folder / "postgres"), "-D", data, "-k", str(home), "-h", "", "-c", "fsync=off"],
        user=user,
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait(folder, home)
        yield f"postgresql://lab@/postgres?host={home}"
    finally:
        server.terminate()
        try:
            server.wait(STARTS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home, ignore_errors=True)


def _wait(folder: Path, home: Path) -> None:
    """Wait until it answers, at most :data:`STARTS` seconds."""
    until = time.monotonic() + STARTS
    asked = [str(folder / "pg_isready"), "-h", str(home), "-q"]
    while subprocess.run(asked, timeout=STARTS, check=False).returncode:
        assert time.monotonic() < until, "the server did not answer"
        time.sleep(0.1)
