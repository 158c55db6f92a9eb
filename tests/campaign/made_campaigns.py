"""Small campaigns for tests, and trackers that crash, hang or wait."""

from __future__ import annotations

from pathlib import Path

from pfnlab.campaign.plan import Plan
from pfnlab.campaign.plan_file import plan_of
from pfnlab.campaign.store.rows import ResultFilter
from pfnlab.campaign.store.store import Store

#: A campaign of models, some seconds long.
SMALL = """\
form = 1
name = "small"
[limits]
seconds = 60
tries = 2
[[fuzz]]
machines = [["model:7.2", "model:7.3"]]
programs = 30
programs_per_shard = 5
[[check]]
machines = ["model:7.2"]
policies = ["trackers/exact", "trackers/vm_pat"]
depth = 2
[[catalogue]]
machines = [["model:6.12", "model:7.2"]]
programs = ["munmap-middle", "munmap-whole"]
programs_per_shard = 1
"""

#: A tracker that does something when a mapping goes.
_TRACKER = """\
import os, time
from pathlib import Path
from pfnlab.design import Exact

class Odd(Exact):
    def vm_area_free(self, vma):
        {does}
        super().vm_area_free(vma)
"""

#: What a tracker may do, by name; ONCE is a file that is there until it was done once.
DOES = {
    "crash": "os.abort()",
    "hang": "time.sleep(3600)",
    "deaf": "sum(__import__('itertools').count())",
    "once": "Path({once!r}).exists() and (os.unlink({once!r}), os.abort())",
    "raise": "raise ValueError('odd')",
}


def odd_tracker(folder: Path, does: str) -> Path:
    """The file of a tracker that does one of :data:`DOES`."""
    once = folder / "once"
    once.touch()
    path = folder / f"{does}.py"
    path.write_text(_TRACKER.format(does=DOES[does].format(once=str(once))), encoding="utf-8")
    return path


def with_tracker(path: Path, *, seconds: float = 60.0, tries: int = 2) -> Plan:
    """:data:`SMALL` with two more shards, whose tracker is in the file *path*, in front."""
    text = SMALL.replace("seconds = 60\ntries = 2", f"seconds = {seconds}\ntries = {tries}")
    return plan_of(
        f'{text}[[check]]\nmachines = ["model:7.2,tracker={path}", "model:7.3,tracker={path}"]\ndepth = 2\n',
        "odd.toml",
    )


def small() -> Plan:
    """The plan of :data:`SMALL`."""
    return plan_of(SMALL, "small.toml")


def seen(store: Store, name: str = "small") -> set[tuple[str, int]]:
    """What a campaign found: the digest of every result with every shard that saw it."""
    return {
        (one.digest, sighting.shard)
        for one in store.results(ResultFilter(campaign=name))
        for sighting in one.sightings
    }
