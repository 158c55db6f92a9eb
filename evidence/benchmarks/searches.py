"""Whole searches of scopes, alternating with another source tree: how much faster this one ends.

A search of another tree may have more states for the same verdicts, so seconds are compared, not states a
second; a separate table has this tree's states and steps.

    python evidence/benchmarks/searches.py [--rounds N] [--jobs N] [--against TREE] [--quick]
        [MACHINE/SCOPE/DEPTH ...]

A depth of 0 means a search to the end. To find what a commit changed, check it out next to this tree and pass
it as TREE.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from measuring import busy, show
from measuring.paired import AGAINST, SERVE, against, serve

from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.model.model_machine import ModelMachine

ROUNDS = 3
_TREE = Path(__file__).parents[2]

SEARCHES = (
    *("7.2/standard/4", "6.1/standard/4", "7.2,tracker=exact/standard/4", "7.2/leaves/4", "7.2/vfio/5"),
    *("7.2/ends_areas/0", "7.2,tracker=exact/ends_areas/0", "7.2/ends_modes/0", "7.2/standard/5"),
)
QUICK = ("7.2/small/3",)


class Search(NamedTuple):
    """One search.

    :param result: its result
    :param own: processor time of this process and its finished children, in seconds
    :param passed: elapsed time, in seconds
    """

    result: CheckResult
    own: float
    passed: float


def searched(name: str, jobs: int) -> Search:
    """The search of that name."""
    machine, scope_name, depth = name.rsplit("/", 2)
    scope = load_scope(scope_name)
    begun, before = time.perf_counter(), _processor_seconds()
    limits = Exhaustive(depth=int(depth))
    found = check(ModelMachine(machine), scope, questions(scope=scope), limits, jobs=jobs)
    return Search(found, _processor_seconds() - before, time.perf_counter() - begun)


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(names: Sequence[str], jobs: int) -> dict[str, float]:
    """Return the seconds for each: processor time with one process, otherwise elapsed time."""
    found = {name: searched(name, jobs) for name in names}
    return {name: search.own if jobs == 1 else search.passed for name, search in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("searches", nargs="*", default=None, metavar="MACHINE/SCOPE/DEPTH")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="so many of each")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes of a search")
    parser.add_argument(AGAINST, type=Path, metavar="TREE", help="another source tree, which takes turns")
    parser.add_argument("--quick", action="store_true", help="one small search, for tests")
    parser.add_argument(SERVE, action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    names = chosen.searches or (QUICK if chosen.quick else SEARCHES)
    number = 1 if chosen.quick else chosen.rounds
    if chosen.serve:
        serve(lambda: measure(names, chosen.jobs))
        return
    rows = []
    for name in names:
        rounds = [searched(name, chosen.jobs) for _ in range(1 if chosen.against else number)]
        found, seconds = rounds[0].result, statistics.median(search.own for search in rounds)
        rows.append(
            [
                *(name, f"{found.states:,}", f"{found.transitions:,}", f"{seconds:.2f}"),
                f"{found.transitions / seconds:,.0f}",
            ]
        )
    show("searches", ["", "states", "steps", "CPU s", "steps/CPU s"], rows)
    if chosen.against is not None:
        against(
            Path(__file__),
            _TREE,
            chosen.against,
            title=f"seconds, {chosen.jobs} process{'es' * (chosen.jobs > 1)}",
            number=number,
            arguments=["--jobs", str(chosen.jobs), *names],
        )
    print(busy())


if __name__ == "__main__":
    main()
