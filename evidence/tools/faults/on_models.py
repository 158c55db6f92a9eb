"""A campaign on models, with faults in files, clocks, processes and trackers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time

from faults.disturbed import DisturbedCampaign, children_of, found
from pfnlab.base.errors import Misuse

#: Seconds to wait for something to disturb.
MOMENT = 20.0

#: The library that gives processes another wall clock.
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

_TABLES = """\
[[check]]
machines = ["model:7.2,tracker={odd}", "model:7.3,tracker={odd}", "model:7.3,tracker={bad}"]
depth = 2
[[fuzz]]
machines = [["model:7.2", "model:7.3"]]
seed = {seed}
programs = 48
programs_per_shard = 4
[[catalogue]]
machines = [["model:6.12", "model:7.2"]]
programs = ["munmap-*"]
programs_per_shard = 3
"""

#: A tracker that aborts or hangs once for each file in its folder.
_ODD = """\
import os, time
from pathlib import Path
from pfnlab.design import Exact

class Odd(Exact):
    def vm_area_free(self, vma):
        for token in sorted(Path({folder!r}).glob("*.token")):
            try:
                token.rename(token.with_suffix(".done"))
            except FileNotFoundError:
                continue
            if "hang" in token.name:
                time.sleep(3600)
            os.abort()
        super().vm_area_free(vma)
"""

_BAD = """\
import os
from pfnlab.design import Exact

class Bad(Exact):
    def vm_area_free(self, vma):
        os.abort()
"""


class OnModels(DisturbedCampaign):
    """One process runs two shards at a time, on this host."""

    seconds = 4

    def tables(self) -> str:
        """Return searches with trackers that crash, random programs, and programs from the catalogue."""
        self._clock, self._tokens = self.folder / "clock", self.folder / "tokens"
        self._tokens.mkdir()
        odd, bad = self.folder / "odd.py", self.folder / "bad.py"
        odd.write_text(_ODD.format(folder=str(self._tokens)), encoding="utf-8")
        bad.write_text(_BAD, encoding="utf-8")
        return _TABLES.format(odd=odd, bad=bad, seed=self.number * 1000)

    def phases(self) -> None:
        """Fill the disk once, then inject everything else twice."""
        for kind in ("crash", "hang"):
            (self._tokens / f"{kind}.token").touch()
        self.fill_the_disk()
        for _ in range(2):
            self.disturb()

    def fill_the_disk(self) -> None:
        """Run a phase in which files cannot grow; the write-ahead log holds a few shards."""
        process = self._start(self.store, "resume", most=96 << 10)
        code, lines = self._end(process)
        last = lines.strip().splitlines()[-1:]
        if code == 3 and last and "cannot be written" in last[0]:
            self.counts["disk full"] += 1
        else:
            self.wrong.append(f"with a full disk: exit {code}, {lines[-200:]!r}")

    def disturb(self) -> None:
        """Run a phase with clock jumps, copies and killed workers, and end it with kill -9."""
        self._clock.write_text("+0d\n", encoding="utf-8")
        process = self._start(self.store, "resume", more=self._other_clock())
        faults = ["clock jump"] * 2 + ["worker killed"] * 2 + ["store copied"] * 2
        self._random.shuffle(faults)
        for fault in faults:
            time.sleep(self._random.random() * 0.3)
            if process.poll() is not None:
                break
            if fault == "clock jump":
                self.jump()
            elif fault == "worker killed":
                self.kill_a_worker(process)
            else:
                self.copy()
        if process.poll() is None:
            process.kill()
            self.counts["all killed"] += 1
        self._end(process)

    def _other_clock(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": FAKETIME,
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self) -> None:
        """Set the clock for all processes in the campaign."""
        self._clock.write_text(f"{self._random.randint(-3650, 3650):+d}d\n", encoding="utf-8")
        self.counts["clock jump"] += 1

    def kill_a_worker(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 a process that is running a shard, or its parent."""
        until = time.monotonic() + MOMENT
        while process.poll() is None and time.monotonic() < until:
            above = children_of(process.pid)
            below = [child for one in above for child in children_of(one)]
            if below:
                victim = self._random.choice([*below, *above])
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
                    self.counts["worker killed"] += 1
                return
            time.sleep(0.01)

    def copy(self) -> None:
        """Copy the store in its current state, and check the copy."""
        copy = self.folder / f"copy{self.counts['store copied']}.db"
        for ending in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{self.store}{ending}", f"{copy}{ending}")
        try:
            results, _ = found(copy)
        except Misuse as refused:
            if "damaged" not in str(refused) or "\n" in str(refused):
                self.wrong.append(f"a copy was refused with {refused}")
        else:
            of_undisturbed = self.expected[0]
            if any(of_undisturbed.get(shard) != digests for shard, digests in results.items()):
                self.wrong.append("a copy has other results")
        self.counts["store copied"] += 1

    def compare(self) -> None:
        """Count crashes and hangs, then compare."""
        crashed = {token.stem for token in self._tokens.glob("*.done")}
        self.counts["shard crashed"] += "crash" in crashed
        self.counts["shard hung"] += "hang" in crashed
        self.counts["shard always crashes"] += len(found(self.store)[1])
        super().compare()
