"""Start-up times of commands: help, lists, a log line, a program on the model or a kernel.

The kernel's guest resumes from a state saved at its first boot. A run before the first round ensures that
this state exists and that every module is compiled, as after an installation.

    python evidence/benchmarks/start.py [--rounds N] [--kernel SERIES]

Without --kernel, no guest is started.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import busy, show

ROUNDS = 7
PROGRAM = "munmap-middle"
LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"
_TREE = Path(__file__).parents[2]
_LIMIT = 300.0


def commands(kernel: str | None) -> dict[str, list[str]]:
    """The commands, by their names in the table."""
    found = {
        "--version": ["--version"],
        "--help": ["--help"],
        "check --help": ["check", "--help"],
        "litmus list": ["litmus", "list"],
        "kernels list": ["kernels", "list"],
        "explain": ["explain", LINE],
        "run on the model": ["run", PROGRAM, "--on", "model:7.2"],
    }
    if kernel is not None:
        found["run on a kernel"] = ["run", PROGRAM, "--on", f"qemu:{kernel}"]
    return found


def seconds_of(arguments: Sequence[str]) -> tuple[float, float]:
    """Return a command's elapsed and processor seconds.

    :raises RuntimeError: if it fails
    """
    before, begin = _processor_seconds(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pfnlab", *arguments],
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    took, own = time.perf_counter() - begin, _processor_seconds() - before
    # 1: the program violates a property on some kernels.
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"pfnlab {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}"
        )
    return took, own


def _processor_seconds() -> float:
    """The processor time of all finished child processes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(kernel: str | None) -> dict[str, float]:
    """Run each command once: elapsed time, and processor time, which is more reliable on a busy machine."""
    found = {}
    for name, arguments in commands(kernel).items():
        found[name], found[f"{name}, processor time"] = seconds_of(arguments)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="so many of each")
    parser.add_argument("--kernel", metavar="SERIES", help="also a program on this kernel")
    parser.add_argument("--quick", action="store_true", help="one round, for tests")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Compile each module once, whatever the environment, without writing files into a tree.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        _measure(chosen)


def _measure(chosen: argparse.Namespace) -> None:
    number = 1 if chosen.quick else chosen.rounds
    os.environ["PYTHONPATH"] = str(_TREE / "src")
    rounds = [measure(chosen.kernel) for _ in range(number + 1)][1:]
    rows = [[name, f"{1e3 * statistics.median(one[name] for one in rounds):.0f} ms"] for name in rounds[0]]
    show("from the start of a command to its end", ["command", "median"], rows)
    print(busy())


if __name__ == "__main__":
    main()
