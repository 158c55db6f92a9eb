"""How the cost of a long run grows: n operations that cut a mapping, each adding one or two VMAs.

The run on the model, its judging and its table are measured, in processor time; reading the program is not.
`munmap` removes every second page, `mprotect` makes it read-only. A text has at most 1000 operations; these
programs are constructed here, and are longer.

    python evidence/benchmarks/long_run.py [SERIES...] [--most N] [--rounds N] [--quick] [--against TREE]

With --against, another source tree of pfnlab alternates with this one, up to 500 operations by default.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import busy, show
from measuring.paired import AGAINST, SERVE, against, serve

from pfnlab.checker.judging.judge import judged
from pfnlab.present.document.run_table import run_blocks
from pfnlab.present.document.terminal import text_of
from pfnlab.programs.lang.ops import Call, Device, Mmap, Mprotect, Munmap, Op, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine

SERIES = ("6.1", "7.2")
#: The fewest operations; each further size doubles the number.
LEAST = 125
MOST, MOST_AGAINST, ROUNDS = 2000, 500, 3
GOAL_CUTS, GOAL_SECONDS = 2000, 10.0
_TREE = Path(__file__).parents[2]


def program_of(kind: str, count: int) -> Program:
    """Make a mapping and *count* operations of a kind, each on one page, with a page between them."""
    pages = 2 * count + 1
    places = [Span("a", 2 * at + 1, 2 * at + 2) for at in range(count)]
    calls: list[Call] = [Mmap("a", Span("bar", 0, pages), "wc", True, "rw")]
    calls += [Munmap(place) if kind == "munmap" else Mprotect(place, "r") for place in places]
    return Program("", "", (Device("bar", "pci", pages),), tuple(Op(call) for call in calls))


def seconds_of(series: str, program: Program) -> float:
    """Return the processor time for a run and everything that `pfnlab run` derives from it."""
    begin = time.process_time()
    runs = ModelMachine(series).run([program])
    result = judged(program, runs, {run.machine: series for run in runs})
    text_of(run_blocks(result), 100)
    took = time.process_time() - begin
    assert all(run.unfinished is None for run in runs), runs
    return took


def sizes(most: int) -> list[int]:
    """The numbers of operations, up to *most*."""
    found = [most]
    while found[-1] > LEAST:
        found.append(found[-1] // 2)
    return found[::-1]


def measure(series: Sequence[str], most: int) -> dict[str, float]:
    """Each program once."""
    return {
        f"{one}: {kind}, {count} operations": seconds_of(one, program_of(kind, count))
        for one in series
        for kind in ("munmap", "mprotect")
        for count in sizes(most)
    }


def exponents(medians: dict[str, float], most: int) -> list[float | None]:
    """Return the power of n by which each figure grew since half as many operations; None for the fewest."""
    least, values = sizes(most)[0], list(medians.items())
    return [
        None if f", {least} " in name else math.log2(took / values[at - 1][1])
        for at, (name, took) in enumerate(values)
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("series", nargs="*", default=SERIES, metavar="SERIES", help="models of these")
    parser.add_argument("--most", type=int, metavar="N", help="so many operations in the longest program")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="so many of each")
    parser.add_argument("--quick", action="store_true", help="short programs once, for tests")
    parser.add_argument(AGAINST, type=Path, metavar="TREE", help="another source tree, which takes turns")
    parser.add_argument(SERVE, action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    number = 1 if chosen.quick else chosen.rounds
    most = chosen.most or (16 if chosen.quick else MOST if chosen.against is None else MOST_AGAINST)
    title = "a long run on the model, judged and printed, processor time"
    if chosen.serve:
        serve(lambda: measure(chosen.series, most))
        return
    if chosen.against is not None:
        arguments = [*chosen.series, "--most", str(most)]
        against(Path(__file__), _TREE, chosen.against, title=title, number=number, arguments=arguments)
        print(busy())
        return
    # The first program pays for loading what the others use too.
    measure(chosen.series[:1], 2)
    rounds = [measure(chosen.series, most) for _ in range(number)]
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    rows = [
        [name, f"{took:.2f} s", "" if exponent is None else f"{exponent:.2f}"]
        for (name, took), exponent in zip(medians.items(), exponents(medians, most), strict=True)
    ]
    show(title, ["program", "median", "n to the power of"], rows)
    # Every operation inside a mapping cuts it twice.
    longest = [took for name, took in medians.items() if f", {GOAL_CUTS // 2} " in name]
    if longest:
        met = "met" if max(longest) <= GOAL_SECONDS else "NOT met"
        print(f"Goal: {GOAL_CUTS:,} cuts, by half as many operations, in {GOAL_SECONDS:g} s: {met}.")
    print("What matters on any machine: the power, 2 where a step costs a little for each VMA.")
    print(busy())


if __name__ == "__main__":
    main()
