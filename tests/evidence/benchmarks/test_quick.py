"""The benchmarks that need no guest still run; how long anything takes is nobody's fact."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "evidence" / "benchmarks"


def quick(name: str) -> str:
    """What a benchmark prints in its tiny mode."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("mapping_size", ["mmap", "fork", "munmap the middle", "munmap the rest", "exit"] * 2),
        ("checker", ["breadth first", "symmetry"]),
        ("states", ["7.2,tracker=exact", "6.1"] * 2),
        ("races", ["one race", "one race, every order", "one race, no flush in time", "four races"]),
        (
            "start",
            [
                *("--version,", "--help,", "check --help,", "litmus list,", "kernels list,", "explain,"),
                "run on the model,",
            ],
        ),
        ("explorer_speed", ["first picture", "first picture, two machines", "a step"]),
        (
            "jobs",
            [
                "counting",
                *(
                    f"{scope} {machine}"
                    for scope in ("standard", "leaves", "vfio")
                    for machine in ("6.1", "7.2", "7.2,tracker=exact")
                ),
                *("races 7.2", "fuzz"),
            ],
        ),
        ("snapshot_scale", ["live root", "bundle"]),
        (
            "long_run",
            [
                f"{series}: {kind}, 16 operations"
                for series in ("6.1", "7.2")
                for kind in ("munmap", "mprotect")
            ],
        ),
        ("book", ["sorted", "random", "as a list", "reserve", "lookup", "free"]),
    ],
)
def test_a_benchmark_prints_its_table(name: str, rows: list[str]):
    """
    Every line of the table is there, with its numbers behind it.
    """
    printed = [line.strip() for line in quick(name).splitlines()]

    assert rows == [row for line in printed for row in dict.fromkeys(rows) if line.startswith(f"{row} ")]
