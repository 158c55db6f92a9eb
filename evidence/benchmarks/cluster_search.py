"""One search on a cluster of this host: how its time compares with that of its processes, in the same minute.

Scheduler and workers are started as docs/cluster.md says, with one thread each. Each scope is searched in one
process and two, and on a cluster of one worker and two, in turn; what they find is compared. The ratio to one
process says what messages cost (one worker), and what a second process or worker brings. It holds only on a
machine that does nothing else: the first line says how busy it is. Without dask nothing is measured.

    python evidence/benchmarks/cluster_search.py [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from measuring import busy, ratio_of_rounds, rounds, show

from pfnlab.campaign.cluster.checking import check_on_cluster
from pfnlab.campaign.cluster.connection import connected
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.model.model_machine import ModelMachine

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "campaign" / "cluster"))

#: Machines and scopes, and how many operations in a row.
SEARCHES = (("6.1", "standard", 4), ("7.2,tracker=exact", "leaves", 4))
QUICK = (("6.1", "small", 3),)

#: How many processes a search on this host has, and how many workers each cluster.
PROCESSES = WORKERS = (1, 2)


def seconds_of(machine: str, scope: str, depth: int, place: str | int) -> tuple[CheckResult, float]:
    """A search on a cluster, or in so many processes of this host, and its seconds."""
    limits, begun = Exhaustive(depth=depth), time.monotonic()
    if isinstance(place, int):
        found = check(ModelMachine(machine), load_scope(scope), limits=limits, jobs=place)
        return found, time.monotonic() - begun
    with connected(place) as client:
        begun = time.monotonic()
        found = check_on_cluster(client, ModelMachine(machine), load_scope(scope), limits=limits)
        return found, time.monotonic() - begun


def row(machine: str, scope: str, depth: int, addresses: list[str], most: int) -> list[str]:
    """The line of one search.

    :raises AssertionError: the searches do not find the same
    """
    places: list[str | int] = [*PROCESSES, *addresses]
    times: list[list[float]] = [[] for _ in places]
    # Workers import what they need in their first search.
    for address in addresses:
        seconds_of(machine, "small", 2, address)
    for _ in rounds(most, 120.0):
        results = []
        for place, taken in zip(places, times, strict=True):
            found, seconds = seconds_of(machine, scope, depth, place)
            taken.append(seconds)
            results.append((found.states, found.transitions, found.answers, found.fired))
        assert all(result == results[0] for result in results)
    ratios = [ratio_of_rounds(times[0], other) for other in times[1:]]
    return [
        f"{scope} {depth} {machine}",
        f"{found.states:,}",
        *(f"{statistics.median(taken):.1f} s" for taken in times),
        *(f"{ratio:.2f}" for ratio in ratios),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tiny search, once")
    options = parser.parse_args()
    if importlib.util.find_spec("distributed") is None:
        print("nothing is measured: pip install 'pfnlab[cluster]'")
        return
    from local_cluster import LocalCluster

    print(busy())
    with ExitStack() as stack:
        addresses = []
        for count in WORKERS:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            cluster = stack.enter_context(LocalCluster(folder))
            cluster.scheduler()
            for number in range(count):
                cluster.worker(f"worker{number}")
            addresses.append(cluster.address)
        rows = [
            row(machine, scope, depth, addresses, 1 if options.quick else 3)
            for machine, scope, depth in (QUICK if options.quick else SEARCHES)
        ]
    counts = ["1 process", "2 processes", "1 worker", "2 workers"]
    head = ["scope, depth, machine", "states", *counts, *(f"ratio {count}" for count in counts[1:])]
    show("one search on a cluster", head, rows)


if __name__ == "__main__":
    main()
