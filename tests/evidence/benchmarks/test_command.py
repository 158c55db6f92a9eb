"""`python -m evidence.benchmarks`: what it records, what it says, and its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from measuring.history import BenchmarkRun, MachineClass, MeasuredFigure, append, read

ROOT = Path(__file__).parents[3]
MACHINE = MachineClass("Toy CPU", 2, 16, "3.11")


def benchmarks(*words: str) -> subprocess.CompletedProcess[str]:
    """The command, run."""
    command = [sys.executable, "-m", "evidence.benchmarks", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)


def history(folder: Path, *medians: float) -> str:
    """A history of one benchmark, a commit each."""
    for number, median in enumerate(medians):
        figures = {"t: 6.1: took": MeasuredFigure("ms", [median, median * 1.01])}
        append(
            folder / "h",
            BenchmarkRun("states", f"commit{number}", "2026-01-01T00:00:00Z", MACHINE, figures),
        )
    return str(folder / "h")


def test_what_got_slower_is_a_line_and_the_exit_code(tmp_path: Path) -> None:
    """
    With both values, and from where on it is told.
    """
    done = benchmarks("compare", "--history", history(tmp_path, 10, 20))

    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if "6.1: took" in line)
    assert line.split() == ["states:", "t:", "6.1:", "took", "10.05", "ms", "20.1", "ms", "2.00", "1.05"]
    assert "1 figures compared: 1 slower, 0 faster" in done.stdout


def test_nothing_slower_is_no_failure(tmp_path: Path) -> None:
    """
    What is faster is told too.
    """
    done = benchmarks("compare", "--history", history(tmp_path, 20, 10))

    assert done.returncode == 0
    assert "0 slower, 1 faster" in done.stdout


def test_names_leave_others_out(tmp_path: Path) -> None:
    """
    What got slower in another benchmark is none of them.
    """
    done = benchmarks("compare", "book", "--history", history(tmp_path, 10, 20))

    assert done.returncode == 0
    assert "0 figures compared" in done.stdout


def test_this_commit_is_measured_and_compared_in_one_run(tmp_path: Path) -> None:
    """
    Against the history of such a machine: each figure of it was a thousandth, so each is slower.
    """
    kept = tmp_path / "h"
    assert 0 == benchmarks("book", "--quick", "--times", "2", "--history", str(kept)).returncode
    (run,) = read(kept)
    figures = {
        name: MeasuredFigure(one.unit, [value * (1e3 if one.unit == "/s" else 1e-3) for value in one.values])
        for name, one in run.figures.items()
    }
    kept.unlink()
    append(kept, msgspec.structs.replace(run, commit="earlier", figures=figures))
    command = ("compare", "book", "--measure", "--quick", "--times", "2", "--history", str(kept))

    first, again = benchmarks(*command), benchmarks(*command)

    assert (1, 1) == (first.returncode, again.returncode)
    assert "slower" in first.stdout
    assert "book: 2 times" in first.stdout
    assert "book: 2 times" not in again.stdout
    assert ["earlier", run.commit] == [one.commit for one in read(kept)]


def test_a_run_is_kept_with_every_value(tmp_path: Path) -> None:
    """
    Of a benchmark's tiny mode, twice.
    """
    done = benchmarks("book", "--quick", "--times", "2", "--history", str(tmp_path / "h"))

    assert done.returncode == 0, done.stderr
    (run,) = read(tmp_path / "h")
    assert run.benchmark == "book"
    assert run.figures
    assert {2} == {len(measured.values) for measured in run.figures.values()}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["compare", "--history", "/nowhere/h"],
            "/nowhere/h: No such file or directory: run `python -m evidence.benchmarks`",
        ),
        (["compare", "stats"], "there is no benchmark 'stats': known are book, boot, checker"),
        (["book", "--measure"], "--measure goes with compare: a run is measured anyway"),
        (["stats"], "there is no benchmark 'stats': known are book, boot, checker"),
        (["book", "--times", "0"], "--times is how often each runs: write 1 or more"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], says: str) -> None:
    """
    With what to write instead.
    """
    done = benchmarks(*words)

    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
