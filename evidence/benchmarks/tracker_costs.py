"""Compare the time costs of two trackers on kernels: mapping, cutting, moving, forking.

Two kernels built here (``pfnlab kernels build``) run the same C program in guests, in turn, several times.
The output has nanoseconds for the first kernel, and the ratio of the second to the first as the median of the
pairs. On an emulated processor only the ratios are meaningful.

    python evidence/benchmarks/tracker_costs.py 7.3-own exact-series [--quick]
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "evidence" / "tools"))

from run_selftest import INIT, console_with  # noqa: E402

from pfnlab.lab.building.built import built  # noqa: E402

PAIRS = 7
_COST = re.compile(r"^cost (?P<workload>.+) (?P<nanoseconds>\d+)$", re.MULTILINE)


def compiled(into: Path) -> bytes:
    """The program, with the first process of its guest."""
    sources = (Path(__file__).with_suffix(".c"), INIT)
    command = [
        "gcc",
        "-O2",
        "-static",
        "-Dmain=selftest_main",
        "-c",
        "-o",
        str(into / "costs.o"),
        str(sources[0]),
    ]
    subprocess.run(command, check=True, timeout=120)
    command = ["gcc", "-O2", "-static", "-o", str(into / "init"), str(sources[1]), str(into / "costs.o")]
    subprocess.run(command, check=True, timeout=120)
    return (into / "init").read_bytes()


def costs(name: str, program: bytes, folder: Path) -> dict[str, int]:
    """Return the nanoseconds for one round, by workload."""
    console = console_with(built(name).image, program, folder)
    return {found["workload"]: int(found["nanoseconds"]) for found in _COST.finditer(console)}


def main() -> None:
    """Run the pairs, and print the ratios."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    if len(names) != 2:
        raise SystemExit("name two kernels: python evidence/benchmarks/tracker_costs.py 7.3-own exact-series")
    pairs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        program = compiled(folder)
        for _ in range(2 if "--quick" in sys.argv else PAIRS):
            pairs.append([costs(name, program, folder) for name in names])
    for workload in pairs[0][0]:
        first = statistics.median(pair[0][workload] for pair in pairs)
        ratios = sorted(pair[1][workload] / pair[0][workload] for pair in pairs)
        middle = statistics.median(ratios)
        print(f"{workload:14} {first:>10,.0f} ns   x {middle:.2f}   ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
