"""Campaigns with faults, each resumed and compared with the undisturbed run: ``make fault-report``.

Every campaign runs once undisturbed. It runs again in phases that are disturbed, each begun by ``campaign
resume``, and at last without a fault; then it must have the same results, seen by the same shards, and the
same shards isolated. A row of the page is a kind of fault (:data:`FAULTS`), counted only where it did happen.
What disturbs is a method of :class:`Disturbed`; another executor's faults are further rows and phases.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pfnlab.campaign.plan_file import read_plan
from pfnlab.campaign.running import begin_campaign
from pfnlab.errors import Misuse, PfnlabError, Undecided
from pfnlab.store.kept import DONE, ISOLATED, ResultFilter
from pfnlab.store.store import Store

#: What is injected, by the name of its row.
FAULTS = {
    "disk full": "a file could grow no further, and the campaign ended with one line",
    "clock jump": "the wall clock went forwards or back by up to ten years while shards ran",
    "worker killed": "kill -9 of a process that ran a shard, or of the one above it",
    "all killed": "kill -9 of the process that ran the campaign, with which all others end",
    "shard crashed": "a shard aborted in the middle, once",
    "shard hung": "a shard hung until its limit, once",
    "shard always crashes": "a shard aborted at every try, and was isolated",
    "store copied": "a plain copy of the file and its log while shards were kept: consistent, or refused",
}

CAMPAIGNS, LEAST = 20, 200

#: Seconds of one phase, and of one wait for something to disturb.
PHASE, MOMENT = 120.0, 20.0

#: The library that gives processes another wall clock.
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"

_PLAN = """\
form = 1
name = "faults"
[limits]
seconds = {limit}
tries = 4
lost = 100
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

#: A tracker that aborts or hangs once for each file that is in its folder.
_ODD = """\
import os, time
from pathlib import Path
from pfnlab.policies.trackers.exact import Exact

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
from pfnlab.policies.trackers.exact import Exact

class Bad(Exact):
    def vm_area_free(self, vma):
        os.abort()
"""

#: Results by the shard that saw them, and the shards that were given up.
Found = tuple[dict[int, frozenset[str]], frozenset[int]]


class Disturbed:
    """One campaign, in a folder, run undisturbed and disturbed.

    :param number: decides everything random
    :ivar counts: how many faults of each kind happened
    :ivar wrong: what was not as in the undisturbed run, in words
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.counts = folder, Counter[str]()
        self.wrong: list[str] = []
        self.store = folder / "faults.db"
        self._random = random.Random(number)
        self._clock = folder / "clock"
        self._tokens = folder / "tokens"
        self._tokens.mkdir()
        (folder / "odd.py").write_text(_ODD.format(folder=str(self._tokens)), encoding="utf-8")
        (folder / "bad.py").write_text(_BAD, encoding="utf-8")
        plan = _PLAN.format(odd=folder / "odd.py", bad=folder / "bad.py", seed=number * 1000, limit=4)
        self._plan = folder / "plan.toml"
        self._plan.write_text(plan, encoding="utf-8")
        self.expected: Found = ({}, frozenset())

    def run(self) -> None:
        """All phases; what is wrong is kept."""
        undisturbed = self.folder / "undisturbed.db"
        code, said = self._end(self._start(undisturbed, "run", str(self._plan)))
        if code != 1:
            # 1 is a discovery, which every one of these campaigns makes.
            raise Undecided(f"the undisturbed run ended with {code}: {said.strip()}")
        self.expected = found(undisturbed)
        with Store(str(self.store)) as store:
            begin_campaign(store, read_plan(self._plan))
        for kind in ("crash", "hang"):
            (self._tokens / f"{kind}.token").touch()
        self.fill_the_disk()
        for _ in range(2):
            self.disturb()
        self._end(self._start(self.store, "resume"))
        self.compare()

    def fill_the_disk(self) -> None:
        """A phase in which a file can grow no further: the write-ahead log holds a few shards."""
        process = self._start(self.store, "resume", most=96 << 10)
        code, lines = self._end(process)
        last = lines.strip().splitlines()[-1:]
        if code == 3 and last and "cannot be written" in last[0]:
            self.counts["disk full"] += 1
        else:
            self.wrong.append(f"with a full disk: exit {code}, {lines[-200:]!r}")

    def disturb(self) -> None:
        """A phase with jumps, copies and killed workers, that ends with kill -9."""
        process = self._start(self.store, "resume", clock=True)
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

    def jump(self) -> None:
        """Set the clock of all processes of the campaign."""
        self._clock.write_text(f"{self._random.randint(-3650, 3650):+d}d\n", encoding="utf-8")
        self.counts["clock jump"] += 1

    def kill_a_worker(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9 of a process that runs a shard, or of the one that started it."""
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
        """Copy the store as it is, and look into the copy."""
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
        """Hold what was found at the end against the undisturbed run."""
        crashed = {token.stem for token in self._tokens.glob("*.done")}
        self.counts["shard crashed"] += "crash" in crashed
        self.counts["shard hung"] += "hang" in crashed
        results, isolated = found(self.store)
        self.counts["shard always crashes"] += len(isolated)
        if (results, isolated) != self.expected:
            different = sorted(
                shard
                for shard in {*results, *self.expected[0]}
                if results.get(shard) != self.expected[0].get(shard)
            )
            self.wrong.append(f"other results of shards {different}, isolated {sorted(isolated)}")

    def _start(
        self, store: Path, *words: str, most: int | None = None, clock: bool = False
    ) -> subprocess.Popen[bytes]:
        """A command of ``pfnlab campaign``.

        :param most: bytes beyond which no file can grow
        :param clock: whether its wall clock is :meth:`jump`'s
        """
        env = dict(os.environ)
        if clock:
            self._clock.write_text("+0d\n", encoding="utf-8")
            env |= {
                "LD_PRELOAD": FAKETIME,
                "FAKETIME_TIMESTAMP_FILE": str(self._clock),
                "FAKETIME_NO_CACHE": "1",
                "DONT_FAKE_MONOTONIC": "1",
            }
        limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) if most else None
        return subprocess.Popen(
            [sys.executable, "-m", "pfnlab", "campaign", *words, "--store", str(store), "--jobs", "2"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=env,
            preexec_fn=limit,
        )

    def _end(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        """Wait for its end: the exit code and what it said."""
        try:
            _, said = process.communicate(timeout=PHASE)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
            self.wrong.append(f"a phase did not end within {PHASE:g} s")
        return process.returncode, said.decode(errors="replace")


def found(store: Path, name: str = "faults") -> Found:
    """What a campaign found, without times and places.

    :raises Misuse: the store is refused
    """
    with Store(str(store), make=False) as opened:
        results: dict[int, set[str]] = defaultdict(set)
        shards = opened.shards(name)
        for one in opened.results(ResultFilter(campaign=name)):
            for sighting in one.sightings:
                results[sighting.shard].add(one.digest)
        done = {shard.number for shard in shards if shard.state == DONE}
        isolated = frozenset(shard.number for shard in shards if shard.state == ISOLATED)
    return {number: frozenset(results[number]) for number in done}, isolated


def children_of(process: int) -> list[int]:
    """The processes that *process* started and that run."""
    found_children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(words[1]) == process and words[0] != "Z":
                found_children.append(int(path.parent.name))
    return found_children


@contextmanager
def _folder(number: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"pfnlab-faults-{number}-") as name:
        yield Path(name)


def page(campaigns: Sequence[tuple[Counter[str], list[str]]]) -> str:
    """The report."""
    counts: Counter[str] = sum((counts for counts, _ in campaigns), Counter())
    equal = sum(not wrong for _, wrong in campaigns)
    lines = [
        "# Campaigns with faults",
        "",
        "Made by `make fault-report`. Each campaign (18 shards of models: searches, random programs,",
        "programs of the catalogue) runs once undisturbed. It runs again with faults, each phase begun by",
        "`pfnlab campaign resume`, and at last to its end. Then it must have exactly the results of the",
        "undisturbed run: the same digests, seen by the same shards, and the same shards isolated. How",
        "campaigns work is in [campaigns](campaigns.md).",
        "",
        f"- campaigns: {len(campaigns)}; equal to the undisturbed run: {equal}",
        f"- faults: {sum(counts.values())}",
        "",
        "| fault | injected | what happened |",
        "| --- | ---: | --- |",
        *(f"| {name} | {counts[name]} | {says} |" for name, says in FAULTS.items()),
        "",
    ]
    for number, (_, wrong) in enumerate(campaigns):
        lines += [f"- campaign {number}: {one}" for one in wrong]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Run all; 1 where a campaign is not equal, or too few faults happened."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("page", nargs="?", type=Path, help="the file of the report")
    words.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    asked = words.parse_args()
    if not Path(FAKETIME).exists():
        print("the clock cannot be set: apt-get install faketime", file=sys.stderr)
        return 3
    campaigns = []
    for number in range(asked.campaigns):
        began = time.monotonic()
        with _folder(number) as folder:
            campaign = Disturbed(folder, number)
            try:
                campaign.run()
            except PfnlabError as error:
                campaign.wrong.append(str(error))
        campaigns.append((campaign.counts, campaign.wrong))
        words_of = "equal" if not campaign.wrong else "; ".join(campaign.wrong)
        print(
            f"{number}: {sum(campaign.counts.values())} faults, {words_of}, {time.monotonic() - began:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    text = page(campaigns)
    print(text, end="")
    if asked.page is not None:
        asked.page.write_text(text, encoding="utf-8")
    total = sum(sum(counts.values()) for counts, _ in campaigns)
    return int(any(wrong for _, wrong in campaigns) or total < LEAST * len(campaigns) // CAMPAIGNS)


if __name__ == "__main__":
    sys.exit(main())
