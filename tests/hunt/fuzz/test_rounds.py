"""Rounds: each begins from what those before reached, and the next is drawn while kernels run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pytest

from pfnlab.base.errors import Misuse
from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run


def state(*specs: str) -> HuntState:
    """The beginning of a hunt."""
    return HuntState(list(specs), 1, Vocabulary())


def test_a_round_depends_on_what_was_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the second round on some programs begin as one that reached something new."""
    monkeypatch.setattr(rounds, "ROUND", 20)
    names = ("model:7.2", "model:7.2,mseal=on")
    began = state(*names)
    Hunt({name: ModelMachine(name.removeprefix("model:")) for name in names}, began).run(programs=40)

    assert 0 < len(began.bias.prefixes) <= rounds.PREFIXES
    assert began.bias.pairs < set(began.coverage.pairs)


class Kernel:
    """A kernel that does as its model, after so many runs of that model in all."""

    def __init__(self, model: Machine, needed: Callable[[], bool]) -> None:
        self._model, self._needed = model, needed
        self.met: list[bool] = []

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """As if nobody wanted to be told."""
        return self.run_telling(programs, lambda index, run: None)

    def run_telling(
        self,
        programs: Sequence[Program],
        on_done: Callable[[int, Run], None],
        looks: Sequence[LookLevel] | None = None,
    ) -> list[Run]:
        """The model's runs, as soon as what it needs is there, or after a while."""
        until = time.monotonic() + 20.0
        while not self._needed() and time.monotonic() < until:
            time.sleep(0.01)
        self.met.append(self._needed())
        runs = self._model.run(programs)
        for index, run in enumerate(runs):
            on_done(index, run)
        return runs


def test_the_next_round_is_on_the_model_while_kernels_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """And is the same as if it had waited: kernels decide nothing of it."""
    monkeypatch.setattr(rounds, "ROUND", 5)
    asked: list[Program] = []

    class Model(ModelMachine):
        def run(self, programs: Sequence[Program]) -> list[Run]:
            asked.extend(programs)
            return super().run(programs)

    kernel = Kernel(ModelMachine("7.2"), lambda: len(asked) >= min(15, 5 * len(kernel.met) + 10))
    names = ("model:7.2", "qemu:7.2")
    ahead = Hunt({names[0]: Model("7.2"), names[1]: kernel}, state(*names))
    serial = Hunt({names[0]: Model("7.2"), names[1]: ModelMachine("7.2")}, state(*names))

    ahead.run(programs=15)
    for end in (5, 10, 15):
        serial.run(programs=end)

    assert [True] * 3 == kernel.met
    assert ahead.state == serial.state


@pytest.mark.parametrize(
    ("specs", "groups"),
    [
        (["qemu:7.3"], [["model:7.3", "qemu:7.3"]]),
        (["qemu:6.1", "qemu:7.3"], [["model:6.1", "qemu:6.1"], ["model:7.3", "qemu:7.3"]]),
        (["model:7.2", "qemu:7.3", "qemu:7.2"], [["model:7.2", "qemu:7.3", "qemu:7.2"]]),
    ],
)
def test_each_kernel_has_the_model_of_its_series(specs: list[str], groups: list[list[str]]) -> None:
    """Where models are named, all machines are compared with each other."""
    assert groups == rounds.compared_together(specs)


def test_one_model_has_nothing_to_differ_from() -> None:
    """A kernel alone has its model."""
    with pytest.raises(Misuse, match="a single machine cannot be compared"):
        rounds.compared_together(["model:7.3"])


@pytest.mark.parametrize(
    ("specs", "together"),
    [
        (["qemu:7.3"], ["model:7.3", "qemu:7.3"]),
        (["qemu:6.1", "qemu:7.3"], ["qemu:6.1", "qemu:7.3"]),
        (["model:7.2", "qemu:7.3"], ["model:7.2", "qemu:7.3"]),
    ],
)
def test_random_programs_are_one_hunt(specs: list[str], together: list[str]) -> None:
    """Several kernels are compared with each other, one with the model of its series."""
    assert [together] == rounds.compared_together(specs, apart=False)
