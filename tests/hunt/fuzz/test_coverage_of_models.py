"""Models in several processes answer as in one, and tell the branches that nobody had reached before."""

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
    with ModelProcesses(MODELS, run, watched=False, jobs=jobs) as models:
        answers = [answer.runs[MODELS[0]] for answer in models.ask(ASKED)]

    assert [run(MODELS[0], program, level) for program, level in ASKED] == answers


def test_only_other_processes_ask_other_models() -> None:
    """In this one they are asked when their turn comes."""
    kinds = []
    for jobs in (1, 2):
        with ModelProcesses(MODELS, run, watched=False, jobs=jobs) as models:
            kinds.append({name for answer in models.ask(ASKED) for name in answer.runs})

    assert [{MODELS[0]}, set(MODELS)] == kinds


def test_branches_reached_so_far_are_those_of_one_process() -> None:
    """After every program, so that what is new is new at the same program."""
    reached = []
    for jobs in (1, 3):
        with ModelProcesses(MODELS, run, watched=True, jobs=jobs) as models:
            seen: set[str] = set()
            sizes = []
            for answer in models.ask(ASKED):
                seen |= set(answer.branches)
                sizes.append(len(seen))
        reached.append((sizes, seen))

    assert reached[0] == reached[1]
    assert reached[0][0][0] < reached[0][0][-1]


def test_branches_known_before_are_not_told() -> None:
    """A hunt that goes on has them."""
    with ModelProcesses(MODELS, run, watched=True) as models:
        told = {name for answer in models.ask(ASKED) for name in answer.branches}
    with ModelProcesses(MODELS, run, watched=True, reached=told, jobs=2) as models:
        assert [()] * len(ASKED) == [tuple(answer.branches) for answer in models.ask(ASKED)]


def test_without_a_model_there_is_nothing_to_tell() -> None:
    """One empty answer a program."""
    with ModelProcesses((), run, watched=True, jobs=2) as models:
        assert (False, 12) == (models.watched, len(list(models.ask(ASKED))))
