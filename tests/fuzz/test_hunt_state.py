"""The state's file: what it refuses."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pfnlab.errors import Misuse
from pfnlab.fuzz.call_kinds import Vocabulary
from pfnlab.fuzz.hunt_state import HuntState, read_state, write_state


def test_a_state_of_something_else(tmp_path: Path) -> None:
    """A file that is no state says so; one that is not there is no state yet."""
    path = tmp_path / "state.json"

    assert read_state(path) is None
    path.write_text("{}")
    with pytest.raises(Misuse, match="is no state of a hunt"):
        read_state(path)
    write_state(path, msgspec.structs.replace(HuntState([], 1, Vocabulary()), format="pfnlab-fuzz/0"))
    with pytest.raises(Misuse, match="another version"):
        read_state(path)


def test_a_state_that_is_nested_without_end(tmp_path: Path) -> None:
    """It is refused in one line too."""
    path = tmp_path / "state.json"
    path.write_text(f'{{"machines": [], "seed": 1, "vocabulary": {{}}, "x": {"[" * 100_000}')

    with pytest.raises(Misuse, match="is no state of a hunt"):
        read_state(path)
