"""Every program of litmus/, the schedules included, under every policy: invariants hold."""

from __future__ import annotations

import pytest
from litmus_files import FILES, program_of
from tracker_runs import no_answer

from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS
from pfnlab.programs.model.model_machine import ModelMachine

POLICIES = [
    *(f"tracker={name}" for name in (*TRACKERS, *VM_PAT_ERAS)),
    *(f"flush={name}" for name in FLUSHES),
    *(f"walker={name}" for name in WALKERS),
    *(f"freed_in_vain={name}" for name in REPORTS),
]


@pytest.mark.target("long")
@pytest.mark.parametrize("policy", POLICIES)
def test_invariants_hold(policy: str) -> None:
    """Every program on an old profile or on a new one: the next policy has it the other way round."""
    turn, programs_of_all = POLICIES.index(policy) % 2, [program_of(path) for path in FILES.values()]
    for series, programs in (("6.1", programs_of_all[turn::2]), ("7.2", programs_of_all[1 - turn :: 2])):
        machine = ModelMachine(f"{series},{policy}")
        for program in programs:
            with no_answer(policy):
                machine.run_one(program, check=True)


def test_there_are_schedules_among_them() -> None:
    """Operations that are held while others run."""
    assert any(program_of(path).needs.held for path in FILES.values())
