"""The cost of an operation does not grow with its mapping.

One program runs on the model with 64 KiB, 1 GiB and 1 TiB devices. Only the operations are timed, not
reading the program; every run gets a new kernel. Each round goes through all sizes in turn.

    python evidence/benchmarks/mapping_size.py [--quick]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections import defaultdict
from dataclasses import replace

from measuring import busy, no_collection, rounds, show

from pfnlab.base.units import PAGE_SIZE, PfnRange, phys_to_pfn
from pfnlab.kernel.hw.physmap import Resource
from pfnlab.kernel.hw.platform import Platform, qemu_q35
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.ops import (
    Call,
    Device,
    Exit,
    Fork,
    Mmap,
    Munmap,
    Op,
    Program,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.dispatch import perform
from pfnlab.programs.runs.places import Places

GOAL = 1.1
SERIES = ("6.1", "7.2")
SIZES = {"64 KiB": 16, "1 GiB": 1 << 18, "1 TiB": 1 << 28}
OPERATIONS = ("mmap", "fork", "munmap the middle", "munmap the rest", "exit")

# All sizes are at the same place, above the 32-bit range.
_BAR = 0x80_0000_0000


def program_of(pages: int) -> Program:
    """Make the program for a *pages*-page device, with a line for each of :data:`OPERATIONS`."""
    whole = Span("bar", 0, pages)
    calls: list[tuple[Call, str]] = [
        (Mmap("a", whole, "wc", True, "rw"), "main"),
        (Fork("c"), "main"),
        (Munmap(Span("a", pages // 4, pages // 2)), "main"),
        (Munmap(Span("a", 0, pages)), "main"),
        (Exit(), "c"),
    ]
    ops = tuple(Op(call, task) for call, task in calls)
    return Program("", "", (Device("bar", "pci", pages),), ops)


def platform_with(pages: int) -> tuple[Platform, PfnRange]:
    """Make a machine with a BAR of *pages*; return it and the BAR's location."""
    machine = qemu_q35()
    bar = Resource(_BAR, _BAR + pages * PAGE_SIZE, "BAR")
    phys = type(machine.phys)((*(r for r in machine.phys.resources if r.system_ram), bar))
    first = phys_to_pfn(_BAR)
    return replace(machine, phys=phys, phys_bits=46), PfnRange(first, first + pages)


def once(series: str, program: Program, platform: Platform, places: Places) -> list[int]:
    """Return the nanoseconds for every operation in one run."""
    profile = PROFILES[series]
    kernel = Kernel(profile, platform, TRACKERS[profile.tracker])
    kernel.start_task("main")
    took = []
    for op in program.ops:
        task = kernel.tasks[op.task]
        begin = time.perf_counter_ns()
        outcome = perform(kernel, task, op.call, places)
        took.append(time.perf_counter_ns() - begin)
        assert not outcome.errno, (series, op, outcome)
    return took


def measure(series: str, most: int, seconds: float) -> dict[str, list[float]]:
    """The median microseconds of every operation, for each size."""
    runs = {}
    for size, pages in SIZES.items():
        program = program_of(pages)
        platform, bar = platform_with(pages)
        runs[size] = program, platform, Places.of(program, {"bar": bar})
    took: dict[str, list[list[int]]] = defaultdict(list)
    for number in rounds(most, seconds):
        # The first in each round pays for filling the caches.
        sizes = list(SIZES)
        for size in sizes[number % 3 :] + sizes[: number % 3]:
            took[size].append(once(series, *runs[size]))
    return {
        size: [statistics.median(column) / 1000 for column in zip(*rows, strict=True)]
        for size, rows in took.items()
    }


def main(quick: bool = False) -> None:
    """Measure and print."""
    smallest = next(iter(SIZES))
    worst = 0.0
    for series in SERIES:
        with no_collection():
            medians = measure(series, 30 if quick else 6000, 20.0)
        rows = []
        for at, operation in enumerate(OPERATIONS):
            ratios = [medians[size][at] / medians[smallest][at] for size in SIZES]
            worst = max(worst, max(ratios) / min(ratios))
            rows.append(
                [operation, f"{medians[smallest][at]:.1f} us", *(f"{ratio:.2f}" for ratio in ratios[1:])]
            )
        head = ["operation", smallest, *(f"{size} / {smallest}" for size in list(SIZES)[1:])]
        show(f"model:{series}, cost by size of the mapping", head, rows)
    met = "met" if worst <= GOAL else "NOT met"
    print("What matters on any machine: the ratios.")
    print(f"Goal: all sizes within {GOAL} of each other. Furthest apart here: {worst:.2f}, {met}. ({busy()})")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
