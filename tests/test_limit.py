"""A limit for a user's code: the clock, run by calls that go on, stop and are given up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from pfnlab import limit
from pfnlab.limit import CLOCK, CallPlace, CallPlaces, TooLong, ended_at
from pfnlab.mm.processors import Operation

HERE = __file__


def endless() -> None:
    """Code of this file that does not return."""
    while True:
        pass


def timer() -> tuple[object, bool]:
    """The handler, and whether the process's timer is set."""
    return signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A short limit, and no timer of anybody before and after."""
    monkeypatch.setattr(limit, "LIMIT", 0.1)
    handler = signal.getsignal(signal.SIGALRM)
    left, between = signal.setitimer(signal.ITIMER_REAL, 0)
    yield
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, left, between)


def stopped_inside() -> Operation:
    """An operation that has stopped in timed code; it loops when it goes on."""

    def body() -> None:
        with CLOCK.running(HERE):
            operation.pause()
            endless()

    operation = Operation("main", body)
    operation.run.switch()
    return operation


def test_an_endless_call_is_ended() -> None:
    """Where it is."""
    with pytest.raises(TooLong), CLOCK.running(HERE):
        endless()


def test_an_inner_call_leaves_the_outer_one_timed() -> None:
    """A hook that calls the kernel, which calls a hook."""
    with pytest.raises(TooLong), CLOCK.running(HERE):
        with CLOCK.running(HERE):
            pass
        endless()


def test_the_timer_is_off_while_the_operation_is_stopped() -> None:
    """What others do is not its time."""
    before = timer()

    operation = stopped_inside()

    assert (before, False) == (timer(), operation.run.dead)


def test_an_operation_that_goes_on_is_timed_again() -> None:
    """Though another call has begun and ended meanwhile."""
    operation = stopped_inside()
    with CLOCK.running(HERE):
        pass

    with pytest.raises(TooLong):
        operation.run.switch()


def test_an_operation_given_up_leaves_no_timer() -> None:
    """Its kernel is gone, and nobody lets it go on."""
    before = timer()
    stopped_inside()

    with pytest.raises(TooLong), CLOCK.running(HERE):
        endless()

    assert before == timer()


def test_somebody_elses_timer_goes_on() -> None:
    """With the time it had left, and its own handler."""
    rang: list[int] = []
    signal.signal(signal.SIGALRM, lambda number, frame: rang.append(number))
    signal.setitimer(signal.ITIMER_REAL, 1000.0, 5.0)

    with CLOCK.running(HERE):
        pass

    left, between = signal.getitimer(signal.ITIMER_REAL)
    signal.raise_signal(signal.SIGALRM)
    assert (True, 5.0, [signal.SIGALRM]) == (900 < left <= 1000, between, rang)


def test_code_that_swallows_what_ends_it_is_ended_again() -> None:
    """As often as it does."""
    swallowed = 0

    with pytest.raises(TooLong), CLOCK.running(HERE):
        while True:
            try:
                endless()
            except TooLong:
                swallowed += 1
                if swallowed == 3:
                    raise

    assert 3 == swallowed


def test_a_call_that_runs_nothing_of_its_file_is_ended() -> None:
    """A method may come from another file."""
    with pytest.raises(TooLong), CLOCK.running("mine.py", "track"):
        endless()


@pytest.fixture
def places() -> Iterator[CallPlaces]:
    """Where this process shows its calls."""
    places = CallPlaces()
    CLOCK.show(places, places.give())
    yield places
    CLOCK.show(None)


def test_a_call_is_seen_while_it_goes_on(places: CallPlaces) -> None:
    """With its file, its method, its process and when it began; afterwards it is the last one."""
    with CLOCK.running("mine.py", "track"):
        seen = places.at(0)

    last = CallPlace("mine.py", "track", 0.0, os.getpid())
    assert seen is not None and seen.since > 0
    assert (last, last) == (seen._replace(since=0.0), places.at(0))


def test_the_innermost_call_is_seen(places: CallPlaces) -> None:
    """With the beginning of the outermost, which is the one that the limit is for."""
    with CLOCK.running("mine.py", "track"):
        outer = places.at(0)
        with CLOCK.running("other.py"):
            inner = places.at(0)
        again = places.at(0)

    assert outer is not None and inner is not None
    assert (("other.py", None, outer.since), outer) == (inner[:3], again)


def test_a_call_that_has_stopped_is_not_seen(places: CallPlaces) -> None:
    """Until it goes on, with a beginning of its own."""
    with CLOCK.running("mine.py", "track"):
        calls = CLOCK.leave()
        stopped = places.at(0)
        CLOCK.go_on(calls)
        on = places.at(0)

    assert stopped is not None and on is not None
    assert (True, True) == (stopped.since == 0.0, on.since > 0.0)


def test_a_process_that_was_in_no_call_has_no_place(places: CallPlaces) -> None:
    """It may be about to begin."""
    number = places.give()

    assert (None, None) == (places.at(number), CLOCK.clear_place(number, 0))


def test_an_end_in_a_call_is_reported_once(places: CallPlaces) -> None:
    """Nobody is at that place any more."""
    number = places.give()
    places.enter(number, 1.0, b"mine.py\0track")

    mistake = CLOCK.clear_place(number, 0)

    assert mistake is not None
    assert ("mine.py", "track", None) == (mistake.path, mistake.hook, CLOCK.clear_place(number, 0))


def test_an_end_by_a_signal_has_its_name() -> None:
    """And a guess at its reason, where there is one."""
    place = CallPlace("mine.py", None, 1.0, 1)

    said = [str(ended_at(place, code)) for code in (-11, -6, 7)]

    assert [
        "mine.py: it was killed by SIGSEGV: does it recurse without end?",
        "mine.py: it was killed by SIGABRT",
        "mine.py: it ended the process it is called in (exit 7)",
    ] == said
