"""The search compared with pan and TLC on one small specification: time, memory, states.

Each runs once, in turn, and is measured in processor time, so that the ratios hold even on a busy machine.
State counts must be equal. There is no goal for times, because kernel states cost more than any of these.
spin builds pan from the shared Promela text; TLC runs if its jar and a TLA+ text are given. Missing tools are
named and their rows left out.

    python evidence/benchmarks/checker.py [--quick] [PAGES] [--promela book.pml]
        [--tlc tla2tools.jar --tla book.tla]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "checker"))

from measuring import busy, rounds, show

from pfnlab.base.errors import MissingTool

#: The counts that every tool must reach.
STATES = {1: 398, 2: 21_530, 3: 471_404, 4: 5_521_772, 5: 42_355_820}

_ROOT = Path(__file__).parents[2]
# A separate process for each search, to measure its memory alone.
_OURS = """
import resource, sys, time
sys.path.insert(0, {tests!r})
import shared_book
from pfnlab.checker.search.explore import explore
model = shared_book.Book({pages}, {symmetric})
before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
found = explore(model, shared_book.RULES)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert not found.discoveries and not found.cut
print(found.states, time.process_time() - begun, 1024 * (after - before) / found.states)
"""


@dataclass(frozen=True)
class Result:
    """The result of one tool: distinct states, seconds of processor time, and bytes per state if known."""

    states: int
    seconds: float
    bytes_a_state: float | None


def ours(pages: int, symmetric: bool = False) -> Result:
    """Run our own search."""
    tests = str(_ROOT / "tests" / "checker")
    text = _OURS.format(tests=tests, pages=pages, symmetric=symmetric)
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    states, seconds, size = told.stdout.split()
    return Result(int(states), float(seconds), float(size))


def _timed(command: Sequence[str], folder: Path) -> tuple[str, float]:
    """Run a command; return its output and processor time."""
    before = os.times()
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    after = os.times()
    return told, after.children_user + after.children_system - before.children_user - before.children_system


def build_pan(promela: Path | None, pages: int, folder: Path) -> None:
    """Build pan as for the measurements that set the goals: exact, depth first, without reduction."""
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            raise MissingTool(f"no {tool}: apt-get install {tool}")
    if promela is None or not promela.exists():
        raise MissingTool("no Promela text: give it with --promela")
    _timed(["spin", "-a", f"-DN={pages}", str(promela.resolve())], folder)
    options = ["-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=16000"]
    _timed(["gcc", *options, "pan.c", "-o", "pan"], folder)


def pan(pages: int, folder: Path) -> Result:
    """Run pan once."""
    told, seconds = _timed(["./pan", "-m9000000", *(["-w26"] if pages > 3 else [])], folder)
    states = re.search(r"(\d+) states, stored", told)
    used = re.search(r"([\d.]+)\s+actual memory usage for states", told)
    if states is None or "errors: 0" not in told:
        raise SystemExit(f"pan says:\n{told}")
    count = int(states[1])
    return Result(count, seconds, float(used[1]) * (1 << 20) / count if used else None)


def tlc(jar: Path, tla: Path) -> Result:
    """Run TLC once, with one worker."""
    command = ["java", "-cp", str(jar.resolve()), "tlc2.TLC", "-workers", "1", str(tla.resolve())]
    told, seconds = _timed(command, tla.parent)
    states = re.search(r"([\d,]+) distinct states found", told)
    if states is None:
        raise SystemExit(f"TLC says:\n{told}")
    return Result(int(states[1].replace(",", "")), seconds, None)


def tools(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Result]]:
    """Return every search that can run here; report missing tools."""
    pages: int = options.pages
    found: dict[str, Callable[[], Result]] = {}
    try:
        build_pan(options.promela, pages, folder)
        found["pan, depth first"] = lambda: pan(pages, folder)
    except MissingTool as missing:
        print(f"pan is left out: {missing}")
    if options.tlc and options.tla:
        found["TLC, 1 worker"] = lambda: tlc(options.tlc, options.tla)
    else:
        print("TLC is left out: Debian has no package of it; give --tlc tla2tools.jar and --tla TEXT")
    if pages <= 3:
        found["breadth first"] = lambda: ours(pages)
        found["symmetry"] = lambda: ours(pages, symmetric=True)
    return found


def main() -> int:
    """Measure and print; return 1 if a goal is missed or a count is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="?", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--promela", type=Path)
    parser.add_argument("--tlc", type=Path)
    parser.add_argument("--tla", type=Path)
    options = parser.parse_args()
    options.pages = options.pages or (2 if options.quick else 3)
    with tempfile.TemporaryDirectory() as folder:
        searches = tools(options, Path(folder))
        results: dict[str, list[Result]] = {name: [] for name in searches}
        for _ in rounds(1 if options.quick else 5, 120):
            for name, search in searches.items():
                results[name].append(search())
    return report(options, results)


def report(options: argparse.Namespace, results: dict[str, list[Result]]) -> int:
    """Print the table and every wrong count; return the exit status."""
    beside = results.get("pan, depth first")
    rows, wrong = [], []
    for name, made in results.items():
        states, seconds = made[0].states, statistics.median(one.seconds for one in made)
        if name != "symmetry" and states != STATES.get(options.pages, states):
            wrong.append(f"{name} counts {states:,}")
        ratio = "-"
        if beside:
            pairs = zip(made, beside, strict=True)
            ratio = f"{statistics.median(one.seconds / theirs.seconds for one, theirs in pairs):.2f}"
        size = made[0].bytes_a_state
        rate = f"{states / seconds:,.0f}" if seconds else "-"
        rows.append([name, f"{states:,}", f"{seconds:.2f}", rate, ratio, f"{size:.0f}" if size else "-"])
    head = ["", "states", "CPU s", "states/s", "x pan", "bytes/state"]
    show(f"the shared specification, {options.pages} pages", head, rows)
    number = max(len(made) for made in results.values())
    print(f"Ratios matter on any machine: the column x pan. ({number} rounds; {busy()})")
    print("\n".join(wrong) or "Every count is right.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
