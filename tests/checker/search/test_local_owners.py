"""One search on several processors: the answers are those of one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from small_models import StepCounts, always, sometimes, told

from pfnlab.base.errors import Defect, Misuse, Undecided
from pfnlab.checker.search import local_owners
from pfnlab.checker.search.exploration import Property
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.local_owners import explore_side_by_side
from pfnlab.checker.search.model import UnmetError


class Plain:
    """Points of a square; a step adds to one coordinate."""

    def __init__(self, size: int = 40) -> None:
        self.size = size

    def initial(self) -> Iterable[tuple[int, int]]:
        yield (0, 0)

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        x, y = state
        for name, after in (("right", (x + 1, y)), ("up", (x, y + 1))):
            if max(after) < self.size:
                yield name, after

    def key(self, state: tuple[int, int]) -> tuple[int, int]:
        return state


class Grid(StepCounts, Plain):
    """The same, which counts its steps, as models of the kernel do."""

    def __init__(self, size: int = 40) -> None:
        StepCounts.__init__(self)
        Plain.__init__(self, size)

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        for name, after in super().successors(state):
            self.seen[name] += 1
            yield name, after


FAR: Property[tuple[int, int]] = always("not far", lambda state: sum(state) < 30, lambda state: state[0] > 3)
END: Property[tuple[int, int]] = sometimes("the end", lambda state: state == (39, 39))
ASKED = [FAR, END]


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All steps are taken in processes of their own."""
    monkeypatch.setattr(local_owners, "_ALONE_SECONDS", 0.0)


@pytest.mark.parametrize("seconds", [0.0, 0.002, 1e6], ids=["apart", "forked on the way", "alone"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 25},
        {"states": 300},
    ],
    ids=str,
)
def test_the_result_is_that_of_one_process(
    options: dict[str, Any], seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """States, steps, ways, verdicts, premises, what waits, and the reason for which it was cut."""
    monkeypatch.setattr(local_owners, "_ALONE_SECONDS", seconds)
    one, two = Grid(), Grid()

    alone = explore(one, ASKED, **options)
    together = explore_side_by_side(two, ASKED, jobs=2, **options)

    assert told(alone) == told(together)
    assert one.seen == two.seen


def test_the_steps_are_taken_elsewhere() -> None:
    """None in this process, in which one search would take all."""

    class Here(Grid):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            assert os.getpid() != here
            return super().successors(state)

    here = os.getpid()

    assert 100 == explore_side_by_side(Here(10), jobs=2).states
    with pytest.raises(AssertionError):
        explore(Here(10))


def test_a_short_search_makes_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take longer to make one."""
    monkeypatch.setattr(local_owners, "_ALONE_SECONDS", 1e6)
    monkeypatch.setattr(local_owners, "forked", None)

    assert 100 == explore_side_by_side(Grid(10), jobs=2).states


def test_an_interrupt_ends_the_search_as_a_limit() -> None:
    """The processes finish their round."""
    here = os.getpid()

    class Interrupting(Plain):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            if state == (10, 10):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(here, signal.SIGINT)
            return super().successors(state)

    begun = explore_side_by_side(Interrupting(), ASKED, jobs=2)

    assert [reason.partition(":")[0] for reason in begun.passed] == ["interrupted"]


class Failing(Grid):
    """Fails at one state."""

    error: Exception = Misuse("no such thing")

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        if state == (20, 20):
            raise self.error
        return super().successors(state)


def test_an_error_of_the_model_is_raised() -> None:
    """Its own errors as they are, others as a defect with their place."""
    with pytest.raises(Misuse, match="no such thing"):
        explore_side_by_side(Failing(), jobs=2)

    class Odd(Failing):
        error = ZeroDivisionError("odd")

    with pytest.raises(Defect, match="ZeroDivisionError: odd"):
        explore_side_by_side(Odd(), jobs=2)


def test_an_error_behind_the_end_is_not_raised() -> None:
    """Where a limit ends the search before that state, as in one process."""
    assert explore_side_by_side(Failing(), [FAR], jobs=2, states=300).cut


def test_a_process_that_is_killed_ends_the_search() -> None:
    """With its exit code."""

    class Killed(Grid):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            if state == (20, 20):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().successors(state)

    with pytest.raises(Undecided, match=r"ended without an answer \(exit -9\)"):
        explore_side_by_side(Killed(), jobs=2)


def test_no_process_outlives_the_search() -> None:
    """However it ends."""
    before = children()

    explore_side_by_side(Grid(10), jobs=2)
    with pytest.raises(Misuse):
        explore_side_by_side(Failing(), jobs=2)
    explore_side_by_side(Grid(), jobs=2, states=50)

    assert before == children()


def children() -> list[str]:
    """The processes of this one."""
    return sorted(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


class Registering(Grid):
    """A state can only be expanded where a step led to it, as with a class that only that process has met."""

    def __init__(self) -> None:
        super().__init__(20)
        self.known: set[tuple[int, int]] = {(0, 0)}

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        if state not in self.known:
            raise UnmetError
        for name, after in super().successors(state):
            self.known.add(after)
            yield name, after


def test_a_state_that_a_process_does_not_understand_is_reached_there_by_its_way() -> None:
    """And the result is the same."""
    assert told(explore(Registering(), ASKED)) == told(explore_side_by_side(Registering(), ASKED, jobs=3))
