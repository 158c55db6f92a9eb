"""Several processes for a verb: how many times as fast as one, in the same minute.

Every piece of work is done with one process and with N, in turn; what comes out is compared. `ratio` is the
median over the rounds, and holds only on a machine that does nothing else. The first row is a loop that only
counts: what the machine gives N processes at all, now. `work` is the processor time of all processes together
by that of one: above 1.00 is what it costs to divide the work. `at most` is the processor time of one process
by that of the busiest when there are N, as if the others shared evenly: the most that `ratio` can be on an
idle machine.

    python benchmarks/jobs.py [--quick] [--jobs N] [--only WORD]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from measuring import busy, ratio_of_rounds, rounds, show

sys.path.insert(0, str(Path(__file__).parents[1]))

from pages.claims_page import discussion_page
from pfnlab.campaign.local import LocalExecutor
from pfnlab.campaign.plan_file import read_plan
from pfnlab.campaign.running import begin_campaign, run_campaign
from pfnlab.checker.check import check
from pfnlab.checker.kernel.scope import load_scope
from pfnlab.checker.limits import CheckLimits, Exhaustive, Swarm
from pfnlab.claims import searches
from pfnlab.fuzz.call_kinds import Vocabulary
from pfnlab.fuzz.hunt import Hunt
from pfnlab.fuzz.hunt_state import HuntState
from pfnlab.processes import in_order, processors
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.recorded.matrix import predict_files
from pfnlab.programs.runs.machine import Machine
from pfnlab.report.policies_matrix import SeamPolicies, policies_result
from pfnlab.store.store import Store
from pfnlab.store.stored import ResultFilter

MACHINES = ("6.1", "7.2", "7.2,tracker=exact")

#: Scopes and how many operations in a row.
SCOPES = {"standard": 4, "leaves": 4, "vfio": 5}
QUICK = {"standard": 2, "leaves": 2, "vfio": 2}

RECORDED = Path(__file__).parent.parent / "tests" / "recorded"

#: Work to be done by so many processes; what comes out is the same for any number.
Work = Callable[[int], Any]


def searched(machine: str, scope: str, limits: CheckLimits, jobs: int) -> Any:
    """The findings of a search."""
    found = check(ModelMachine(machine), load_scope(scope), limits=limits, jobs=jobs)
    return found.states, found.transitions, found.answers, found.swarm, found.fired


def counted(seconds: float, jobs: int) -> None:
    """Count, in eight pieces, for so many seconds of processor time in all."""

    def count(_: int) -> None:
        until = time.process_time() + seconds / 8
        while time.process_time() < until:
            pass

    list(in_order(count, range(8), jobs))


def fuzzed(programs: int, jobs: int) -> HuntState:
    """The state of a hunt on two models that agree."""
    names = ("model:7.2", "model:7.2,mseal=on")
    state = HuntState(list(names), 1, Vocabulary())
    machines: dict[str, Machine] = {name: ModelMachine(name[6:]) for name in names}
    Hunt(machines, state, jobs=jobs).run(programs=programs)
    return state


#: A campaign of searches and random programs, all on models.
_PLAN = """\
form = 1
name = "jobs"
[[check]]
machines = {machines}
scopes = ["standard", "leaves"]
depth = {depth}
[[fuzz]]
machines = [["model:7.2", "model:7.2,mseal=on"]]
programs = {programs}
programs_per_shard = 100
"""


def sharded(quick: bool, jobs: int) -> set[tuple[int, str]]:
    """The findings of a campaign's shards: the number of each with its results."""
    machines = [f"model:{machine}" for machine in MACHINES]
    depth, programs = (1, 100) if quick else (3, 2000)
    with tempfile.TemporaryDirectory() as folder, Store(str(Path(folder) / "jobs.db")) as store:
        plan = Path(folder) / "jobs.toml"
        plan.write_text(_PLAN.format(machines=machines, depth=depth, programs=programs), encoding="utf-8")
        begin_campaign(store, read_plan(plan), plan.parent)
        with LocalExecutor(jobs) as executor:
            run_campaign(store, "jobs", executor)
        results = store.results(ResultFilter(campaign="jobs"))
        return {(sighting.shard, result.digest) for result in results for sighting in result.sightings}


def policed(depth: int, jobs: int) -> tuple[SeamPolicies, ...]:
    """The verdicts of all policies."""
    return policies_result(depth, jobs).seams


def paged(make: Callable[[int], str], jobs: int) -> str:
    """A page, with no search stored from before."""
    searches._results.clear()
    return make(jobs)


def works(quick: bool) -> Iterator[tuple[str, Work]]:
    """The measured works, by name."""
    yield "counting", partial(counted, 0.4 if quick else 4.0)
    for scope, depth in (QUICK if quick else SCOPES).items():
        for machine in MACHINES:
            yield f"{scope} {machine}", partial(searched, machine, scope, Exhaustive(depth=depth))
    yield "races 7.2", partial(searched, "7.2", "race", Exhaustive())
    swarm = Swarm(searches=4, states=20 if quick else 1000, seed=1)
    yield "swarm 7.2", partial(searched, "7.2", "standard", swarm)
    yield "fuzz", partial(fuzzed, 10 if quick else 300)
    yield "model shards", partial(sharded, quick)
    if not quick:
        files = [RECORDED / f"{name}.jsonl" for name in ("cases", "order")]
        yield "matrix", partial(predict_files, files)
        yield "policies matrix", partial(policed, 2)
        yield "claims", partial(paged, partial(discussion_page, "002"))


def measured(work: Work, jobs: int) -> tuple[Any, float, float, float]:
    """The outcome of *work*, its seconds, and the processor time of this process and of those it made."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    begun = time.monotonic()
    out = work(jobs)
    seconds = time.monotonic() - begun
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, made = (
        new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime
        for old, new in zip(before, after, strict=True)
    )
    return out, seconds, own, made


def row(name: str, work: Work, jobs: int, most: int) -> list[str]:
    """The line of one piece of work.

    :raises AssertionError: several processes do not find the same as one
    """
    alone, together, shares, bounds = [], [], [], []
    for _ in rounds(most, 60.0):
        one, seconds, own, made = measured(work, 1)
        alone.append(seconds)
        several, seconds, own_of_several, made_of_several = measured(work, jobs)
        together.append(seconds)
        assert one == several, f"{name}: {jobs} processes find something else than one"
        shares.append((own_of_several + made_of_several) / (own + made))
        bounds.append((own + made) / max(own_of_several, made_of_several / jobs))
    ratio = ratio_of_rounds(alone, together)
    return [
        name,
        f"{statistics.median(alone):.1f} s",
        f"{statistics.median(together):.1f} s",
        f"{ratio:.2f}",
        f"{statistics.median(shares):.2f}",
        f"{statistics.median(bounds):.2f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny work, once")
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--only", default="", help="what has this word in its name")
    options = parser.parse_args()
    print(busy())
    rows = [
        row(name, work, options.jobs, 1 if options.quick else 3)
        for name, work in works(options.quick)
        if options.only in name
    ]
    head = ["work", "1 process", f"{options.jobs} processes", "ratio", "work", "at most"]
    show("one piece of work", head, rows)


if __name__ == "__main__":
    main()
