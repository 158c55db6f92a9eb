"""Pieces of work in several processes: the results are those of one process, in the same order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Defect, Misuse, PolicyError, Undecided
from pfnlab.base.processes import Processes, in_order
from pfnlab.base.progress import say


def squared(number: int) -> int:
    """The square; a low number takes longer than those behind it."""
    time.sleep(0.02 if number < 2 else 0)
    return number * number


@settings(max_examples=10)
@given(pieces=st.lists(st.integers(0, 5), max_size=8), jobs=st.integers(1, 4))
def test_results_come_in_the_order_of_the_pieces(pieces: list[int], jobs: int) -> None:
    """However many processes there are, and whichever is done first."""
    assert [squared(piece) for piece in pieces] == list(in_order(squared, pieces, jobs))


def test_the_work_is_done_in_other_processes() -> None:
    """In as many as were asked for, each of which does many pieces."""
    pids = list(in_order(lambda _: (time.sleep(0.01), os.getpid())[1], range(10), 2))

    assert (2, False) == (len(set(pids)), os.getpid() in pids)


def test_with_one_job_there_is_no_other_process() -> None:
    """It is this one."""
    assert {os.getpid()} == set(in_order(lambda _: os.getpid(), range(3), 1))


def test_a_process_keeps_what_it_computed_for_earlier_pieces() -> None:
    """A cache has the pieces of its own process."""
    cache: list[int] = []

    def work(piece: int) -> list[int]:
        cache.append(piece)
        return list(cache)

    with Processes(work, 2) as processes:
        assert any(len(answer) > 1 for answer in processes.each(range(5)))
    assert [] == cache


def failing(piece: int) -> int:
    """Fails at 3."""
    if piece == 3:
        raise Misuse("three is too many")
    return piece


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_raised_at_the_place_of_its_piece(jobs: int) -> None:
    """What comes before it was given."""
    taken: list[int] = []

    with pytest.raises(Misuse, match="three is too many"):
        for result in in_order(failing, [0, 1, 2, 3, 4], jobs):
            taken.append(result)

    assert [0, 1, 2] == taken


def test_an_error_of_a_policy_keeps_its_parts() -> None:
    """Its file and its method, across the pipe."""

    def work(_: int) -> None:
        raise PolicyError("mine.py", "track", "answers nothing")

    with pytest.raises(PolicyError) as caught:
        list(in_order(work, range(2), 2))

    assert ("mine.py", "track", "answers nothing") == (
        caught.value.path,
        caught.value.hook,
        caught.value.what,
    )


def test_an_unexpected_error_is_a_defect_with_its_place() -> None:
    """The traceback of the process."""

    def divided(_: int) -> float:
        return 1 / 0

    with pytest.raises(Defect, match="in divided"):
        list(in_order(divided, range(2), 2))


def dying(piece: int) -> int:
    """Is killed at 1."""
    if piece == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return piece


def test_a_killed_process_is_one_line_that_names_its_piece() -> None:
    """As one that the kernel ends for want of memory."""
    with pytest.raises(Undecided) as caught:
        list(in_order(dying, range(3), 2, named=lambda piece: f"piece {piece}"))

    assert "piece 1: its process was killed by SIGKILL; where memory is short, --jobs 1 takes less" == str(
        caught.value
    )


def test_the_others_are_done_where_a_process_is_killed() -> None:
    """Another process takes its place."""
    with Processes(dying, 2) as processes:
        with pytest.raises(Undecided):
            list(processes.each([1]))

        assert [2, 3, 4] == list(processes.each([2, 3, 4]))


def test_a_process_that_ends_without_an_answer_is_told() -> None:
    """With its exit code."""
    with pytest.raises(Undecided, match=r"0: its process ended without an answer \(exit 9\)"):
        list(in_order(lambda _: os._exit(9), range(2), 2))


def test_answers_that_nobody_waits_for_any_more_are_left() -> None:
    """Those of pieces behind an error do not come as answers of later pieces."""
    with Processes(failing, 2) as processes:
        with pytest.raises(Misuse):
            list(processes.each([3, 50, 51, 52]))

        assert [60, 61, 62] == list(processes.each([60, 61, 62]))


def speaking(piece: int) -> int:
    """Says two lines; low pieces later."""
    time.sleep(0.1 if piece == 0 else 0)
    say(f"{piece} begins")
    say(f"{piece} ends")
    return piece


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_said_comes_at_the_place_of_its_piece(jobs: int, capsys: pytest.CaptureFixture[str]) -> None:
    """As one process would say it."""
    list(in_order(speaking, range(3), jobs))

    said = [f"{piece} {word}" for piece in range(3) for word in ("begins", "ends")]
    assert said == capsys.readouterr().err.splitlines()


def test_every_piece_is_counted_when_it_is_done() -> None:
    """For a line of progress."""
    counted: list[None] = []

    list(in_order(squared, range(5), 2, done=lambda: counted.append(None)))

    assert 5 == len(counted)


def test_leaving_early_ends_the_processes() -> None:
    """At once, not when they are done."""
    begin = time.monotonic()

    with closing(in_order(lambda piece: time.sleep(piece), [0, 100], 2)) as results:
        next(results)

    assert time.monotonic() - begin < 50


#: Work that says where it is and waits; the process ends by what is done to it.
PARENT = (
    "import os, signal, time; from pfnlab.base.processes import in_order\n"
    # What runs in the background of a shell is deaf to interrupts, and so would be what it begins.
    "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    "def work(_): os.write(1, b'here\\n'); time.sleep(600)\n"
    "list(in_order(work, range(2), 2))\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_made_them(number: int) -> None:
    """However it ends; an interrupt of a terminal comes to all of them."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    assert ["here\n"] * 2 == [parent.stdout.readline() for _ in range(2)]

    if number == signal.SIGINT:
        os.killpg(parent.pid, number)
    else:
        parent.send_signal(number)

    # The processes write there too, so that their end is where the text ends.
    assert "" == parent.communicate(timeout=60)[0]
