"""The common parts of the benchmarks: rounds within a time limit, medians, and aligned tables."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from measuring.figures import record


def rounds(most: int, seconds: float) -> Iterator[int]:
    """Count up to *most* rounds and start none after *seconds*; the first round always runs."""
    begin = time.monotonic()
    for number in range(most):
        if number and time.monotonic() - begin > seconds:
            return
        yield number


def ratio_of_rounds(before: Sequence[float], after: Sequence[float]) -> float:
    """Return the speed-up as the median over rounds, which cancels effects on both within a round."""
    return statistics.median(first / second for first, second in zip(before, after, strict=True))


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector out of the measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column left-aligned, all others right-aligned.

    If requested, record its figures (:mod:`.figures`).
    """
    record(title, head, rows)
    cells = [list(head), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    print(title)
    for row in cells:
        rest = "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        print(f"  {row[0]:<{widths[0]}}{rest}".rstrip())


def busy() -> str:
    """Describe this machine's load: when it is busy, times mean little and ratios more."""
    return f"{os.cpu_count()} CPUs, {os.getloadavg()[0]:.1f} processes running"
