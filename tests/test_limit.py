"""A limit for a user's code: the clock, told by calls that go on, stop and are given up."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from pfnlab import limit
from pfnlab.limit import CLOCK, TooLong
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
