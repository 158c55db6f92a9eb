"""Kernel blocks that a hunt reaches, by how it is steered: by pairs of operations alone, or by blocks too.

Each hunt runs the same number of programs from the same seed. The last column is the cost of counting: the
time for a program with blocks counted, relative to one without.

    python evidence/benchmarks/steering.py [KIND...] [--on SERIES] [--programs N] [--seed N]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from hunts import KINDS, SERIES
from measuring import busy, show

from pfnlab.base.processes import processors
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.rounds import looking_named, opened
from pfnlab.programs.runs.named_machines import name_machines

PROGRAMS = 600
SEED = 34
_FINDINGS = Path(__file__).parents[1] / "findings"


def hunt(
    series: str, vocabulary: Vocabulary, by_blocks: bool, seed: int, programs: int, blocks: bool
) -> HuntState:
    """Return the final state of a hunt; store nothing."""
    specs = [f"model:{series}", f"qemu:{series}"]
    with opened(name_machines(specs), looking_named("memory"), guests=None, blocks=blocks) as lab:
        known = list(Folder(_FINDINGS).known())
        state = HuntState(specs, seed, vocabulary, looking=lab.looking, by_blocks=by_blocks, known_keys=known)
        Hunt(lab.machines, state, jobs=processors()).run(programs)
    return state


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("kinds", nargs="*", default=["plain"], metavar="KIND")
    parser.add_argument("--on", default=SERIES, metavar="SERIES")
    parser.add_argument("--programs", type=int, default=PROGRAMS, metavar="N")
    parser.add_argument("--seed", type=int, default=SEED, metavar="N")
    asked = parser.parse_args()
    for kind in asked.kinds:
        vocabulary = Vocabulary(**{option.removeprefix("--"): True for option in KINDS[kind]})
        rows = []
        uncounted = 0.0
        for by_blocks, blocks in ((False, False), (False, True), (True, True)):
            begin = time.perf_counter()
            state = hunt(asked.on, vocabulary, by_blocks, asked.seed, asked.programs, blocks)
            each = (time.perf_counter() - begin) / asked.programs
            if not blocks:
                uncounted = each
                continue
            reached = state.coverage.blocks
            functions = {block.partition("+")[0] for block in reached}
            rows.append(
                (
                    "blocks" if by_blocks else "pairs",
                    f"{len(reached):,}",
                    f"{len(functions):,}",
                    f"{1000 * each:.0f}",
                    f"{each / uncounted:.2f}",
                )
            )
        head = ("steered by", "blocks", "functions", "ms a program", "of one not counted")
        show(f"{kind}: {asked.programs:,} programs on qemu:{asked.on}, {busy()}", head, rows)


if __name__ == "__main__":
    main()
