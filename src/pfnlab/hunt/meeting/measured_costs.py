"""The costs of operations on two kernels: executed instructions, and interrupts of other processors.

A count also depends on what ran before: which of the allocator's caches are filled, when a timer expires. So
an operation is measured several times, and the instructions that differ are those of the kernel functions
whose counts on the two kernels do not overlap. Interrupts have few other causes, so their median counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from statistics import median_low
from typing import NamedTuple

from pfnlab.base.errors import LostGuest, Undecided
from pfnlab.base.processes import in_order
from pfnlab.checker.review.grounds import ops_text
from pfnlab.checker.review.measured_operations import MeasuredOperation, measured_operations
from pfnlab.checker.review.review_result import CostKind, OperationCost
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.counting_guest import CountingGuest

#: The numbers of processors on which a thread of the program runs while interrupts are counted.
PROCESSORS = (2, 4, 8)

#: The number of rounds in which an operation is measured, and of runs in each. For instructions, each
#: round has a new guest.
ROUNDS, RUNS = 2, 3

#: The smallest difference that is reported, as a part of the base: one that a ratio with two decimals shows.
LEAST = 0.005

#: The counts of several runs, each by kernel function; interrupts have none.
Runs = list[dict[str, int]]


class Measured(NamedTuple):
    """One measurement.

    :param kind: what is counted
    :param operation: the title of the operation
    :param processors: the number on which a thread of the program runs; for instructions 1
    """

    kind: CostKind
    operation: str
    processors: int = 1

    def __str__(self) -> str:
        """The operation, with the processors if there are several."""
        return self.operation + f", {self.processors} processors" * (self.processors > 1)


#: What is measured, and a function that counts once.
_Measurement = tuple[Measured, Callable[[], dict[str, int]]]


class KernelCounts(NamedTuple):
    """The counts of one kernel.

    :param runs: the runs of what was measured
    :param failures: what has no counts, as text, and why; an empty text: all that follows
    """

    runs: dict[Measured, Runs]
    failures: dict[str, str]


class MeasuredCosts(NamedTuple):
    """The costs of two kernels, also where they are equal.

    :param unmeasured: what was not measured, and why, one line each
    """

    costs: tuple[OperationCost, ...]
    unmeasured: tuple[str, ...]


def measured_costs(base: KernelImage, design: KernelImage, *, seconds: float) -> MeasuredCosts:
    """Measure every operation, on both kernels at the same time.

    :param seconds: the time after which no operation is begun
    """
    end = time.monotonic() + seconds
    return compared(*in_order(lambda kernel: kernel_counts(kernel, end), (base, design), 2))


def kernel_counts(kernel: KernelImage, end: float) -> KernelCounts:
    """Measure every operation on one kernel, until the monotonic clock shows *end*."""
    found = KernelCounts({}, {})
    with closing(_measurements(kernel)) as measurements:
        try:
            for measured, count in measurements:
                if time.monotonic() > end:
                    raise Undecided("the time was up")
                if str(measured) not in found.failures:
                    try:
                        runs = [count() for _ in range(RUNS)]
                    except LostGuest:
                        raise
                    except Undecided as refusal:
                        found.failures[str(measured)] = str(refusal)
                    else:
                        found.runs.setdefault(measured, []).extend(runs)
        except Undecided as error:
            found.failures[""] = str(error)
    return found


def _measurements(kernel: KernelImage) -> Generator[_Measurement]:
    for _ in range(ROUNDS):
        with CountingGuest(kernel) as guest:
            for one in measured_operations():
                yield Measured("instructions", one.title), partial(guest.instructions, one.program)
    with CountingGuest(kernel, max(PROCESSORS)) as guest:
        for one in [one for one in measured_operations() if one.flushes] * ROUNDS:
            for processors in PROCESSORS:
                measured = Measured("interrupts", one.title, processors)
                yield measured, partial(_interrupts, guest, one, processors)


def _interrupts(guest: CountingGuest, one: MeasuredOperation, processors: int) -> dict[str, int]:
    return {"": guest.interrupts(one.program, processors)}


def compared(base: KernelCounts, design: KernelCounts) -> MeasuredCosts:
    """Compare what both kernels have counts of."""
    failures = (*base.failures.items(), *design.failures.items())
    failed = {title for title, _ in failures}
    programs = {one.title: ops_text(one.program.ops) for one in measured_operations()}
    costs = (
        _cost(measured, programs[measured.operation], runs, design.runs[measured])
        for measured, runs in base.runs.items()
        if measured in design.runs and str(measured) not in failed
    )
    lines = (f"{title}: {reason}" if title else reason for title, reason in failures)
    return MeasuredCosts(tuple(costs), tuple(dict.fromkeys(lines)))


def _cost(measured: Measured, program: str, base: Runs, design: Runs) -> OperationCost:
    kind, functions = measured.kind, dict[str, int]()
    if kind == "instructions":
        functions = _apart(base, design)
        before = _least(base)
        after = before + sum(functions.values())
    else:
        before, after = (median_low(sum(run.values()) for run in runs) for runs in (base, design))
    more, fewer = (abs(after - before) >= LEAST * before and one for one in (after > before, after < before))
    return OperationCost(kind, str(measured), before, after, int(more), int(fewer), program, functions)


def _least(runs: Runs) -> int:
    return sum(min(run.get(name, 0) for run in runs) for name in set().union(*runs))


def _apart(base: Runs, design: Runs) -> dict[str, int]:
    """The functions whose counts do not overlap, and how much more the second ones are; the largest first."""
    found = dict[str, int]()
    for name in sorted(set().union(*base, *design)):
        one, other = ([run.get(name, 0) for run in runs] for runs in (base, design))
        if max(one) < min(other) or max(other) < min(one):
            found[name] = min(other) - min(one)
    return dict(sorted(found.items(), key=lambda row: -abs(row[1])))
