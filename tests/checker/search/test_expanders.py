"""One search on several processors: the answers are those of one."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from small_models import told

from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import UnmetError
from pfnlab.checker.search.property import Property, always, sometimes
from pfnlab.errors import Defect, Misuse, Undecided


class Grid:
    """Points of a square; a step adds to one coordinate.

    It counts its steps, as models of the kernel do.
    """

    def __init__(self, size: int = 40) -> None:
        self.size = size
        self.seen: Counter[str] = Counter()

    def initial(self) -> Iterable[tuple[int, int]]:
        yield (0, 0)

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        x, y = state
        for name, after in (("right", (x + 1, y)), ("up", (x, y + 1))):
            if max(after) < self.size:
                self.seen[name] += 1
                yield name, after

    def key(self, state: tuple[int, int]) -> tuple[int, int]:
        return state

    def take_counts(self) -> tuple[Any, ...]:
        taken = tuple(self.seen.items())
        self.seen.clear()
        return taken

    def add_counts(self, counts: tuple[Any, ...]) -> None:
        self.seen.update(dict(counts))


FAR: Property[tuple[int, int]] = always("not far", lambda state: sum(state) < 30, lambda state: state[0] > 3)
END: Property[tuple[int, int]] = sometimes("the end", lambda state: state == (39, 39))
ASKED = [FAR, END]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"depth": 25},
        {"states": 300},
        {"stop_at_first": True},
        {"memory": 1 << 20},
    ],
    ids=str,
)
def test_the_result_is_that_of_one_process(options: dict[str, Any]) -> None:
    """States, steps, ways, verdicts, premises, what waits, and the reason for which it was cut."""
    one, two = Grid(), Grid()

    alone = explore(one, ASKED, **options)
    together = explore(two, ASKED, jobs=2, **options)

    assert told(alone) == told(together)
    assert one.seen == two.seen


def test_the_steps_are_taken_elsewhere() -> None:
    """None in this process, in which one search would take all."""

    class Here(Grid):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            assert os.getpid() != here
            return super().successors(state)

    here = os.getpid()

    assert 100 == explore(Here(10), jobs=2).states
    with pytest.raises(AssertionError):
        explore(Here(10))


def test_a_search_that_is_cut_can_be_resumed_with_other_jobs(tmp_path: Path) -> None:
    """States that were with a process wait again, in their order."""
    file = tmp_path / "search"
    begun = explore(Plain(), ASKED, jobs=3, states=500, save=file)
    assert begun.cut

    resumed = explore(Plain(), ASKED, resume=file)

    assert told(explore(Plain(), ASKED)) == told(resumed)


class Plain(Grid):
    """Without counts, so that its states are all that has to be kept."""

    take_counts = None  # type: ignore[assignment]


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
        explore(Failing(), jobs=2)

    class Odd(Failing):
        error = ZeroDivisionError("odd")

    with pytest.raises(Defect, match="ZeroDivisionError: odd"):
        explore(Odd(), jobs=2)


def test_an_error_behind_the_end_is_not_raised() -> None:
    """Where a limit ends the search before that state, as in one process."""
    assert explore(Failing(), [FAR], jobs=2, stop_at_first=True).violated


def test_a_process_that_is_killed_ends_the_search() -> None:
    """With its exit code."""

    class Killed(Grid):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            if state == (20, 20):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().successors(state)

    with pytest.raises(Undecided, match=r"ended without an answer \(exit -9\)"):
        explore(Killed(), jobs=2)


def test_no_process_outlives_the_search() -> None:
    """However it ends."""
    before = children()

    explore(Grid(10), jobs=2)
    with pytest.raises(Misuse):
        explore(Failing(), jobs=2)
    explore(Grid(), jobs=2, states=50)

    assert before == children()


def children() -> list[str]:
    """The processes of this one."""
    return sorted(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


class Registering(Grid):
    """A state can only be expanded where it was found, as with a class that only that process has met."""

    def __init__(self) -> None:
        super().__init__(20)
        self.known: set[tuple[int, int]] = {(0, 0)}

    def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
        if state not in self.known:
            raise UnmetError
        for name, after in super().successors(state):
            self.known.add(after)
            yield name, after


def test_a_state_that_a_process_does_not_understand_goes_to_the_one_that_found_it() -> None:
    """And the result is the same."""
    assert told(explore(Registering(), ASKED)) == told(explore(Registering(), ASKED, jobs=3))


def test_several_processes_go_breadth_first_only() -> None:
    """One line says what to leave out."""
    with pytest.raises(Misuse, match="several jobs do not go with depth-first order: leave one out"):
        explore(Grid(), jobs=2, order="depth")
