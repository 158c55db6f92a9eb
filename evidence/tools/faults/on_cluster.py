"""A campaign on a cluster of this host, whose scheduler and workers are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from faults.disturbed import DisturbedCampaign, found

sys.path.append(str(Path(__file__).resolve().parents[3] / "tests" / "campaign" / "cluster"))

_TABLES = """\
[[check]]
machines = ["model:7.2", "model:7.2,tracker=exact"]
depth = 2
[[fuzz]]
machines = [["model:7.2", "model:7.3"]]
seed = {seed}
programs = 960
programs_per_shard = 20
[[catalogue]]
machines = [["model:6.12", "model:7.2"]]
programs = ["munmap-*"]
programs_per_shard = 3
"""

_WORKERS = ("one", "two")

#: Seconds to wait for shards.
_MOMENT = 30.0


class OnCluster(DisturbedCampaign):
    """A dask scheduler and two workers; the undisturbed run has none."""

    def tables(self) -> str:
        """Return only work that needs no files that workers lack."""
        return _TABLES.format(seed=self.number * 1000)

    def run(self) -> None:
        """Run with a cluster, which ends with the run."""
        from local_cluster import LocalCluster

        with LocalCluster(self.folder) as self._cluster:
            self._begin()
            self.words = ("--cluster", self._cluster.address)
            super().run()

    def phases(self) -> None:
        """Kill a worker, then the scheduler, then the command; then lose a scheduler again."""
        process = self._start(self.store, "resume")
        if self._until_shards(process, 3):
            self._kill_a_worker()
        if self._until_shards(process, 3):
            self._restart()
        if self._until_shards(process, 3):
            process.kill()
            self.counts["all killed"] += 1
        self._end(process)
        process = self._start(self.store, "resume")
        if self._until_shards(process, 3):
            self._restart()
        if self._until_shards(process, 3):
            self._kill_a_worker()
        self._end(process)

    def _begin(self) -> None:
        self._cluster.scheduler()
        for name in _WORKERS:
            self._cluster.worker(name)

    def _kill_a_worker(self) -> None:
        name = self._random.choice(_WORKERS)
        self._cluster.end(name)
        self._cluster.worker(name)
        self.counts["cluster worker killed"] += 1

    def _restart(self) -> None:
        # Workers end with their scheduler; restarting it restarts them too.
        self._cluster.end("scheduler")
        for name in _WORKERS:
            self._cluster.end(name)
        self._begin()
        self.counts["scheduler restarted"] += 1

    def _until_shards(self, process: subprocess.Popen[bytes], more: int) -> bool:
        """Wait until *more* further shards are done, while some remain.

        :return: False if the campaign ended first
        """
        done, until = self._done(), time.monotonic() + _MOMENT
        while process.poll() is None and time.monotonic() < until:
            if self._done() >= done + more:
                return True
            time.sleep(0.05)
        return process.poll() is None

    def _done(self) -> int:
        return len(found(self.store)[0])
