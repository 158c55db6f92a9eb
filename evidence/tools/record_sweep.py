"""Record the results of sweeps of kernels for the page: ``record_sweep.py RESULT.json...``.

RESULT.json is the output of ``pfnlab fuzz --enumerate all --on qemu:7.3 --json``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.recorded_sweep import FOLDER, recorded
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, write_stored


def main(names: Sequence[str]) -> int:
    """Write a file for each kernel; return the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        for line in Path(name).read_bytes().splitlines():
            kept = recorded(msgspec.json.decode(line, type=FuzzResult))
            write_stored(kept.file, kept)
            print(kept.file)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
