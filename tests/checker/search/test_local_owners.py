"""One search on several processors: the answers are those of one."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from small_models import StepCounts, told

from pfnlab.base.errors import Defect, Misuse, Undecided
from pfnlab.checker.search import local_owners
from pfnlab.checker.search.exploration import Property, always, sometimes
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
        {"stop_at_first": True},
        {"memory": 1 << 20},
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


@pytest.mark.parametrize("memory", [None, 1 << 12])
@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (2, 3)])
def test_a_search_that_is_cut_can_be_resumed_with_other_jobs(
    before: int, after: int, memory: int | None, tmp_path: Path
) -> None:
    """States that are with a process wait again, in their order; memory or disk does not matter."""
    file = tmp_path / "search"
    whole = told(explore(Plain(), ASKED))
    begun = explore_side_by_side(Plain(), ASKED, jobs=before, states=500, save=file)
    assert begun.cut

    resumed = explore_side_by_side(Plain(), ASKED, jobs=after, memory=memory, resume=file)

    assert whole == told(resumed)


@pytest.mark.parametrize("seconds", [0.0, 1e6], ids=["apart", "alone"])
@pytest.mark.parametrize("states", [0, 1, 2, 30, 400, 799, 800, 1540, 1599])
def test_wherever_it_is_cut_it_is_saved_as_by_one_process(
    states: int, seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the beginning too, and where the last states wait."""
    monkeypatch.setattr(local_owners, "_ALONE_SECONDS", seconds)
    alone, together, again = tmp_path / "alone", tmp_path / "together", tmp_path / "again"
    explore(Plain(), ASKED, states=states, save=alone)
    explore_side_by_side(Plain(), ASKED, jobs=2, states=states, save=together)

    more = min(states + 100, 1600)
    one = explore(Plain(), ASKED, states=more, resume=together)
    other = explore_side_by_side(Plain(), ASKED, jobs=2, states=more, resume=alone, save=again)

    assert told(one) == told(other)
    assert told(explore(Plain(), ASKED)) == told(explore(Plain(), ASKED, resume=again))


def test_a_search_is_saved_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between rounds, and goes on."""
    monkeypatch.setattr("pfnlab.checker.search.explore.SAVE_SECONDS", 0.0)
    file = tmp_path / "search"
    whole = told(explore(Plain(), ASKED))

    assert whole == told(explore_side_by_side(Plain(), ASKED, jobs=2, save=file))
    assert whole == told(explore_side_by_side(Plain(), ASKED, jobs=2, resume=file))


def test_states_that_do_not_fit_go_to_disk_and_leave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder for each process, which are gone at the end."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr("pfnlab.checker.search.explore.TELL_SECONDS", 0.0)
    seen: set[str] = set()

    found = explore_side_by_side(
        Plain(),
        jobs=2,
        memory=1 << 10,
        progress=lambda _: seen.update(file.name for file in tmp_path.glob("*/*")),
    )

    assert told(explore(Plain())) == told(found)
    assert {"0", "1"} == seen
    assert [] == list(tmp_path.iterdir())


def test_an_interrupt_ends_the_search_as_a_limit(tmp_path: Path) -> None:
    """The processes go on, and what was found is saved."""
    file, here = tmp_path / "search", os.getpid()

    class Interrupting(Plain):
        def successors(self, state: tuple[int, int]) -> Iterable[tuple[str, tuple[int, int]]]:
            if state == (10, 10):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(here, signal.SIGINT)
            return super().successors(state)

    begun = explore_side_by_side(Interrupting(), ASKED, jobs=2, save=file)

    assert [reason.partition(":")[0] for reason in begun.passed] == ["interrupted"]
    assert told(explore(Plain(), ASKED)) == told(explore_side_by_side(Plain(), ASKED, jobs=2, resume=file))


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
    assert explore_side_by_side(Failing(), [FAR], jobs=2, stop_at_first=True).violated


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
