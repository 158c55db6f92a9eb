"""Known violations of a hunt, counted by their rows."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.model.model_machine import ModelMachine


def hunted() -> HuntState:
    """A hunt on a kernel of 6.1, which does as its model."""
    state = HuntState(["model:6.1", "qemu:6.1"], 77, Vocabulary())
    machines = {"model:6.1": ModelMachine("6.1"), "qemu:6.1": ModelMachine("6.1")}
    Hunt(machines, state, watched=False).run(60)
    return state


def test_a_hunt_counts_and_says_them() -> None:
    """A row each line, which counts a program once; nothing of it is a finding."""
    state = hunted()

    (row,) = (name for name in state.known if name.startswith("no_leak: A06"))
    result = FuzzResult.of(state, watched=False)
    assert {} == state.findings
    assert state.compared > state.known[row].programs == result.known[row].programs > 0
    assert row in terminal(part(result))


def test_models_have_none() -> None:
    """A model may do as it likes."""
    state = HuntState(["model:6.1", "model:6.1.1"], 77, Vocabulary())

    Hunt({"model:6.1": ModelMachine("6.1"), "model:6.1.1": ModelMachine("6.1")}, state, watched=False).run(30)

    assert {} == state.known
