"""Record the results of hunts on kernels for the page: ``record_hunt.py RESULT.json...``.

RESULT.json is the output of ``pfnlab fuzz --on model:7.3 --on qemu:7.3 --json``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.recorded_hunt import FOLDER, recorded
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, write_stored


def main(names: Sequence[str]) -> int:
    """Write a file for each hunt; return the exit code."""
    FOLDER.mkdir(exist_ok=True)
    for name in names:
        kept = recorded(msgspec.json.decode(Path(name).read_bytes(), type=FuzzResult))
        write_stored(kept.file, kept)
    print(f"{len(names)} hunts recorded in {FOLDER}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
