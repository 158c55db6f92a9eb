"""The memtype book with a million reservations: loading, and one further operation.

The reservations have 1 to 16 pages, with gaps between them. They are reserved one by one, in sorted and in
random order, and loaded as a list like one from a real kernel's debugfs. Each operation is then timed
alternately with a thousand and with a million entries in the book.

    python evidence/benchmarks/book.py [--quick]
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from measuring import busy, no_collection, rounds, show

from pfnlab.base.trace import Trace
from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.memtype import MemtypeBook, MemtypeEntry

SMALL, LARGE = 1000, 1_000_000
LOAD_GOAL_SECONDS, OPERATION_GOAL_US = 3.0, 10.0
_FIRST = 0x100_0000_0000
_APART = 32 * PAGE_SIZE

Range = tuple[int, int]


def ranges(count: int, seed: int = 1) -> list[Range]:
    """Make *count* ranges in ascending order, each followed by a gap."""
    choose = random.Random(seed)
    starts = (_FIRST + at * _APART for at in range(count))
    return [(start, start + choose.randint(1, 16) * PAGE_SIZE) for start in starts]


def empty_book() -> MemtypeBook:
    """Make an empty book, on a machine with room for a million ranges."""
    return MemtypeBook(replace(qemu_q35(), phys_bits=46), Trace(), end_match=False)


def load(book: MemtypeBook, entries: Sequence[Range]) -> float:
    """Reserve all *entries*; return the time in seconds."""
    reserve, mode, trace = book.reserve, CacheMode.WC, book.trace
    begin = time.perf_counter()
    for at in range(0, len(entries), 1000):
        for start, end in entries[at : at + 1000]:
            reserve(start, end, mode, who="bench:1")
        trace.take()  # as a run does after every operation
    return time.perf_counter() - begin


def take_over(entries: Sequence[MemtypeEntry]) -> float:
    """Fill a book with *entries*, as read from a kernel; return the time in seconds."""
    book = empty_book()
    begin = time.perf_counter()
    book.load(entries)
    return time.perf_counter() - begin


def loaded(count: int) -> MemtypeBook:
    """Make a book with *count* entries, added in random order."""
    book = empty_book()
    entries = ranges(count)
    random.Random(2).shuffle(entries)
    load(book, entries)
    return book


def operations(book: MemtypeBook, count: int, seed: int, samples: int) -> dict[str, float]:
    """Return microseconds per operation, at *samples* random places in a book with *count* entries."""
    choose = random.Random(seed)
    # Two pages in each gap, all different.
    places = choose.sample(range(count), min(samples, count))
    gaps = [(_FIRST + at * _APART + 20 * PAGE_SIZE, _FIRST + at * _APART + 22 * PAGE_SIZE) for at in places]

    def each(act: Callable[[int, int], object]) -> float:
        begin = time.perf_counter()
        for start, end in gaps:
            act(start, end)
        took = time.perf_counter() - begin
        book.trace.take()
        return took / len(gaps) * 1e6

    return {
        "reserve": each(lambda start, end: book.reserve(start, end, CacheMode.WC, who="bench:1")),
        "lookup": each(lambda start, end: book.lookup(start)),
        "free": each(lambda start, end: book.free(start, end, who="bench:1")),
    }


def met(value: float, goal: float) -> str:
    """The verdict on *value* against its *goal*, in a word or two."""
    return "met" if value <= goal else "NOT met"


def main(quick: bool = False) -> None:
    """Measure and print."""
    small, large = (100, 2000) if quick else (SMALL, LARGE)
    orders = {"sorted": ranges(large), "random": ranges(large)}
    random.Random(3).shuffle(orders["random"])
    listed = [MemtypeEntry(start, end, CacheMode.WC) for start, end in orders["sorted"]]
    seconds: dict[str, list[float]] = {order: [] for order in (*orders, "as a list")}
    with no_collection():
        for _ in rounds(3, 20.0):
            for order, entries in orders.items():
                seconds[order].append(load(empty_book(), entries))
            seconds["as a list"].append(take_over(listed))
    medians = {order: statistics.median(times) for order, times in seconds.items()}
    rows = [
        [order, f"{took:.2f} s", f"{took / large * 1e6:.2f} us", f"{took / medians['sorted']:.2f}"]
        for order, took in medians.items()
    ]
    show(f"loading {large:,} reservations", ["order", "all", "each", "/ sorted"], rows)

    books = {count: loaded(count) for count in (small, large)}
    times: dict[tuple[str, int], list[float]] = {}
    with no_collection():
        for number in rounds(15, 15.0):
            for count, book in books.items():
                for name, took in operations(book, count, number, small).items():
                    times.setdefault((name, count), []).append(took)
    each = {key: statistics.median(values) for key, values in times.items()}
    rows = [
        [name, f"{each[name, small]:.2f} us", f"{each[name, large]:.2f} us",
         f"{each[name, large] / each[name, small]:.2f}"]
        for name in ("reserve", "lookup", "free")
    ]  # fmt: skip
    show("one operation", ["operation", f"{small:,} entries", f"{large:,} entries", "ratio"], rows)
    slowest = max(each[name, large] for name in ("reserve", "lookup", "free"))
    if quick:
        return
    loads = ", ".join(f"{order} {met(took, LOAD_GOAL_SECONDS)}" for order, took in medians.items())
    print("What matters on any machine: the last column, beside a thousand times the entries.")
    print(f"Goal: a million loaded in {LOAD_GOAL_SECONDS:g} s: {loads}.")
    print(f"Goal: {OPERATION_GOAL_US:g} us an operation: {met(slowest, OPERATION_GOAL_US)}. ({busy()})")


if __name__ == "__main__":
    main("--quick" in sys.argv[1:])
