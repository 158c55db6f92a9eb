"""The state's file: what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt_state import HuntState, read_state
from pfnlab.programs.lang.load import load_text


def test_a_state_of_something_else(tmp_path: Path) -> None:
    """A file that is no state says so; one that is not there is no state yet."""
    path = tmp_path / "state.json"

    assert read_state(path) is None
    path.write_text("{}")
    with pytest.raises(Misuse, match="is not the state of a hunt"):
        read_state(path)
    for older in (b'{"findings": {"1": {"program": {}}}, "format": "pfnlab-fuzz/2"}', b'{"format": "x/0"}'):
        path.write_bytes(older)
        with pytest.raises(Misuse, match="another version"):
            read_state(path)


def test_a_state_that_is_nested_without_end(tmp_path: Path) -> None:
    """It is refused in one line too."""
    path = tmp_path / "state.json"
    path.write_text(f'{{"machines": [], "seed": 1, "vocabulary": {{}}, "x": {"[" * 100_000}')

    with pytest.raises(Misuse, match="is not the state of a hunt"):
        read_state(path)


def kept(path: Path, content: dict[str, Any]) -> Path:
    """The file of a state, with other values."""
    path.write_bytes(msgspec.json.encode(content))
    return path


def state_of(program: str) -> dict[str, Any]:
    """A state with a program that goes before others."""
    state = HuntState(machines=["model:7.2"], seed=0, vocabulary=Vocabulary(), prefixes=[load_text(program)])
    content: dict[str, Any] = msgspec.to_builtins(state)
    return content


PROGRAM = "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


def test_a_program_of_a_state_comes_back(tmp_path: Path) -> None:
    """One that breaks no rule."""
    state = read_state(kept(tmp_path / "x.json", state_of(PROGRAM)))

    assert state is not None and [load_text(PROGRAM)] == state.prefixes


def test_a_program_of_a_state_that_breaks_a_rule_is_refused(tmp_path: Path) -> None:
    """It would be run: its device has another name than its operations say."""
    content = state_of(PROGRAM)
    content["prefixes"][0]["devices"][0]["name"] = "other"

    with pytest.raises(
        Misuse, match=r"x.json is not the state of a hunt: a program in it: .*; name another file"
    ):
        read_state(kept(tmp_path / "x.json", content))


@pytest.mark.parametrize("key", ["next", "compared", "undecided", "different", "judged", "alarming"])
def test_a_count_of_a_state_is_not_less_than_nothing(tmp_path: Path, key: str) -> None:
    """A hunt from so far behind would not come to its end."""
    with pytest.raises(Misuse, match=rf"Expected `int` >= 0 - at `\$.{key}`; name another file"):
        read_state(kept(tmp_path / "x.json", {**state_of(PROGRAM), key: -5}))
