"""Ways to a state: their text, and that they replay."""

from __future__ import annotations

import pytest
from small_models import Counters

from pfnlab.base.errors import Defect
from pfnlab.checker.search.path import Path, path_along

MODEL = Counters()
WAY: Path[tuple[int, ...]] = Path(0, (0, 1, 1), (("up", 0), ("up", 1), ("up", 1)))


def test_a_path_reads_as_one_action_a_line() -> None:
    """In order."""
    assert "('up', 0)\n('up', 1)\n('up', 1)" == str(WAY)


def test_a_path_replays_to_its_states() -> None:
    """The initial one first."""
    assert [(0, 0), (1, 0), (1, 1), (1, 2)] == WAY.states(MODEL)


def test_a_path_has_a_short_text() -> None:
    """Numbers with slashes."""
    assert "0/0/1/1" == WAY.encode()


def test_a_path_follows_from_its_choices() -> None:
    """With the actions of the model."""
    assert WAY == path_along(MODEL, 0, WAY.choices)


@pytest.mark.parametrize(("start", "choices"), [(1, []), (0, [2]), (0, [0, 0, 0, 0, 0, 1]), (0, [-1])])
def test_steps_that_the_model_does_not_have_are_found_out(start: int, choices: list[int]) -> None:
    """The choice is named."""
    with pytest.raises(Defect, match="choice"):
        path_along(MODEL, start, choices)


def test_another_name_for_a_step_is_found_out() -> None:
    """A replay is only one when every action is the same."""
    with pytest.raises(Defect, match="step 1 was 'down' and is now"):
        Path(0, (0,), ("down",)).states(MODEL)
