"""Programs that `pfnlab fuzz` compares per second, by kind: model against kernel, with each step observed
in memory.

A kind is a vocabulary of the fuzzer. All processors hunt; booting, repeating and shrinking are included.

    python evidence/benchmarks/hunts.py [KIND...] [--on SERIES] [--programs N] [--rounds N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measuring import busy, show

KINDS = {
    "plain": (),
    "driver": ("--driver",),
    "vfio": ("--vfio",),
    "leaves": ("--driver", "--leaves"),
    "schedules": ("--schedules",),
}
SERIES = "7.3"
SEED = 11
PROGRAMS, ROUNDS = 60, 1
_TREE = Path(__file__).parents[2]
_LIMIT = 3600.0


def words_of(kind: str, series: str, programs: int, tree: str) -> list[str]:
    """The arguments of a hunt; *tree* has the known findings."""
    words = ["fuzz", "--on", f"model:{series}", "--on", f"qemu:{series}", *KINDS[kind]]
    words += ["--seed", str(SEED), "--programs", str(programs), "--look", "memory"]
    return [*words, "--known", f"{tree}/evidence/findings", "--jobs", str(os.cpu_count()), "--json"]


def seconds_each(kinds: Sequence[str], series: str, programs: int) -> dict[str, float]:
    """Return seconds per compared program of each kind.

    :raises RuntimeError: if a hunt failed; findings are not a failure
    """
    took = {}
    for kind in kinds:
        words = words_of(kind, series, programs, str(_TREE))
        with tempfile.TemporaryDirectory() as found:
            begin = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "pfnlab", *words, "--findings", found],
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                check=False,
            )
            seconds = time.perf_counter() - begin
        # A difference that cannot be repeated is undecided; the hunt did not fail.
        if done.returncode not in (0, 1, 3) or not done.stdout:
            raise RuntimeError(f"pfnlab {' '.join(words)} ended with {done.returncode}: {done.stderr[-400:]}")
        took[kind] = seconds / json.loads(done.stdout)["compared"]
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS), metavar="KIND")
    parser.add_argument("--on", default=SERIES, metavar="SERIES")
    parser.add_argument("--programs", type=int, default=PROGRAMS, metavar="N")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    asked = parser.parse_args()
    os.environ["PYTHONPATH"] = str(_TREE / "src")
    rounds = [seconds_each(asked.kinds, asked.on, asked.programs) for _ in range(asked.rounds)]
    best = {kind: min(one[kind] for one in rounds) for kind in asked.kinds}
    rows = [[kind, f"{1 / seconds:.1f}/s", f"{1e3 * seconds:.0f} ms"] for kind, seconds in best.items()]
    title = f"a compared program, {asked.programs} of each kind, model:{asked.on} and qemu:{asked.on}"
    show(title, ["", "programs", "each"], rows)
    print(busy())


if __name__ == "__main__":
    main()
