"""A scheduler and workers of dask on this host, started as docs/cluster.md says, in a folder of the test."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

#: Seconds until a process of dask has to be there, on a host that is busy.
STARTS = 90.0

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"


class LocalCluster:
    """Processes of dask, each with its own session; a context manager that ends all of them.

    :param folder: for what they write
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.address = ""

    def scheduler(self, *options: str, source: Path = SOURCE) -> None:
        """Start the scheduler; its address is known then."""
        told = self._folder / "scheduler.json"
        told.unlink(missing_ok=True)
        port = self.address.rpartition(":")[2] or "0"
        listen = ("--host", "127.0.0.1", "--port", port, "--no-dashboard", "--scheduler-file", str(told))
        self._start("scheduler", "scheduler", *listen, *options, source=source)
        until = time.monotonic() + STARTS
        # It is there a moment before it is written.
        while not (told.exists() and told.read_text().rstrip().endswith("}")):
            self._check("scheduler", until)
            time.sleep(0.1)
        self.address = json.loads(told.read_text())["address"]

    def worker(
        self, name: str, *options: str, qemu: bool = False, source: Path = SOURCE, wait: bool = True
    ) -> None:
        """Start a worker, and wait until the scheduler knows it.

        :param qemu: whether it may boot kernels
        :param source: where it has its pfnlab
        """
        resources = ("--resources", "qemu=1") if qemu else ()
        where = ("--local-directory", str(self._folder / name), "--no-dashboard", "--name", name)
        begin = ("worker", self.address, "--nthreads", "1")
        self._start(name, *begin, *resources, *where, *options, source=source)
        until = time.monotonic() + STARTS
        while wait and "Registered to" not in self.log(name):
            self._check(name, until)
            time.sleep(0.1)

    def end(self, name: str) -> None:
        """Kill a process and all that it has started."""
        process = self._processes.pop(name)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def silence(self, name: str) -> None:
        """Let a process be there and say nothing, as one whose host lost its network."""
        os.killpg(self._processes[name].pid, signal.SIGSTOP)

    def log(self, name: str) -> str:
        """What it has written."""
        return (self._folder / f"{name}.log").read_text(errors="replace")

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *_: object) -> None:
        for name in [*self._processes]:
            self.end(name)

    def _start(self, name: str, *words: str, source: Path = SOURCE) -> None:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(source), str(HERE), str(HERE.parents[1] / "checker")])
        }
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                cwd=self._folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_us,
            )

    def _check(self, name: str, until: float) -> None:
        ended = self._processes[name].poll() is not None
        assert not ended and time.monotonic() < until, f"{name} does not start: {self.log(name)}"


def _end_with_us() -> None:
    # PR_SET_PDEATHSIG: where the tests are killed, these end too.
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM), 0, 0, 0)


def environment(**more: str) -> Mapping[str, str]:
    """The environment of a command that uses the sources of the tests."""
    return os.environ | {"PYTHONPATH": str(SOURCE)} | more
