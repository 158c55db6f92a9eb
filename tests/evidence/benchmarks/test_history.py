"""Made-up histories of benchmarks: what got slower, and what nobody can say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from measuring.history import (
    BadHistory,
    BenchmarkRun,
    MachineClass,
    MeasuredFigure,
    append,
    commit_of,
    compare,
    read,
    this_machine,
)

MACHINE = MachineClass("Toy CPU", 2, 16, "3.11")
OTHER_MACHINE = MachineClass("Toy CPU", 4, 16, "3.11")


def ran(
    commit: str, *values: float, unit: str = "ms", name: str = "states", machine: MachineClass = MACHINE
) -> BenchmarkRun:
    """A run with one figure."""
    return BenchmarkRun(
        name, commit, "2026-01-01T00:00:00Z", machine, {"t": MeasuredFigure(unit, list(values))}
    )


def test_more_time_than_scatter_is_slower() -> None:
    """
    The medians are compared, and the threshold is the greater scatter of the two runs.
    """
    found = compare([ran("a", 10, 10.2, 10.4), ran("b", 15, 15, 15.3)])

    (change,) = found.slower
    assert (change.before, change.after) == (10.2, 15)
    assert change.worse == pytest.approx(15 / 10.2 - 1)
    assert change.threshold == 0.05
    assert (found.faster, found.judged) == ([], 1)


def test_scatter_hides_what_is_within_it() -> None:
    """
    The same medians as in the test above, from a noisy run.
    """
    found = compare([ran("a", 8, 10.2, 14), ran("b", 15, 15, 15.3)])

    assert (found.slower, found.judged) == ([], 1)


def test_less_than_the_floor_is_never_told() -> None:
    """
    Though the figures do not scatter at all.
    """
    runs = [ran("a", 100, 100), ran("b", 104, 104)]

    assert ([], 1) == (compare(runs).slower, len(compare(runs, floor=0.03).slower))


def test_a_lower_rate_is_slower_and_a_higher_one_faster() -> None:
    """
    For times it is the other way round.
    """
    runs = [ran("a", 100, 100, unit="/s"), ran("b", 50, 50, unit="/s")]

    assert (1, 0) == (len(compare(runs).slower), len(compare(runs).faster))
    assert (0, 1) == (len(compare(runs[::-1]).slower), len(compare(runs[::-1]).faster))


def test_only_runs_of_equal_machines_are_compared() -> None:
    """
    The last one on such a machine counts, however many others lie between.
    """
    runs = [ran("a", 10, 10), ran("b", 1, 1, machine=OTHER_MACHINE), ran("c", 20, 20)]

    assert [10] == [change.before for change in compare(runs).slower]
    assert ["states"] == compare(runs[1:]).alone


def test_a_run_of_the_same_commit_is_no_earlier_one() -> None:
    """
    Who measures twice compares with what was before both.
    """
    runs = [ran("a", 10, 10), ran("b", 20, 20), ran("b", 21, 21)]

    assert [10] == [change.before for change in compare(runs).slower]


def test_a_commit_can_be_named() -> None:
    """
    By its first digits.
    """
    runs = [ran("abc1", 5, 5), ran("abd2", 10, 10), ran("e", 20, 20)]

    assert [5] == [change.before for change in compare(runs, since="abc").slower]


def test_a_single_run_says_nothing_of_scatter() -> None:
    """
    So nothing is said of its figures.
    """
    found = compare([ran("a", 10), ran("b", 20)])

    assert (found.slower, found.judged, found.unjudged) == ([], 0, ["states: t"])


def test_figures_that_are_gone_are_told() -> None:
    """
    Each with its benchmark.
    """
    runs = [ran("a", 1, 1), BenchmarkRun("states", "b", "", MACHINE, {})]

    assert ["states: t"] == compare(runs).gone


def test_numbers_without_a_unit_are_kept_and_not_judged() -> None:
    """
    How many states there are is nobody's speed.
    """
    found = compare([ran("a", 10, 10, unit=""), ran("b", 20, 20, unit="")])

    assert (found.slower, found.judged, found.unjudged) == ([], 0, [])


TIMES = st.lists(st.floats(0.1, 1000), min_size=2, max_size=5)


@given(values=TIMES, unit=st.sampled_from(["ms", "/s"]))
def test_a_run_is_neither_slower_nor_faster_than_itself(values: list[float], unit: str) -> None:
    """
    Whatever its figures are.
    """
    found = compare([ran("a", *values, unit=unit), ran("b", *values, unit=unit)])

    assert (found.slower, found.faster, found.judged) == ([], [], 1)


@given(before=TIMES, after=TIMES, unit=st.sampled_from(["ms", "/s"]))
@example(before=[395.0, 395.0, 791.0], after=[582.0, 1000.0], unit="ms")
@example(before=[395.0, 395.0, 791.0], after=[582.0, 1000.0], unit="/s")
def test_slower_one_way_is_faster_the_other_way(before: list[float], after: list[float], unit: str) -> None:
    """
    And never both.
    """
    there = compare([ran("a", *before, unit=unit), ran("b", *after, unit=unit)])
    back = compare([ran("a", *after, unit=unit), ran("b", *before, unit=unit)])

    assert len(there.slower) == len(back.faster)
    assert len(there.faster) == len(back.slower)


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    """
    Runs are added at its end.
    """
    path = tmp_path / "deep" / "history.jsonl"
    runs = [ran("a", 1, 2), ran("b", 3, machine=OTHER_MACHINE)]

    for run in runs:
        append(path, run)

    assert runs == read(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2: Input data was truncated: take that line away"),
        ('{"benchmark": "x"}', "line 2: Object missing required field `commit`: take that line away"),
    ],
)
def test_a_line_that_is_no_run_is_named(line: str, says: str, tmp_path: Path) -> None:
    """
    With what to do about it.
    """
    path = tmp_path / "history.jsonl"
    append(path, ran("a", 1))
    path.write_text(path.read_text() + line + "\n")

    with pytest.raises(BadHistory, match=says.replace("`", ".")):
        read(path)


def test_a_format_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    """
    A later one may mean something else.
    """
    path = tmp_path / "history.jsonl"
    append(path, ran("a", 1))
    path.write_text(path.read_text().replace("pfnlab-bench/1", "pfnlab-bench/9"))

    with pytest.raises(BadHistory, match="line 1: its format is 'pfnlab-bench/9', not pfnlab-bench/1"):
        read(path)


def test_a_missing_history_says_how_to_make_one(tmp_path: Path) -> None:
    """
    Or how to name another.
    """
    with pytest.raises(BadHistory, match="benchmarks` first, or name one with --history FILE"):
        read(tmp_path / "none")


def test_this_machine_and_commit_are_known() -> None:
    """
    As far as a machine tells them.
    """
    machine = this_machine()

    assert machine.cpu
    assert machine.cores > 0 and machine.memory > 0
    assert commit_of(Path(__file__).parent)
    assert commit_of(Path("/nowhere")) == "unknown"
