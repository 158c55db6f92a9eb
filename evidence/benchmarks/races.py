"""A race, compared with pan: munmap against unmap_mapping_range; can a process still reach the frame?

pan answers this on a dedicated model of some 40 lines in which every statement is a step. pfnlab answers it
on the whole modelled kernel, in which an operation stops where kernel functions begin. So pan has many more
states, and much smaller ones: times to a verdict are comparable, but states and states a second are not. The
scope `race` has four races; the first is the one in the Promela text.

Times are processor times, measured in turn in the same run. They exclude preparation, which has a separate
column: spin and gcc for pan, the start of Python and its imports for pfnlab.

    python evidence/benchmarks/races.py [--quick] [--promela race.pml]
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measuring import busy, rounds, show

from pfnlab.base.errors import MissingTool

#: The goal: at most pan's time with reduction, for the one race with a flush in time.
GOAL = 1.0

# A separate process for each search, like pan's.
_OURS = """
import time
began = time.process_time()
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import RaceScope, load_scope
from pfnlab.programs.model.model_machine import ModelMachine
scope = load_scope("race")
races = scope.races[:{races}]
started = time.process_time()
limits = Exhaustive(every_order={every_order})
found = check(ModelMachine({spec!r}), RaceScope("race", "", races), limits=limits)
ended = time.process_time()
verdict = found.answers[0].verdict
print(found.states, found.transitions, ended - started, started - began, verdict)
"""


@dataclass(frozen=True)
class Result:
    """The result of one search.

    :param seconds: processor time to the verdict
    :param before: processor time until the search could begin
    """

    states: int
    steps: int
    seconds: float
    before: float
    verdict: str


def ours(spec: str, races: int, every_order: bool = False) -> Result:
    """Run our search over the first *races* races."""
    text = _OURS.format(spec=spec, races=races, every_order=every_order)
    told = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout
    states, steps, seconds, before, verdict = told.split()
    return Result(int(states), int(steps), float(seconds), float(before), verdict)


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def build_pan(promela: Path | None, fixed: bool, reduce: bool, folder: Path) -> float:
    """Build pan; return how many seconds it took.

    :raises MissingTool: if spin or gcc is missing
    """
    for tool in ("spin", "gcc"):
        if shutil.which(tool) is None:
            raise MissingTool(f"no {tool}: apt-get install {tool}")
    if promela is None or not promela.exists():
        raise MissingTool("no Promela text: give it with --promela")
    folder.mkdir()
    begin = _children()
    for command in (
        ["spin", "-a", f"-DFIX={fixed:d}", str(promela.resolve())],
        ["gcc", "-O2", "-w", "-DSAFETY", *([] if reduce else ["-DNOREDUCE"]), "pan.c", "-o", "pan"],
    ):
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return _children() - begin


def pan(folder: Path, before: float) -> Result:
    """One run of pan."""
    begin = _children()
    told = subprocess.run(["./pan", "-m10000000"], cwd=folder, capture_output=True, text=True, check=True)
    seconds = _children() - begin
    states = re.search(r"(\d+) states, stored", told.stdout)
    steps = re.search(r"(\d+) transitions", told.stdout)
    errors = re.search(r"errors: (\d+)", told.stdout)
    if states is None or steps is None or errors is None:
        raise SystemExit(f"pan says:\n{told.stdout}")
    verdict = "violated" if int(errors[1]) else "holds"
    return Result(int(states[1]), int(steps[1]), seconds, before, verdict)


def searches(options: argparse.Namespace, folder: Path) -> dict[str, Callable[[], Result]]:
    """Every search that can run here; missing tools are reported."""
    found: dict[str, Callable[[], Result]] = {
        "one race": lambda: ours("7.2", 1),
        "one race, every order": lambda: ours("7.2", 1, True),
        "one race, no flush in time": lambda: ours("7.2,flush=none", 1),
        "four races": lambda: ours("7.2", 4),
        "four races, every order": lambda: ours("7.2", 4, True),
    }
    kinds = {
        "pan": (True, True),
        "pan, no flush in time": (False, True),
        **({} if options.quick else {"pan, every order": (True, False)}),
    }
    try:
        for number, (name, (fixed, reduce)) in enumerate(kinds.items()):
            place = folder / str(number)
            before = build_pan(options.promela, fixed, reduce, place)
            found[name] = lambda place=place, before=before: pan(place, before)  # type: ignore[misc]
    except MissingTool as missing:
        print(f"pan is left out: {missing}")
    return found


def main() -> int:
    """Measure and print; return 1 if a goal is missed or a verdict is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--promela", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = searches(options, Path(folder))
        results: dict[str, list[Result]] = {name: [] for name in made}
        for _ in rounds(1 if options.quick else 5, 120):
            for name, search in made.items():
                results[name].append(search())
    return report(results, options.quick)


def report(results: dict[str, list[Result]], quick: bool) -> int:
    """Print the table and missed goals; return the exit status."""
    beside = results.get("pan")
    rows, wrong = [], []
    for name, runs in results.items():
        one, seconds = runs[0], statistics.median(run.seconds for run in runs)
        ratio = "-"
        if beside:
            times = [run.seconds / theirs.seconds for run, theirs in zip(runs, beside, strict=True)]
            ratio = f"{statistics.median(times):.2f}"
            if name == "one race" and not quick and statistics.median(times) > GOAL:
                wrong.append(f"{name} takes {ratio} times pan's time")
        before = statistics.median(run.before for run in runs)
        rows.append(
            [name, f"{one.states:,}", f"{one.steps:,}", f"{seconds:.3f}", ratio, f"{before:.2f}", one.verdict]
        )
        if ("no flush" in name) != (one.verdict == "violated"):
            wrong.append(f"{name}: {one.verdict}")
    head = ["", "states", "steps", "CPU s", "x pan", "CPU s before", "told_free"]
    show("munmap against unmap_mapping_range, time to a verdict", head, rows)
    number = max(len(runs) for runs in results.values())
    print(f"What matters on any machine: the column x pan. ({number} rounds; {busy()})")
    print("\n".join(wrong) or "Every verdict is right and every goal is met.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
