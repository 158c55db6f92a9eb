"""A campaign on a real kernel, whose guests hang or are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

from faults.disturbed import DisturbedCampaign, children_of

_TABLES = """\
[[catalogue]]
machines = [["model:7.2", "qemu:7.2"]]
programs = ["munmap-*"]
programs_per_shard = 6
[[fuzz]]
machines = [["model:7.2", "qemu:7.2"]]
seed = {seed}
programs = 60
programs_per_shard = 15
"""

#: Seconds to wait for a guest.
_MOMENT = 60.0

#: Seconds in which the processes of a killed command must end.
_ENDS = 15.0


class OnKernel(DisturbedCampaign):
    """Two shards at a time, each with its own guests."""

    seconds = 300

    def tables(self) -> str:
        """Return programs from the catalogue, and random ones."""
        return _TABLES.format(seed=self.number * 1000)

    def phases(self) -> None:
        """Kill the command while a guest hangs; then stop and kill guests while it continues."""
        process = self._start(self.store, "resume")
        self._to_a_guest(process, "guest hung")
        if process.poll() is None:
            guests = guests_of(process.pid)
            process.kill()
            self.counts["all killed"] += 1
            self._all_end(guests)
        self._end(process)
        process = self._start(self.store, "resume")
        for fault in self._random.sample(("guest hung", "guest killed", "guest killed"), 3):
            self._to_a_guest(process, fault)
        self._end(process)

    def _to_a_guest(self, process: subprocess.Popen[bytes], fault: str) -> None:
        until = time.monotonic() + _MOMENT
        while process.poll() is None and time.monotonic() < until:
            guests = guests_of(process.pid)
            # The guest is probably in the middle of a program.
            time.sleep(0.2 + self._random.random())
            if guests:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(
                        self._random.choice(guests),
                        signal.SIGSTOP if fault == "guest hung" else signal.SIGKILL,
                    )
                    self.counts[fault] += 1
                    return

    def _all_end(self, guests: list[int]) -> None:
        until = time.monotonic() + _ENDS
        while left := [guest for guest in guests if Path(f"/proc/{guest}/exe").exists()]:
            if time.monotonic() > until:
                self.wrong.append(f"{len(left)} guests are left {_ENDS:g} s after kill -9")
                return
            time.sleep(0.1)


def guests_of(process: int) -> list[int]:
    """The QEMU processes started by *process* or by its children."""
    guests, level = [], [process]
    while level := [child for one in level for child in children_of(one)]:
        for child in level:
            with contextlib.suppress(OSError):
                if "qemu-system" in os.readlink(f"/proc/{child}/exe"):
                    guests.append(child)
    return guests
