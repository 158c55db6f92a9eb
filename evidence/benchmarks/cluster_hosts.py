"""A cluster of hosts: steps and programs per second on 1, 2 and 4 hosts, compared with processes on a
single host.

Each host is a network namespace with its own address and a share of a processor (a control group), so that
a second host adds capacity even on a two-processor machine. The scheduler and the command run on a separate
host. A search and a campaign of random programs are timed as whole commands, in turn, and their results are
compared. Then a host silently disappears in the middle of a search, because its link is set down.

Without root, `ip` and the cpu controller, or without dask, nothing is measured.

    python evidence/benchmarks/cluster_hosts.py [--quick] [--share PART]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from measuring import busy, rounds, show

#: Numbers of working hosts.
HOSTS = (1, 2, 4)

#: Machine, scope, and number of operations in a row.
SEARCH, QUICK = ("7.2", "standard", 4), ("7.2", "standard", 3)

_CGROUP = Path("/sys/fs/cgroup/cpu")
_PERIOD = 100_000
_PORT = 8786
_STARTS = 120.0


class Host:
    """A network namespace on the switch of host 0, and a control group.

    :param share: of one processor; None for no limit
    """

    def __init__(self, number: int, share: float | None) -> None:
        self.name, self.address = f"pfnlab-{number}", f"10.77.0.{number + 1}"
        self._ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        if number == 0:
            self.ip("link", "add", "switch", "type", "bridge")
            self.ip("link", "set", "switch", "up")
            self.ip("address", "add", f"{self.address}/24", "dev", "switch")
        else:
            peer = ("peer", "name", "port", "netns", self.name)
            Host.ip_in("pfnlab-0", "link", "add", f"to{number}", "type", "veth", *peer)
            Host.ip_in("pfnlab-0", "link", "set", f"to{number}", "master", "switch", "up")
            self.ip("address", "add", f"{self.address}/24", "dev", "port")
            self.ip("link", "set", "port", "up")
        self.group = _CGROUP / self.name
        self.group.mkdir()
        if share is not None:
            (self.group / "cpu.cfs_period_us").write_text(str(_PERIOD))
            (self.group / "cpu.cfs_quota_us").write_text(str(int(share * _PERIOD)))

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, timeout=20)

    @staticmethod
    def ip_in(namespace: str, *words: str) -> None:
        Host._ip("-netns", namespace, *words)

    def ip(self, *words: str) -> None:
        self.ip_in(self.name, *words)

    def start(self, words: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a process on this host, in its own session."""

        def enter() -> None:
            (self.group / "cgroup.procs").write_text(str(os.getpid()))

        return subprocess.Popen(
            ["ip", "netns", "exec", self.name, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=enter,
        )

    def go(self) -> None:
        """End its processes, and remove it."""
        for pid in (self.group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        until = time.monotonic() + 10
        while (self.group / "cgroup.procs").read_text() and time.monotonic() < until:
            time.sleep(0.05)
        self.group.rmdir()
        self._ip("netns", "del", self.name)


@contextmanager
def cluster(count: int, share: float) -> Iterator[list[Host]]:
    """Host 0 with the scheduler, and *count* more with a worker each."""
    hosts: list[Host] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            hosts.append(Host(0, None))
            dask = [sys.executable, "-m", "dask"]
            listen = ["--host", hosts[0].address, "--port", str(_PORT), "--no-dashboard"]
            hosts[0].start([*dask, "scheduler", *listen], folder, folder / "scheduler.log")
            for number in range(1, count + 1):
                host = Host(number, share)
                hosts.append(host)
                where = ["--local-directory", str(folder / host.name), "--no-dashboard"]
                worker = [*dask, "worker", f"tcp://{hosts[0].address}:{_PORT}", "--nthreads", "1", *where]
                host.start(worker, folder, folder / f"{host.name}.log")
            until = time.monotonic() + _STARTS
            for host in hosts[1:]:
                while b"Registered to" not in (folder / f"{host.name}.log").read_bytes():
                    assert time.monotonic() < until, (folder / f"{host.name}.log").read_text()
                    time.sleep(0.1)
            yield hosts
        finally:
            for host in reversed(hosts):
                host.go()


def asked(
    host: Host, words: Sequence[str], away: Host | None = None, after: float = 0.0
) -> tuple[str, float]:
    """Run a pfnlab command on *host*; return its output and the seconds it took.

    :param away: the host whose link goes down *after* this many seconds
    """
    with tempfile.TemporaryDirectory() as name:
        log, begun = Path(name) / "log", time.monotonic()
        process = host.start([sys.executable, "-m", "pfnlab", *words], Path(name), log)
        if away is not None:
            time.sleep(after)
            away.ip("link", "set", "port", "down")
        process.wait(timeout=1800)
        return log.read_text(), time.monotonic() - begun


def search_words(search: tuple[str, str, int]) -> list[str]:
    machine, scope, depth = search
    return ["check", "--on", f"model:{machine}", "--scope", scope, "--depth", str(depth), "--json"]


def found(output: str) -> tuple[int, int, object]:
    """Return the states, steps and answers of a search."""
    (line,) = [line for line in output.splitlines() if line.startswith("{")]
    told = json.loads(line)
    return told["states"], told["transitions"], told["properties"]


def campaign(folder: Path, programs: int) -> Path:
    """Make a campaign of random programs on two models."""
    path = folder / "hosts.toml"
    path.write_text(
        'form = 1\nname = "hosts"\nsays = "Random programs"\n\n[limits]\nseconds = 900\n\n[[fuzz]]\n'
        f'machines = [["model:7.2", "model:7.3"]]\nprograms = {programs}\nprograms_per_shard = 200\n'
    )
    return path


def programs_in(output: str) -> int:
    match = re.search(r"([\d,]+) programs, ", output)
    assert match is not None, output
    return int(match[1].replace(",", ""))


def measure(search: tuple[str, str, int], programs: int, share: float, most: int) -> None:
    """Print both tables and the outcome of the search that loses a host."""
    places: list[tuple[str, int | None]] = [("a process of one host", None)]
    places += [(f"{count} host{'s' * (count > 1)}", count) for count in HOSTS]
    searched: dict[str, list[float]] = {name: [] for name, _ in places}
    hunted: dict[str, list[float]] = {name: [] for name, _ in places}
    results, ran = [], set()
    with tempfile.TemporaryDirectory() as name:
        file = campaign(Path(name), programs)
        for round_ in rounds(most, 1500.0):
            for place, count in places:
                store = ["campaign", "run", str(file), "--store", str(Path(name) / f"{place}{round_}.db")]
                with cluster(count or 1, share) as hosts:
                    there = (
                        ["--jobs", "1"]
                        if count is None
                        else ["--cluster", f"tcp://{hosts[0].address}:{_PORT}"]
                    )
                    on = hosts[1] if count is None else hosts[0]
                    if count is not None:
                        # Workers import modules in their first search.
                        asked(on, [*search_words(("7.2", "small", 2)), *there])
                    output, seconds = asked(on, [*search_words(search), *there])
                    results.append(found(output))
                    searched[place].append(results[-1][1] / seconds)
                    output, seconds = asked(on, [*store, *there])
                    ran.add(programs_in(output))
                    hunted[place].append(programs_in(output) / seconds)
        assert all(result == results[0] for result in results), "the searches do not find the same"
        assert len(ran) == 1, ran
        for title, unit, taken in (("a search", "steps", searched), ("a campaign", "programs", hunted)):
            alone = statistics.median(taken[places[0][0]])
            rows = [
                [
                    place,
                    f"{statistics.median(taken[place]):,.0f}",
                    f"{statistics.median(taken[place]) / alone:.2f}",
                ]
                for place, _ in places
            ]
            show(f"{title} on hosts of {share:g} processors", ["", f"{unit} a second", "ratio"], rows)
        with cluster(4, share) as hosts:
            there = ["--cluster", f"tcp://{hosts[0].address}:{_PORT}"]
            asked(hosts[0], [*search_words(("7.2", "small", 2)), *there])
            usual = results[0][1] / statistics.median(searched["4 hosts"])
            output, seconds = asked(hosts[0], [*search_words(search), *there], hosts[2], usual / 2)
            same = found(output) == results[0]
    show(
        "a host goes away in the middle of a search on four",
        ["", "usual", "seconds", "result"],
        [["its link is down", f"{usual:.0f}", f"{seconds:.0f}", "the same" if same else "another"]],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a smaller search, once")
    parser.add_argument("--share", type=float, default=0.4, help="of one processor, for each host")
    options = parser.parse_args()
    if importlib.util.find_spec("distributed") is None:
        print("nothing is measured: pip install 'pfnlab[cluster]'")
        return
    if os.geteuid() != 0 or shutil.which("ip") is None or not (_CGROUP / "cpu.cfs_quota_us").parent.is_dir():
        print("nothing is measured: it needs root, ip and the cpu controller of cgroup v1")
        return
    print(busy())
    if options.quick:
        measure(QUICK, 400, options.share, 1)
    else:
        measure(SEARCH, 2000, options.share, 3)


if __name__ == "__main__":
    main()
