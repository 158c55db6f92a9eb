"""The state of a hunt: what its file refuses, and the known violations that it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import HuntFinding
from pfnlab.hunt.fuzz.filing import FoundDifference
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState, read_state
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine


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


@for_each(
    "change, says",
    [
        ({"looking": {"levels": []}}, r"Expected `array` of length >= 1 - at `\$.looking.levels`"),
        ({"findings": {}}, "a finding .* is unfinished, and is not there"),
    ],
)
def test_a_state_with_a_part_missing_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    """Whatever it names must be there."""
    signature = Signature("difference", "book", "munmap", (("model:6.1",), ("qemu:6.1",)), "a / b")
    program = load_text(PROGRAM)
    state = HuntState(machines=["model:7.2"], seed=0, vocabulary=Vocabulary())
    state.findings["x"] = HuntFinding.of(signature, program, ())
    state.unfinished["x"] = FoundDifference(signature, program, (), "t", 1, (1, 1))
    content: dict[str, Any] = msgspec.to_builtins(state)

    assert read_state(kept(tmp_path / "whole.json", content)) is not None
    with pytest.raises(Misuse, match=says):
        read_state(kept(tmp_path / "x.json", {**content, **change}))


def hunted() -> HuntState:
    """A hunt on a kernel of 6.1, which does as its model."""
    state = HuntState(["model:6.1", "qemu:6.1"], 77, Vocabulary())
    machines = {"model:6.1": ModelMachine("6.1"), "qemu:6.1": ModelMachine("6.1")}
    Hunt(machines, state).run(60)
    return state


def test_a_hunt_counts_known_violations() -> None:
    """A reason each line, which counts a program once; nothing of it is a finding."""
    state = hunted()

    (row,) = (name for name in state.known if name.startswith("no_leak: A06"))
    result = FuzzResult.of(state)
    assert {} == state.findings
    assert state.compared > state.known[row].programs == result.known[row].programs > 0
    assert row in terminal(part(result))


def test_models_have_no_known_violations() -> None:
    """A model may do as it likes."""
    state = HuntState(["model:6.1", "model:6.1.1"], 77, Vocabulary())

    Hunt({"model:6.1": ModelMachine("6.1"), "model:6.1.1": ModelMachine("6.1")}, state).run(30)

    assert {} == state.known


def test_a_printed_hunt_has_no_invisible_character() -> None:
    """A kernel's name may have one."""
    state = HuntState(["model:7.2"], 0, Vocabulary(), kernels={"qemu:x": "a\u202eb"})

    assert r"a\u202eb" in FuzzResult.of(state).as_json()
