"""Ways to a state: their text, and that they replay."""

from __future__ import annotations

import pytest
from small_models import Counters

from pfnlab.base.errors import Defect, Misuse
from pfnlab.checker.search.path import Path, path_by_actions, path_of

MODEL = Counters()
WAY: Path[tuple[int, ...]] = Path(0, (0, 1, 1), (("up", 0), ("up", 1), ("up", 1)))


def test_a_path_reads_as_one_action_a_line() -> None:
    """In order."""
    assert "('up', 0)\n('up', 1)\n('up', 1)" == str(WAY)


def test_a_path_replays_to_its_states() -> None:
    """The initial one first."""
    assert [(0, 0), (1, 0), (1, 1), (1, 2)] == WAY.states(MODEL)


def test_a_path_comes_back_from_its_short_text() -> None:
    """Numbers with slashes, and the actions from the model."""
    assert "0/0/1/1" == WAY.encode()
    assert WAY == path_of(MODEL, WAY.encode())


def test_a_path_comes_back_from_its_actions() -> None:
    """The first step of that name each time."""
    assert WAY == path_by_actions(MODEL, 0, WAY.actions)


@pytest.mark.parametrize("text", ["", "0/", "up", "0/0/x"])
def test_what_is_no_path_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(Misuse, match="write numbers with slashes"):
        path_of(MODEL, text)


@pytest.mark.parametrize("text", ["1", "0/2", "0/0/0/0/0/0/1", "0/-1"])
def test_steps_that_the_model_does_not_have_are_found_out(text: str) -> None:
    """The choice is named."""
    with pytest.raises(Defect, match="choice"):
        path_of(MODEL, text)


def test_another_name_for_a_step_is_found_out() -> None:
    """A replay is only one when every action is the same."""
    with pytest.raises(Defect, match="step 1 was 'down' and is now"):
        Path(0, (0,), ("down",)).states(MODEL)


def test_an_action_that_is_not_there_is_found_out() -> None:
    """It is named."""
    with pytest.raises(Defect, match="step 'down' 1"):
        path_by_actions(MODEL, 0, ["down"])
