"""One campaign, run undisturbed and then in phases with faults."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from pfnlab.base.errors import Undecided
from pfnlab.campaign.plan_file import read_plan
from pfnlab.campaign.running import begin_campaign
from pfnlab.campaign.store.rows import DONE, ISOLATED, ResultFilter
from pfnlab.campaign.store.store import Store

#: Length of a phase in seconds.
PHASE = 300.0

#: The beginning of every plan.
_HEAD = """\
form = 1
name = "{name}"
[limits]
seconds = {seconds}
tries = 4
lost = 100
"""

#: The campaign's name.
_NAME = "faults"

#: Results by the shard that produced them, and the abandoned shards.
Found = tuple[dict[int, frozenset[str]], frozenset[int]]


class DisturbedCampaign:
    """One campaign in a folder, run undisturbed and disturbed; subclasses define the faults.

    :param number: the random seed
    :ivar counts: the number of faults of each kind
    :ivar wrong: differences from the undisturbed run, in words
    """

    #: Words in every command, after those for the campaign.
    words: tuple[str, ...] = ("--jobs", "2")

    #: The time limit for a shard.
    seconds = 60

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number, self.counts = folder, number, Counter[str]()
        self.wrong: list[str] = []
        self.store = folder / "faults.db"
        self._random = random.Random(number)
        self.expected: Found = ({}, frozenset())

    def tables(self) -> str:
        """Return the tables in the campaign file that define its work."""
        raise NotImplementedError

    def phases(self) -> None:
        """Disturb the campaign in its store before the final resume."""
        raise NotImplementedError

    def run(self) -> None:
        """Run everything; record what is wrong."""
        plan = self.folder / "plan.toml"
        head = _HEAD.format(name=_NAME, seconds=self.seconds)
        plan.write_text(head + self.tables(), encoding="utf-8")
        undisturbed = self.folder / "undisturbed.db"
        code, said = self._end(self._start(undisturbed, "run", str(plan), words=("--jobs", "2")))
        if code not in (0, 1):
            # 1 is a discovery.
            raise Undecided(f"the undisturbed run ended with {code}: {said.strip()}")
        self.expected = found(undisturbed)
        with Store(str(self.store)) as store:
            begin_campaign(store, read_plan(plan, trust=True), plan.parent)
        self.phases()
        self._end(self._start(self.store, "resume"))
        self.compare()

    def compare(self) -> None:
        """Compare the final results with the undisturbed run."""
        results, isolated = found(self.store)
        if (results, isolated) != self.expected:
            different = sorted(
                shard
                for shard in {*results, *self.expected[0]}
                if results.get(shard) != self.expected[0].get(shard)
            )
            self.wrong.append(f"other results of shards {different}, isolated {sorted(isolated)}")
            self._keep()

    def _keep(self) -> None:
        """Keep both stores for examining differences."""
        kept = Path(tempfile.mkdtemp(prefix="pfnlab-unequal-"))
        for path in self.folder.glob("*.db*"):
            shutil.copy(path, kept)
        print(f"both stores are kept in {kept}", file=sys.stderr, flush=True)

    def _start(
        self,
        store: Path,
        *asked: str,
        words: tuple[str, ...] | None = None,
        most: int | None = None,
        more: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command of ``pfnlab campaign``.

        :param words: the words after *asked*; None for those in every command
        :param most: maximum size of any file, in bytes
        :param more: additions to the environment
        """
        limit = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))) if most else None
        behind = self.words if words is None else words
        return subprocess.Popen(
            [sys.executable, "-m", "pfnlab", "campaign", *asked, "--store", str(store), *behind],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **(more or {})},
            preexec_fn=limit,
        )

    def _end(self, process: subprocess.Popen[bytes]) -> tuple[int, str]:
        """Wait for its end; return the exit code and the output."""
        try:
            _, said = process.communicate(timeout=PHASE)
        except subprocess.TimeoutExpired:
            process.kill()
            _, said = process.communicate()
            self.wrong.append(f"a phase did not end within {PHASE:g} s")
        return process.returncode, said.decode(errors="replace")


def found(store: Path, name: str = _NAME) -> Found:
    """Return the results of a campaign, without times and places.

    :raises Misuse: if the store is refused
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
    """Return the running child processes of *process*."""
    found_children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(words[1]) == process and words[0] != "Z":
                found_children.append(int(path.parent.name))
    return found_children
