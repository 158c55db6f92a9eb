"""Models in several processes answer as in one."""

from __future__ import annotations

import pytest

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.coverage import ModelProcesses
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

MODELS = ("model:7.2", "model:6.1")
ASKED = [(draw(1, index, Vocabulary(), Bias()), LookLevel.PROC) for index in range(12)]


def run(name: str, program: Program, level: LookLevel) -> Run:
    """The run on a model of that name."""
    return ModelMachine(name.removeprefix("model:"), level).run([program])[0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_model_s_runs_are_its_own(jobs: int) -> None:
    """In the order of the programs, every value as it was."""
    with ModelProcesses(MODELS, run, jobs=jobs) as models:
        answers = [runs[MODELS[0]] for runs in models.ask(ASKED)]

    assert [run(MODELS[0], program, level) for program, level in ASKED] == answers


def test_only_other_processes_ask_other_models() -> None:
    """In this one they are asked when their turn comes."""
    kinds = []
    for jobs in (1, 2):
        with ModelProcesses(MODELS, run, jobs=jobs) as models:
            kinds.append({name for runs in models.ask(ASKED) for name in runs})

    assert [{MODELS[0]}, set(MODELS)] == kinds


def test_without_a_model_there_is_nothing_to_tell() -> None:
    """One empty answer a program."""
    with ModelProcesses((), run, jobs=2) as models:
        assert [{}] * 12 == list(models.ask(ASKED))
