"""Run some or all benchmarks and record them as history, or compare the history.

    python -m evidence.benchmarks [run] [NAME...] [--times N] [--quick] [--history FILE]
    python -m evidence.benchmarks compare [NAME...] [--measure] [--since COMMIT] [--floor PART]
        [--history FILE]
    python -m evidence.benchmarks against BASE [COMMAND...] [--times N] [--long]

Every benchmark runs several times, so that its figures show their current spread on this machine. A
slowdown that exceeds both that spread and the floor is reported, and the exit code is 1. With --measure,
benchmarks that have not been run at this commit on such a machine are run first, so that the comparison is
about this tree. `against` runs commands in turn with those of another commit or checkout, and prints ratios;
it records nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from measuring import show
from measuring.against_base import against_base
from measuring.figures import RECORD, recorded
from measuring.history import (
    FLOOR,
    BadHistory,
    BenchmarkRun,
    Comparison,
    MeasuredFigure,
    append,
    commit_of,
    compare,
    now,
    read,
    this_machine,
    unmeasured,
)

_HERE = Path(__file__).parent
HISTORY = _HERE / "history.jsonl"
TIMES = 3


def names() -> list[str]:
    """All benchmarks."""
    return sorted(file.stem for file in _HERE.glob("*.py") if not file.stem.startswith("_"))


def run_once(name: str, arguments: Sequence[str]) -> dict[str, tuple[str, float]]:
    """Run a benchmark once, which prints its tables; return its figures: unit and value, by name.

    :raises RuntimeError: if it failed or printed no figures
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures"
        figures.touch()
        path = os.pathsep.join([str(_HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, str(_HERE / f"{name}.py"), *arguments],
            env={**os.environ, RECORD: str(figures), "PYTHONPATH": path.rstrip(os.pathsep)},
            check=False,
        )
        found = {figure.name: (figure.unit, figure.value) for figure in recorded(figures)}
    if not found:
        raise RuntimeError(f"{name}.py ended with {done.returncode} and showed no figure")
    return found


def run(name: str, times: int, arguments: Sequence[str]) -> BenchmarkRun:
    """Run a benchmark several times and combine the runs; figures missing from any of them are dropped."""
    runs = [run_once(name, arguments) for _ in range(times)]
    figures = {
        figure: MeasuredFigure(unit, [one[figure][1] for one in runs])
        for figure, (unit, _) in runs[0].items()
        if all(figure in one for one in runs)
    }
    return BenchmarkRun(name, commit_of(_HERE.parents[1]), now(), this_machine(), figures)


def tell(found: Comparison) -> int:
    """Print a comparison; return the exit code."""
    for title, changes in (("slower", found.slower), ("faster", found.faster)):
        rows = [
            [
                f"{change.benchmark}: {change.figure}",
                *(f"{value:g} {change.unit}" for value in (change.before, change.after)),
                f"{1 + change.worse:.2f}",
                f"{1 + change.threshold:.2f}",
            ]
            for change in changes
        ]
        if rows:
            show(title, ["figure", "before", "after", "times as long", "told from"], rows)
    for what, which in (("gone", found.gone), ("not judged, for it was run once", found.unjudged)):
        for name in which:
            print(f"{what}: {name}")
    for name in found.alone:
        print(f"nothing to compare with: {name} has no earlier run of another commit on such a machine")
    print(f"{found.judged} figures compared: {len(found.slower)} slower, {len(found.faster)} faster")
    return 1 if found.slower else 0


def main(words: Sequence[str] | None = None) -> int:
    """Run or compare; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evidence.benchmarks", description="Benchmarks and their history."
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="[run] NAME... | compare NAME... | against BASE COMMAND...",
        help="what to do; all without names",
    )
    parser.add_argument("--history", type=Path, default=HISTORY, metavar="FILE", help="JSON lines")
    parser.add_argument("--times", type=int, default=TIMES, metavar="N", help="so many runs of each")
    parser.add_argument("--quick", action="store_true", help="only those that have a tiny mode, in it")
    parser.add_argument("--measure", action="store_true", help="first run what was not run at this commit")
    parser.add_argument("--since", metavar="COMMIT", help="compare with this commit, not with the last other")
    parser.add_argument("--floor", type=float, default=FLOOR, metavar="PART", help="never tell less: 0.05")
    parser.add_argument("--long", action="store_true", help="against: more programs, pieces and depth")
    chosen = parser.parse_args(words)
    if chosen.words[:1] == ["against"]:
        return _against(chosen)
    comparing = chosen.words[:1] == ["compare"]
    wanted = chosen.words[1:] if comparing or chosen.words[:1] == ["run"] else chosen.words
    unknown = [name for name in wanted if name not in names()]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}: known are {', '.join(names())}")
    if chosen.times < 1:
        parser.error("--times is how often each runs: write 1 or more")
    if comparing:
        try:
            return _compare(chosen, wanted)
        except BadHistory as trouble:
            print(f"benchmarks: {trouble}", file=sys.stderr)
            return 2
    if chosen.measure:
        parser.error("--measure goes with compare: a run is measured anyway")
    return _run_all(wanted or _with_quick(chosen.quick), chosen.times, chosen.history, quick=chosen.quick)


def _against(chosen: argparse.Namespace) -> int:
    """Measure commands against another tree; return the exit code."""
    try:
        if len(chosen.words) < 2:
            raise RuntimeError("against what? Write a commit, or a checkout with .venv")
        against_base(chosen.words[1], chosen.words[2:], chosen.times, long=chosen.long)
    except RuntimeError as trouble:
        print(f"benchmarks: {trouble}", file=sys.stderr)
        return 2
    return 0


def _compare(chosen: argparse.Namespace, wanted: Sequence[str]) -> int:
    """Compare *wanted*, or everything; with ``--measure``, first run those not yet run at this commit."""
    failed = 0
    if chosen.measure:
        kept = read(chosen.history) if chosen.history.exists() else []
        missing = unmeasured(
            kept, wanted or _with_quick(chosen.quick), commit_of(_HERE.parents[1]), this_machine()
        )
        failed = _run_all(missing, chosen.times, chosen.history, quick=chosen.quick) if missing else 0
    return tell(compare(read(chosen.history), chosen.since, chosen.floor, wanted)) or failed


def _with_quick(quick: bool) -> list[str]:
    sources = {name: (_HERE / f"{name}.py").read_text(encoding="utf-8") for name in names()}
    return [name for name, source in sources.items() if not quick or '"--quick"' in source]


def _run_all(wanted: Sequence[str], times: int, history: Path, *, quick: bool) -> int:
    failed = []
    for name in wanted:
        print(f"{name}: {times} times", flush=True)
        try:
            append(history, run(name, times, ["--quick"] * quick))
        except RuntimeError as trouble:
            print(f"benchmarks: {trouble}", file=sys.stderr)
            failed.append(name)
    print(f"kept in {history}; `python -m evidence.benchmarks compare` says what got slower")
    return 3 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
