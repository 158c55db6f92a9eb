"""How much faster several processes are than one for a verb, measured within the same minute.

Every piece of work runs with one process and with N, in turn; their outputs are compared. `ratio` is the
median over the rounds, and only meaningful on an otherwise idle machine. The first row is a loop that only
counts: it shows the capacity the machine currently offers to N processes. `work` is the processor time of
all processes together divided by that of one: anything above 1.00 is the cost of dividing the work. `at
most` is the processor time of one process divided by that of the busiest of N, as if the others shared
evenly: the limit of `ratio` on an idle machine.

    python evidence/benchmarks/jobs.py [--quick] [--jobs N] [--only WORD] [--depth N] [--against TREE]

With --against, another source tree of pfnlab alternates with this one. On a busy machine `work` and `at most`
are more reliable than `ratio`, because they come from processor times.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from measuring import busy, ratio_of_rounds, rounds, show
from measuring.paired import AGAINST, HERE, OTHER, SERVE, Worker, rounds_in_turn, serve

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.claims_page import discussion_page
from pfnlab.base.processes import in_order, processors
from pfnlab.campaign.executor import LocalExecutor
from pfnlab.campaign.plan_file import read_plan
from pfnlab.campaign.running import begin_campaign, run_campaign
from pfnlab.campaign.store.rows import ResultFilter
from pfnlab.campaign.store.store import Store
from pfnlab.checker.check import check
from pfnlab.checker.limits import CheckLimits, Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.discussions import claim_questions
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from tests.recorded.matrix import predict_files

MACHINES = ("6.1", "7.2", "7.2,tracker=exact")

#: Scopes, with the number of operations in a row.
SCOPES = {"standard": 4, "leaves": 4, "vfio": 5}
QUICK = {"standard": 2, "leaves": 2, "vfio": 2}

ROUNDS = 3

RECORDED = Path(__file__).parents[2] / "tests" / "recorded"

#: Work for a given number of processes; the output does not depend on the number.
Work = Callable[[int], Any]


def searched(machine: str, scope: str, limits: CheckLimits, jobs: int) -> Any:
    """Return the findings of a search."""
    found = check(ModelMachine(machine), load_scope(scope), limits=limits, jobs=jobs)
    return found.states, found.transitions, found.answers, found.fired


def counted(seconds: float, jobs: int) -> None:
    """Count, in eight pieces, for a total of *seconds* of processor time."""

    def count(_: int) -> None:
        until = time.process_time() + seconds / 8
        while time.process_time() < until:
            pass

    list(in_order(count, range(8), jobs))


def fuzzed(programs: int, jobs: int) -> HuntState:
    """Return the state of a hunt on two models that agree."""
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
    """Return what a campaign's shards found: the number of each shard, with its results."""
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


def paged(make: Callable[[int], str], jobs: int) -> str:
    """Make a page, with no stored searches."""
    claim_questions._results.clear()
    return make(jobs)


def works(quick: bool, depth: int | None = None) -> Iterator[tuple[str, Work]]:
    """Yield the pieces of work to measure, by name.

    :param depth: of the searches; None for the default of each scope
    """
    yield "counting", partial(counted, 0.4 if quick else 4.0)
    for scope, usual in (QUICK if quick else SCOPES).items():
        for machine in MACHINES:
            limits = Exhaustive(depth=depth or usual)
            yield f"{scope} {machine}", partial(searched, machine, scope, limits)
    # A search to the end: few states per depth, many depths.
    yield "ends_areas 7.2", partial(searched, "7.2", "ends_areas", Exhaustive(depth=2 if quick else None))
    yield "races 7.2", partial(searched, "7.2", "race", Exhaustive())
    yield "fuzz", partial(fuzzed, 10 if quick else 300)
    yield "model shards", partial(sharded, quick)
    if not quick:
        files = [RECORDED / f"{name}.jsonl" for name in ("cases", "order")]
        yield "matrix", partial(predict_files, files)
        yield "claims", partial(paged, partial(discussion_page, "002"))


class MeasuredWork(NamedTuple):
    """Seconds used by a piece of work.

    :param passed: from start to end
    :param own: processor time of this process
    :param made: processor time of its child processes
    """

    passed: float
    own: float
    made: float


def measured(work: Work, jobs: int) -> tuple[Any, MeasuredWork]:
    """Return the outcome of *work*, and the time it used."""
    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    begun = time.monotonic()
    out = work(jobs)
    seconds = time.monotonic() - begun
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, made = (
        new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime
        for old, new in zip(before, after, strict=True)
    )
    return out, MeasuredWork(seconds, own, made)


def both(name: str, work: Work, jobs: int) -> tuple[MeasuredWork, MeasuredWork]:
    """Return the seconds *work* takes with one process, and with several.

    :raises AssertionError: if several processes give a different result than one
    """
    one, alone = measured(work, 1)
    several, together = measured(work, jobs)
    assert one == several, f"{name}: {jobs} processes find something else than one"
    return alone, together


def row(name: str, taken: Sequence[tuple[MeasuredWork, MeasuredWork]], jobs: int) -> list[str]:
    """The line of one piece of work, from the times of each round."""
    shares, bounds = [], []
    for one, several in taken:
        total = one.own + one.made
        shares.append((several.own + several.made) / total)
        bounds.append(total / max(several.own, several.made / jobs))
    alone, together = [one.passed for one, _ in taken], [several.passed for _, several in taken]
    return [
        name,
        f"{statistics.median(alone):.1f} s",
        f"{statistics.median(together):.1f} s",
        f"{ratio_of_rounds(alone, together):.2f}",
        f"{statistics.median(shares):.2f}",
        f"{statistics.median(bounds):.2f}",
    ]


def rows_of_both(tree: Path, words: Sequence[str], number: int, jobs: int) -> Iterator[list[str]]:
    """Yield the lines for every piece of work, alternating between this tree and *tree*."""
    script = Path(__file__)
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(script, root, words))
            for name, root in ((HERE, script.parents[2]), (OTHER, tree))
        }
        taken = rounds_in_turn(workers, number)
    for name in dict.fromkeys(key.rpartition(", ")[0] for key in taken[HERE][0]):
        for side, of_side in taken.items():
            yield row(f"{name}, {side}", [_of_figures(name, figures) for figures in of_side], jobs)


def _figures(name: str, taken: tuple[MeasuredWork, MeasuredWork]) -> dict[str, float]:
    """The figures that a worker reports for one piece of work."""
    return {f"{name}, {at}": seconds for at, seconds in enumerate((*taken[0], *taken[1]))}


def _of_figures(name: str, figures: Mapping[str, float]) -> tuple[MeasuredWork, MeasuredWork]:
    numbers = [figures[f"{name}, {at}"] for at in range(6)]
    return MeasuredWork(*numbers[:3]), MeasuredWork(*numbers[3:])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny work, once")
    parser.add_argument("--jobs", type=int, default=processors())
    parser.add_argument("--only", default="", help="what has this word in its name")
    parser.add_argument("--depth", type=int, help="of the searches, in place of that of each scope")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="at most so many")
    parser.add_argument(AGAINST, type=Path, metavar="TREE", help="another source tree, which takes turns")
    parser.add_argument(SERVE, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = {name: work for name, work in works(options.quick, options.depth) if options.only in name}
    jobs, number = options.jobs, 1 if options.quick else options.rounds

    def figures() -> dict[str, float]:
        return {
            key: seconds
            for name, work in chosen.items()
            for key, seconds in _figures(name, both(name, work, jobs)).items()
        }

    if options.serve:
        serve(figures)
        return
    print(busy())
    if options.against is not None:
        words = ["--jobs", str(jobs), "--only", options.only, *(["--quick"] if options.quick else [])]
        words += ["--depth", str(options.depth)] if options.depth else []
        rows = list(rows_of_both(options.against, words, number, jobs))
    else:
        rows = [
            row(name, [both(name, work, jobs) for _ in rounds(number, 60.0)], jobs)
            for name, work in chosen.items()
        ]
    head = ["work", "1 process", f"{jobs} processes", "ratio", "work", "at most"]
    show("one piece of work", head, rows)


if __name__ == "__main__":
    main()
