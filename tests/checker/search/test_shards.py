"""Searches side by side, in processes of their own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest
from small_models import Rooted

from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.property import always, sometimes
from pfnlab.checker.search.shards import Root, explore_roots, side_by_side
from pfnlab.errors import Defect, Misuse, Undecided

MODEL = Rooted(roots=3, length=10)
LATE = always("the last root stays short", lambda state: state != (2, 4))
END = sometimes("an end", lambda state: state[1] == 9)


def test_roots_that_never_meet_are_searched_as_one_search_would() -> None:
    """Counts, levels, verdicts."""
    whole, parts = explore(MODEL, [LATE, END]), explore_roots(MODEL, [LATE, END])

    assert (whole.states, whole.transitions, whole.growth, whole.fired) == (
        parts.states,
        parts.transitions,
        parts.growth,
        parts.fired,
    )
    assert ["violated", "reached"] == [parts.verdict(asked.name) for asked in (LATE, END)]
    assert parts.complete


def test_a_way_begins_at_its_own_root() -> None:
    """It replays in the whole model."""
    way = explore_roots(MODEL, [LATE]).discoveries[LATE.name]

    assert (2, 4) == way.states(MODEL)[-1]


def test_what_a_shard_left_out_is_said() -> None:
    """With its number."""
    found = explore_roots(MODEL, depth=3)

    assert [f"search {number}: depth: 1 state at depth 3 not expanded" for number in range(3)] == found.cut


def test_a_root_is_the_model_from_there() -> None:
    """Nothing of the other roots."""
    assert 10 == explore(Root(MODEL, 1)).states


def test_jobs_run_in_processes_of_their_own_and_keep_their_numbers() -> None:
    """As they end, not as they began."""
    jobs = [lambda number=number: (number, os.getpid()) for number in range(5)]

    told = dict(side_by_side(jobs, processes=2))

    assert [0, 1, 2, 3, 4] == [told[number][0] for number in range(5)]
    assert 5 == len({pid for _, pid in told.values()} - {os.getpid()})


def test_no_more_run_at_a_time_than_asked() -> None:
    """One after the other."""

    def job() -> tuple[float, float]:
        begin = time.monotonic()
        time.sleep(0.05)
        return begin, time.monotonic()

    times = [span for _, span in side_by_side([job] * 3, processes=1)]

    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(times))


def test_an_error_in_a_job_is_raised_here() -> None:
    """As what it was."""

    def job() -> None:
        raise Misuse("not so")

    with pytest.raises(Misuse, match="not so"):
        list(side_by_side([job]))


def test_an_unexpected_error_in_a_job_is_a_defect_with_its_place() -> None:
    """The traceback of the process."""

    def job() -> float:
        return 1 / 0

    with pytest.raises(Defect, match="in job"):
        list(side_by_side([job]))


def test_a_process_that_dies_leaves_the_question_open() -> None:
    """As one that ran out of memory would."""

    def job() -> None:
        os._exit(9)

    with pytest.raises(Undecided, match="search 0 ended without an answer"):
        list(side_by_side([job]))


def test_leaving_early_ends_the_other_jobs() -> None:
    """At once, not when they are done."""
    begin = time.monotonic()

    for _ in side_by_side([lambda: None, lambda: time.sleep(100)], processes=2):
        break

    assert time.monotonic() - begin < 50


#: Makes a job that says that it runs, and waits.
PARENT = (
    "import time; from pfnlab.checker.search.shards import side_by_side\n"
    "def job(): print('here', flush=True); time.sleep(600)\n"
    "list(side_by_side([job]))\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_process_that_made_them(number: int) -> None:
    """However it ends; nobody would read their answer."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline()

    parent.send_signal(number)

    # The job writes there too, so that its end is where the text ends.
    assert "" == parent.communicate(timeout=60)[0]
