"""One check: how far it is."""

from __future__ import annotations

import pytest
from counting import Parts

from pfnlab.checker.check import check
from pfnlab.checker.kernel.scope import load_scope
from pfnlab.checker.limits import CheckLimits, Swarm, Walks
from pfnlab.programs.model.model_machine import ModelMachine


@pytest.mark.parametrize("limits", [Walks(count=3), Swarm(searches=3, states=20)], ids=str)
def test_walks_and_the_searches_of_a_swarm_are_counted(limits: CheckLimits) -> None:
    """Each one when it is done."""
    parts = Parts()

    check(ModelMachine("7.2"), load_scope("small"), limits=limits, counted=parts)

    assert (3, 3) == (parts.expected, parts.done)
