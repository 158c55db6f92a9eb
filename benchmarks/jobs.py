"""One search with several processes: how many times as fast as with one, in the same minute.

Each scope is searched with one process and with N, in turn; what they find is compared, and the ratio is the
median over the rounds. It holds only on a machine that does nothing else: the first line says how busy it is.

    python benchmarks/jobs.py [--quick] [--jobs N]
"""

from __future__ import annotations

import argparse
import statistics
import time

from measuring import busy, rounds, show

from pfnlab.checker.check import CheckLimits, CheckResult, check
from pfnlab.checker.kernel.scope import load_scope
from pfnlab.processes import processors
from pfnlab.programs.model.machine import ModelMachine

MACHINES = ("6.1", "7.2", "7.2,tracker=exact")

#: Scopes and how many operations in a row.
SCOPES = {"standard": 4, "leaves": 4, "vfio": 5}
QUICK = {"standard": 2, "leaves": 2, "vfio": 2}


def searched(machine: str, scope: str, depth: int, jobs: int) -> tuple[CheckResult, float]:
    """A search, and its seconds."""
    begun = time.monotonic()
    found = check(ModelMachine(machine), load_scope(scope), limits=CheckLimits(depth=depth), jobs=jobs)
    return found, time.monotonic() - begun


def row(machine: str, scope: str, depth: int, jobs: int, most: int) -> list[str]:
    """The line of one machine and scope.

    :raises AssertionError: the searches do not find the same
    """
    alone, together = [], []
    for _ in rounds(most, 60.0):
        one, seconds = searched(machine, scope, depth, 1)
        alone.append(seconds)
        several, seconds = searched(machine, scope, depth, jobs)
        together.append(seconds)
        assert (one.states, one.transitions, one.answers) == (
            several.states,
            several.transitions,
            several.answers,
        )
    ratio = statistics.median(first / second for first, second in zip(alone, together, strict=True))
    return [
        f"{scope} {machine}",
        f"{one.states:,}",
        f"{statistics.median(alone):.1f} s",
        f"{statistics.median(together):.1f} s",
        f"{ratio:.2f}",
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny searches, once")
    parser.add_argument("--jobs", type=int, default=processors())
    options = parser.parse_args()
    print(busy())
    rows = [
        row(machine, scope, depth, options.jobs, 1 if options.quick else 3)
        for scope, depth in (QUICK if options.quick else SCOPES).items()
        for machine in MACHINES
    ]
    show("one search", ["scope, machine", "states", "1 process", f"{options.jobs} processes", "ratio"], rows)


if __name__ == "__main__":
    main()
