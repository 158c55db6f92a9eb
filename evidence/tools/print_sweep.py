"""Print the cells of a recorded sweep, one letter per cell: ``print_sweep.py 6.1 all``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.recorded_sweep import recorded_sweeps
from evidence.pages.sweeps_page import printed


def main(words: Sequence[str]) -> int:
    """Print the sweep named by *words*; return the exit code."""
    sweeps = {(sweep.series, sweep.scope): sweep for sweep in recorded_sweeps()}
    if tuple(words) not in sweeps:
        names = ", ".join(" ".join(key) for key in sweeps)
        print(f"usage: print_sweep.py SERIES SCOPE; recorded are {names}", file=sys.stderr)
        return 2
    series, scope = words
    print(printed(sweeps[series, scope]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
