"""Benchmark history: a JSON line per run, and slowdowns since."""

from __future__ import annotations

import platform
import statistics
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from measuring.figures import worse
from pfnlab.campaign.store.rows import this_host

FORMAT = "pfnlab-bench/1"

#: The smallest slowdown to report, however small the spread of a run.
FLOOR = 0.05

#: How many runs it takes to know the spread of a benchmark's figures.
ENOUGH = 2


class MachineClass(msgspec.Struct, frozen=True):
    """The machine properties that must match for times to be comparable.

    :param memory: GiB
    :param python: its version up to the minor number
    """

    cpu: str
    cores: int
    memory: int
    python: str


class MeasuredFigure(msgspec.Struct, frozen=True):
    """One figure in a run: its unit, and its value each time."""

    unit: str
    values: list[float]

    @property
    def middle(self) -> float:
        """The median."""
        return statistics.median(self.values)

    @property
    def noise(self) -> float | None:
        """The spread of the values as a fraction of the median; None if there are too few."""
        if len(self.values) < ENOUGH or self.middle <= 0:
            return None
        return (max(self.values) - min(self.values)) / self.middle


class BenchmarkRun(msgspec.Struct, frozen=True):
    """One run of one benchmark.

    :param commit: the commit of the measured tree, with ``+`` if it had changes
    :param date: the date in UTC
    """

    benchmark: str
    commit: str
    date: str
    machine: MachineClass
    figures: dict[str, MeasuredFigure]
    format: str = FORMAT


class Change(NamedTuple):
    """A figure that changed.

    :param worse: slowdown as a fraction of the earlier value; negative if it is better
    :param threshold: the slowdown it must exceed to be reported
    """

    benchmark: str
    figure: str
    unit: str
    before: float
    after: float
    worse: float
    threshold: float


class Comparison(NamedTuple):
    """The comparison of two runs of each benchmark.

    :param unjudged: figures whose spread the runs do not show
    :param gone: figures missing from the later run
    :param alone: benchmarks with no earlier run on such a machine
    """

    slower: list[Change]
    faster: list[Change]
    judged: int
    unjudged: list[str]
    gone: list[str]
    alone: list[str]


class BadHistory(Exception):
    """A history line cannot be read."""


def this_machine() -> MachineClass:
    """The class of the machine this runs on."""
    host = this_host()
    python = ".".join(platform.python_version_tuple()[:2])
    return MachineClass(host.cpu, host.cores, round(host.memory / 1024), python)


def commit_of(tree: Path) -> str:
    """The commit a tree is at."""
    command = ["git", "-C", str(tree), "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() or "unknown"


def now() -> str:
    """The current time, for a run."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def append(path: Path, run: BenchmarkRun) -> None:
    """Append a run to a history, which is created if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(run) + b"\n")


def read(path: Path) -> list[BenchmarkRun]:
    """
    The runs of a history, oldest first.

    :raises BadHistory: it is missing, or has a line that is not a run
    """
    try:
        lines = path.read_bytes().splitlines()
    except OSError as trouble:
        raise BadHistory(
            f"{path}: {trouble.strerror}: run `python -m evidence.benchmarks` first, "
            "or name one with --history FILE"
        ) from None
    return list(_runs(path, lines))


def _runs(path: Path, lines: Sequence[bytes]) -> Iterator[BenchmarkRun]:
    for number, line in enumerate(lines, 1):
        try:
            run = msgspec.json.decode(line, type=BenchmarkRun)
        except (msgspec.DecodeError, msgspec.ValidationError) as trouble:
            raise BadHistory(f"{path}, line {number}: {trouble}: take that line away") from None
        if run.format != FORMAT:
            raise BadHistory(f"{path}, line {number}: its format is {run.format!r}, not {FORMAT}")
        yield run


def unmeasured(
    runs: Sequence[BenchmarkRun], names: Sequence[str], commit: str, machine: MachineClass
) -> list[str]:
    """Return the benchmarks in *names* whose last run on such a machine is not at *commit*."""
    last = {run.benchmark: run.commit for run in runs if run.machine == machine}
    return [name for name in names if last.get(name) != commit]


def compare(
    runs: Sequence[BenchmarkRun],
    since: str | None = None,
    floor: float = FLOOR,
    names: Sequence[str] = (),
) -> Comparison:
    """
    Compare each benchmark's last run with the last earlier run at another commit on such a machine.

    A figure is slower, or faster, if the difference exceeds *floor* and the spread of either run.

    :param since: compare with the last run at this commit, which may be abbreviated
    :param names: compare only these benchmarks; all if empty
    """
    found = Comparison([], [], 0, [], [], [])
    judged = 0
    for name in dict.fromkeys(run.benchmark for run in runs if not names or run.benchmark in names):
        own = [run for run in runs if run.benchmark == name]
        last = own[-1]
        earlier = [run for run in own[:-1] if run.machine == last.machine and _wanted(run, last, since)]
        if not earlier:
            found.alone.append(name)
            continue
        before = earlier[-1].figures
        found.gone.extend(f"{name}: {figure}" for figure in before if figure not in last.figures)
        for figure, after in last.figures.items():
            if figure not in before or before[figure].unit != after.unit:
                continue
            change = _change(name, figure, before[figure], after, floor)
            if isinstance(change, str):
                found.unjudged.append(change)
            elif change is not None:
                judged += 1
                if change.worse > change.threshold:
                    found.slower.append(change)
                # How much slower it would have been in reverse.
                elif (worse(change.unit, change.after, change.before) or 0) > change.threshold:
                    found.faster.append(change)
    return found._replace(judged=judged)


def _wanted(run: BenchmarkRun, last: BenchmarkRun, since: str | None) -> bool:
    return run.commit != last.commit if since is None else run.commit.startswith(since)


def _change(
    name: str, figure: str, before: MeasuredFigure, after: MeasuredFigure, floor: float
) -> Change | str | None:
    by = worse(after.unit, before.middle, after.middle)
    if by is None:
        return None
    if before.noise is None or after.noise is None:
        return f"{name}: {figure}"
    threshold = max(floor, before.noise, after.noise)
    return Change(name, figure, after.unit, before.middle, after.middle, by, threshold)
