"""Speed of the lens: a snapshot of one process with 50 mappings, and loading a kernel's types.

.venv/bin/python evidence/benchmarks/lens.py [SERIES...]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "lab" / "lens"))

from measuring import busy, no_collection, show
from stepped_guest import SteppedGuest

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.memory import GuestRam
from pfnlab.lab.lens.program import find_symbols, open_program
from pfnlab.lab.lens.snapshot import Lens
from pfnlab.lab.lens.vmlinux import btf_of
from pfnlab.programs.runs.places import Places

#: The targets, in milliseconds.
SNAPSHOT_MS = 1.0
TYPES_MS = 300.0

ROUNDS = 200
LOADS = 5


def median(act: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Milliseconds of one call."""
    times = []
    for _ in range(rounds):
        begun = clock()
        act()
        times.append(clock() - begun)
    return 1000 * statistics.median(times)


def program() -> str:
    """25 mappings, each cut in two."""
    maps = [f"a{number} = mmap bar[{32 * number}:{32 * number + 32}] wc shared rw" for number in range(25)]
    holes = [f"munmap a{number}[15:17]" for number in range(25)]
    return "\n".join(["pfnlab program 1", "title t", "device bar: pci, 800 pages", *maps, *holes, ""])


def measure(series: str, rows: list[list[str]]) -> bool:
    """Add one kernel's figures to *rows*; return whether they are within the targets."""
    with SteppedGuest(series) as guest, tempfile.TemporaryDirectory() as folder:
        vmlinuz, kept, index = guest.kernel.vmlinuz, Path(folder) / "btf", Path(folder) / "index"
        unpack = median(lambda: btf_of(vmlinuz), 1)
        data = btf_of(vmlinuz, kept)
        first = median(lambda: Btf(data), LOADS)
        types = Btf(data, index=index)
        again = median(lambda: Btf(btf_of(vmlinuz, kept), index=index), LOADS)
        with GuestRam(guest.ram) as ram:
            search = median(lambda: GuestRam(guest.ram).info, LOADS)
            find = median(lambda: find_symbols(ram), 1)
            symbols = find_symbols(ram)
            opened = median(lambda: Lens(open_program(ram, types, symbols), ram, symbols), LOADS)
            lens = Lens(open_program(ram, types, symbols), ram, symbols)

            def visit(pids: Mapping[str, int], places: Places) -> tuple[int, float, float]:
                def look() -> object:
                    return lens.snapshot(pids, places)

                vmas = len(lens.snapshot(pids, places).spaces[0].vmas)
                with no_collection():
                    return vmas, median(look, ROUNDS), median(look, ROUNDS, time.process_time)

            ((_, (vmas, snapshot, own)),) = guest.run(program(), visit, [49])
    rows.append(
        [series, str(vmas), *(f"{one:.2f}" for one in (snapshot, own))]
        + [f"{one:.0f}" for one in (first, again, unpack, find, search, opened)]
    )
    return own <= SNAPSHOT_MS and first <= TYPES_MS


if __name__ == "__main__":
    table: list[list[str]] = []
    met = [measure(series, table) for series in sys.argv[1:] or (SERIES[0], SERIES[-1])]
    head = [
        "series",
        "mappings",
        "snapshot",
        "of it CPU",
        "types",
        "kept types",
        "unpack",
        "symbols",
        "search",
    ]
    show(f"milliseconds ({busy()})", [*head, "open"], table)
    verdict = "met" if all(met) else "MISSED"
    print(f"targets: {SNAPSHOT_MS:g} ms a snapshot, {TYPES_MS:g} ms the types: {verdict}")
    sys.exit(not all(met))
