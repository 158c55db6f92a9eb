"""Compare a large campaign, killed half-way and resumed, with an undisturbed one; takes half an hour.

It runs 20,000 random programs on three series, and all policies on two scopes. ``--programs N`` makes it
smaller. ``--jobs N`` is passed to ``pfnlab campaign``. Words after ``--`` are appended to every command
(``--cluster ADDRESS``), so that the same tool can test other executors.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults.disturbed import found

from pfnlab.base.units import number_of
from pfnlab.campaign.store.rows import DONE
from pfnlab.campaign.store.store import Store

PLAN = """\
form = 1
name = "acceptance"
[limits]
seconds = 3600
[[check]]
machines = ["model:7.2"]
policies = ["all"]
scopes = ["small", "race"]
[[fuzz]]
machines = [["model:6.1", "model:6.12", "model:7.2"]]
programs = {programs}
programs_per_shard = {per_shard}
"""

#: Seconds that one run may take.
LIMIT = 6 * 3600


def main() -> int:
    """Return 0 if both give the same results."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--programs", type=int, default=20_000)
    words.add_argument("--per-shard", type=int, default=500)
    words.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    words.add_argument("more", nargs="*", help="further words for every command, behind --")
    asked = words.parse_args()
    # A cluster has one process per worker.
    more = [*(() if "--cluster" in asked.more else ("--jobs", str(asked.jobs))), *asked.more]
    with tempfile.TemporaryDirectory(prefix="pfnlab-acceptance-") as name:
        folder = Path(name)
        plan = folder / "plan.toml"
        plan.write_text(PLAN.format(programs=asked.programs, per_shard=asked.per_shard), encoding="utf-8")
        whole, killed = folder / "whole.db", folder / "killed.db"
        began = time.monotonic()
        _wait(_campaign(whole, more, "run", str(plan)))
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        process = _campaign(killed, more, "run", str(plan))
        done, total = _kill_half_way(process, killed)
        print(
            f"killed with {done} of {total} shards done, after {time.monotonic() - began:.0f} s", flush=True
        )
        _wait(_campaign(killed, more, "resume"))
        print(f"resumed to its end after {time.monotonic() - began:.0f} s in all", flush=True)
        expected, actual = found(whole, "acceptance"), found(killed, "acceptance")
        results = sum(map(len, expected[0].values()))
        print(
            f"undisturbed: {number_of(len(expected[0]), 'shard')} done, "
            f"{number_of(len(expected[1]), 'shard')} isolated, {number_of(results, 'result')}"
        )
        print("equal" if expected == actual else "NOT EQUAL")
        return int(expected != actual or not 0 < done < total)


def _campaign(store: Path, more: list[str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pfnlab", "campaign", *words, "--store", str(store), *more],
        stdout=subprocess.DEVNULL,
    )


def _wait(process: subprocess.Popen[bytes]) -> None:
    code = process.wait(LIMIT)
    # 1 means a discovery: machines differ.
    if code not in (0, 1):
        raise SystemExit(f"the campaign ended with {code}")


def _kill_half_way(process: subprocess.Popen[bytes], path: Path) -> tuple[int, int]:
    """kill -9 once half of the random programs have run; return how many shards are done, out of how many."""
    done = total = 0
    while process.poll() is None:
        time.sleep(0.2)
        if not path.exists() or not path.stat().st_size:
            continue
        with Store(str(path)) as store:
            shards = store.shards("acceptance")
        done, total = sum(shard.state == DONE for shard in shards), len(shards)
        # Searches are short.
        fuzzed = [shard.state == DONE for shard in shards if shard.task == "fuzz"]
        if fuzzed and sum(fuzzed) * 2 >= len(fuzzed):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    return done, total


if __name__ == "__main__":
    sys.exit(main())
