"""One check: how far it is, and the program of what it found."""

from __future__ import annotations

import pytest
from counting import Parts

from pfnlab.checker.check import VIOLATED, check
from pfnlab.checker.limits import CheckLimits, Exhaustive, Swarm, Walks
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.kernel.policies.changes import changes_between
from pfnlab.programs.model.model_machine import ModelMachine


@pytest.mark.parametrize("limits", [Walks(count=3), Swarm(searches=3, states=20)], ids=str)
def test_walks_and_the_searches_of_a_swarm_are_counted(limits: CheckLimits) -> None:
    """Each one when it is done."""
    parts = Parts()

    check(ModelMachine("7.2"), load_scope("small"), limits=limits, counted=parts)

    assert (3, 3) == (parts.expected, parts.done)


def test_a_counterexample_of_a_model_with_many_policies_can_be_read() -> None:
    """Its title names the machine, as one that has every change between two versions."""
    machine = ModelMachine(",".join(("6.1", *changes_between("6.1", "7.3"))))

    result = check(machine, load_scope("small"), limits=Exhaustive(depth=3))
    broken = [answer for answer in result.answers if answer.verdict == VIOLATED]

    assert broken
    assert [f"{answer.name} on model:{machine.spec}" for answer in broken] == [
        answer.program.title for answer in broken if answer.program is not None
    ]
