"""Seconds from starting a guest to its hello: fresh, with an earlier boot's offsets, from a saved state.

The three alternate; the saved state is made before anything is timed.

    python evidence/benchmarks/boot.py [SERIES...]
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from measuring import busy, rounds, show

from pfnlab.lab.images.kernels import kernel_for
from pfnlab.lab.vm.qemu import Guest

SERIES = ("6.1", "7.2")
ROUNDS, SECONDS = 5, 25.0


def seconds_of(start: Callable[[], Guest]) -> float:
    """Return the seconds that *start* takes; stop the guest afterwards."""
    begin = time.perf_counter()
    guest = start()
    took = time.perf_counter() - begin
    guest.close()
    return took


def measure(series: str) -> tuple[dict[str, float], int]:
    """Return the median seconds for each way to start, and the number of rounds."""
    vmlinuz = kernel_for(series).vmlinuz
    with Guest(vmlinuz) as first:
        offsets = first.hello.offsets
    ways: dict[str, Callable[[], Guest]] = {
        "fresh": lambda: Guest(vmlinuz, fresh=True),
        "offsets given": lambda: Guest(vmlinuz, fresh=True, offsets=offsets),
        "saved state": lambda: Guest(vmlinuz),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in rounds(ROUNDS, SECONDS):
        for way, start in ways.items():
            times[way].append(seconds_of(start))
    return {way: statistics.median(one) for way, one in times.items()}, len(times["fresh"])


def main(series: tuple[str, ...] = SERIES) -> None:
    """Measure and print."""
    rows, done = [], []
    for one in series:
        medians, number = measure(one)
        done.append(str(number))
        for way, took in medians.items():
            rows.append([f"qemu:{one}, {way}", f"{took:.2f} s", f"{medians['fresh'] / took:.1f} times"])
    show("from start to hello", ["guest", "median", "faster than fresh"], rows)
    print(f"What matters on any machine: the last column. (rounds: {', '.join(done)}; {busy()})")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or SERIES)
